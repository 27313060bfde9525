"""The token of the next page of a list: the time and the id of the last row of the page before."""

from __future__ import annotations

from datetime import datetime

from models.errors import InvalidInput
from models.reasons import Reason
from server.ledger.columns import stored_time


def page_token_after(create_time: datetime, row_id: str) -> str:
    """The token after this row."""
    return f"{stored_time(create_time).isoformat()}~{row_id}"


def read_page_token(token: str) -> tuple[datetime | None, str]:
    """The time as it is stored and the id; None and an empty id for the first page, whose token is empty.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    if not token:
        return None, ""
    moment, _, row_id = token.partition("~")
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=None), row_id
    except ValueError:
        raise InvalidInput("The page token is not valid.", reason=Reason.PAGE_TOKEN_INVALID) from None
