"""Dead letters: jobs that failed for good, until somebody deals with them."""

from __future__ import annotations

from datetime import datetime, timedelta

from models.errors import Conflict, InvalidInput, NotFound
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
from server.ledger.types import DeadLetterRow

KEPT_LETTERS = 1000
KEPT_FOR = timedelta(days=7)
RETRIED = "retried"
DISCARDED = "discarded"


def insert_letter(cursor: Cursor, row: DeadLetterRow) -> int:
    """Store a letter and forget the oldest ones past the bounds.

    Returns:
        How many open letters were forgotten, so that the caller can warn.
    """
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
        },
    )
    return prune(cursor, row.create_time)


def prune(cursor: Cursor, now: datetime) -> int:
    """Forget letters older than seven days, and the oldest beyond a thousand; closed ones go first.

    Returns:
        How many of them were open.
    """
    gone = fetch_all(
        cursor,
        """DELETE FROM dead_letters WHERE create_time < ? OR id IN (
            SELECT id FROM dead_letters ORDER BY (closed_time IS NULL) DESC, create_time DESC, id OFFSET ?)
        RETURNING closed_time""",
        [stored_time(now - KEPT_FOR), KEPT_LETTERS],
    )
    return sum(row["closed_time"] is None for row in gone)


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
    cursor: Cursor, *, page_size: int = 100, page_token: str = "", include_closed: bool = False
) -> tuple[list[DeadLetterRow], str]:
    """Letters, newest first.

    Args:
        cursor: Of a read.
        page_size: At most this many.
        page_token: What the page before gave; empty for the first.
        include_closed: Also those that were retried or discarded.

    Returns:
        The letters, and the token of the next page; empty at the end.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    at, after = _read_token(page_token)
    rows = fetch_all(
        cursor,
        """SELECT * FROM dead_letters WHERE (? OR closed_time IS NULL)
            AND (? IS NULL OR create_time < ? OR (create_time = ? AND id > ?))
        ORDER BY create_time DESC, id LIMIT ?""",
        [include_closed, at, at, at, after, page_size + 1],
    )
    letters = [_letter(row) for row in rows[:page_size]]
    more = len(rows) > page_size
    return letters, _token(letters[-1]) if more else ""


def count_open(cursor: Cursor) -> int:
    """Letters that nobody has dealt with."""
    return count(cursor, "SELECT count(*) FROM dead_letters WHERE closed_time IS NULL")


def retry(cursor: Cursor, letter_id: str, now: datetime) -> DeadLetterRow:
    """Put the job of a letter back into its queue with all its attempts. Repeating it changes nothing.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
        Conflict: WRONG_STATE when it was discarded.
    """
    letter = get(cursor, letter_id)
    if letter.closed_as == RETRIED:
        return letter
    _require_open(letter)
    count(
        cursor,
        """UPDATE jobs SET state = 'QUEUED', attempts = 0, first_attempt_time = NULL, lease_owner = '',
            lease_until = NULL, next_attempt_time = ? WHERE id = ? AND state = 'DEAD'""",
        [stored_time(now), letter.job_id],
    )
    return _close(cursor, letter_id, now, RETRIED, "")


def discard(cursor: Cursor, letter_id: str, now: datetime, reason: str) -> DeadLetterRow:
    """Give a letter up. Repeating it changes nothing.

    Args:
        cursor: Within a transaction of the writer.
        letter_id: UUID of the letter.
        now: When.
        reason: A machine word.

    Raises:
        NotFound: DEAD_LETTER_NOT_FOUND.
        Conflict: WRONG_STATE when it was retried.
    """
    letter = get(cursor, letter_id)
    if letter.closed_as == DISCARDED:
        return letter
    _require_open(letter)
    return _close(cursor, letter_id, now, DISCARDED, reason)


def _require_open(letter: DeadLetterRow) -> None:
    if letter.closed_as:
        raise Conflict(f"The dead letter was {letter.closed_as} before.", reason=Reason.WRONG_STATE)


def _close(cursor: Cursor, letter_id: str, now: datetime, closed_as: str, reason: str) -> DeadLetterRow:
    changes: Row = {"closed_time": stored_time(now), "closed_as": closed_as, "closed_reason": reason}
    update(cursor, "dead_letters", letter_id, changes)
    return get(cursor, letter_id)


def _token(letter: DeadLetterRow) -> str:
    return f"{stored_time(letter.create_time).isoformat()}~{letter.id}"


def _read_token(token: str) -> tuple[datetime | None, str]:
    if not token:
        return None, ""
    moment, _, letter_id = token.partition("~")
    try:
        return datetime.fromisoformat(moment).replace(tzinfo=None), letter_id
    except ValueError:
        raise InvalidInput("The page token is not one of ours.", reason=Reason.PAGE_TOKEN_INVALID) from None


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
    )
