"""Dead letters: jobs that failed permanently, kept until they are redriven or discarded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from models.errors import NotFound
from models.reasons import Reason
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    fetch_one,
    insert,
    stored_time,
    stored_time_or_none,
    update,
)
from server.ledger.letter_filter import EVERY_LETTER, MATCHES, LetterFilter
from server.ledger.page_token import page_token_after, read_page_token
from server.ledger.types import DeadLetterRow

KEPT_LETTERS = 1000


@dataclass(frozen=True, slots=True)
class LetterBounds:
    """How many letters are kept.

    Attributes:
        most: Of all kinds.
        by_kind: Of a kind of job, where it has a bound of its own.
    """

    most: int = KEPT_LETTERS
    by_kind: Mapping[str, int] = field(default_factory=dict)


REDRIVEN, DISCARDED = "retried", "discarded"
"""How a letter was closed, as the ledger, the API and the views write it."""


def insert_letter(cursor: Cursor, row: DeadLetterRow) -> None:
    """Store a letter; ``prune`` follows."""
    insert(
        cursor,
        "dead_letters",
        {
            "id": row.id,
            "job_id": row.job_id,
            "kind": row.kind,
            "session_id": row.session_id,
            "reason": row.reason,
            "message": row.message,
            "attempts": row.attempts,
            "policy": row.policy,
            "create_time": stored_time(row.create_time),
            "closed_time": stored_time_or_none(row.closed_time),
            "closed_as": row.closed_as,
            "closed_reason": row.closed_reason,
            "correlation_id": row.correlation_id,
            "build": row.build,
        },
    )


def prune(cursor: Cursor, bounds: LetterBounds) -> dict[str, int]:
    """Delete the oldest letters beyond the bounds; closed ones go first. ``server.erasure.retention`` goes by age.

    Returns:
        How many open letters of each kind were deleted. Nobody has dealt with those.
    """
    gone: Counter[str] = Counter()
    for kind, most in (*bounds.by_kind.items(), ("", bounds.most)):
        rows = fetch_all(
            cursor,
            """DELETE FROM dead_letters WHERE id IN (SELECT id FROM dead_letters WHERE ? IN ('', kind)
                ORDER BY (closed_time IS NULL) DESC, create_time DESC, id OFFSET ?) RETURNING kind, closed_as""",
            [kind, most],
        )
        gone.update(row["kind"] for row in rows if not row["closed_as"])
    return dict(gone)


def get(cursor: Cursor, letter_id: str) -> DeadLetterRow:
    """Find a letter.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM dead_letters WHERE id = ?", [letter_id])
    if row is None:
        raise NotFound("There is no such dead letter.", reason=Reason.DEAD_LETTER_NOT_FOUND)
    return _letter(row)


def list_letters(
    cursor: Cursor,
    *,
    page_size: int = 100,
    page_token: str = "",
    include_closed: bool = False,
    which: LetterFilter = EVERY_LETTER,
) -> tuple[list[DeadLetterRow], str]:
    """Letters, newest first.

    Args:
        cursor: Of a read.
        page_size: At most this many.
        page_token: What the page before gave; empty for the first.
        include_closed: Also those that were redriven or discarded.
        which: Only those that match.

    Returns:
        The letters, and the token of the next page; empty at the end.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    at, after = read_page_token(page_token)
    rows = fetch_all(
        cursor,
        f"""SELECT * FROM dead_letters WHERE ($closed_too OR closed_time IS NULL) AND {MATCHES}
            AND ($at::TIMESTAMP IS NULL OR create_time < $at OR (create_time = $at AND id > $after))
        ORDER BY create_time DESC, id LIMIT $most""",  # noqa: S608 - literals of ours
        which.parameters | {"closed_too": include_closed, "at": at, "after": after, "most": page_size + 1},
    )
    letters = [_letter(row) for row in rows[:page_size]]
    more = len(rows) > page_size
    return letters, page_token_after(letters[-1].create_time, letters[-1].id) if more else ""


def count_open(cursor: Cursor) -> int:
    """Open letters."""
    return count(cursor, "SELECT count(*) FROM dead_letters WHERE closed_time IS NULL")


def close(cursor: Cursor, letter_id: str, now: datetime, closed_as: str, reason: str = "") -> DeadLetterRow:
    """Close a letter that was redriven or discarded."""
    changes: Row = {"closed_time": stored_time(now), "closed_as": closed_as, "closed_reason": reason}
    update(cursor, "dead_letters", letter_id, changes)
    return get(cursor, letter_id)


def _letter(row: Row) -> DeadLetterRow:
    return DeadLetterRow(
        id=row["id"],
        job_id=row["job_id"],
        kind=row["kind"],
        session_id=row["session_id"],
        reason=row["reason"],
        message=row["message"],
        attempts=row["attempts"],
        policy=row["policy"],
        create_time=aware(row["create_time"]),
        closed_time=aware_or_none(row["closed_time"]),
        closed_as=row["closed_as"],
        closed_reason=row["closed_reason"],
        correlation_id=row["correlation_id"],
        build=row["build"],
    )
