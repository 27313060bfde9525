"""The token of the next page of a list: the time and the id of the last row of the page before."""

from __future__ import annotations

from datetime import datetime

from models.errors import InvalidInput
from models.reasons import Reason
from server.ledger.columns import stored_time


def page_token_after(create_time: datetime, row_id: str, of_list: str = "") -> str:
    """The token after this row.

    Args:
        create_time: Of the row, or what the list is ordered by.
        row_id: Its id.
        of_list: What tells the list from others, without "~"; empty where there is one order only.
    """
    return f"{of_list}~{_place(create_time, row_id)}" if of_list else _place(create_time, row_id)


def _place(time: datetime, row_id: str) -> str:
    return f"{stored_time(time).isoformat()}~{row_id}"


def read_page_token(token: str, of_list: str = "") -> tuple[datetime | None, str]:
    """The time as it is stored and the id; None and an empty id for the first page, whose token is empty.

    Args:
        token: What a caller gave.
        of_list: What tells the list from others, as it was given to ``page_token_after``.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID, also for a token of another list.
    """
    if not token:
        return None, ""
    if of_list:
        made_for, _, token = token.partition("~")
        if made_for != of_list:
            raise InvalidInput(
                "The page token is not valid, or is of a list with other filters or another order.",
                reason=Reason.PAGE_TOKEN_INVALID,
            )
    moment, _, row_id = token.partition("~")
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=None), row_id
    except ValueError:
        raise InvalidInput("The page token is not valid.", reason=Reason.PAGE_TOKEN_INVALID) from None
