"""Dead letters: jobs that failed permanently, kept until they are redriven or discarded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from models.errors import NotFound
from models.reasons import Reason
from server.ledger import job_attempts
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
from server.ledger.locks import lock_letters
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


@dataclass(frozen=True, slots=True)
class DroppedLetters:
    """Open letters of one client and kind that were deleted because there are too many.

    Attributes:
        client_id: Empty for jobs without a session.
        number: How many.
    """

    client_id: str
    kind: str
    number: int


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


# Closed ones come last. Among open ones, each client keeps as many as every other before any keeps more, and so does
# each kind of a client.
_BEYOND: Final = """
WITH owned AS (
    SELECT letters.*, coalesce(client_id, '') AS client_id, letters.closed_time IS NULL AS is_open
    FROM dead_letters AS letters LEFT JOIN sessions ON sessions.id = letters.session_id WHERE $kind IN ('', kind)
), of_kind AS (
    SELECT *, row_number() OVER (
        PARTITION BY is_open, client_id, kind ORDER BY create_time DESC, id) AS place_of_kind FROM owned
), of_client AS (
    SELECT *, row_number() OVER (
        PARTITION BY is_open, client_id ORDER BY place_of_kind, create_time DESC, id) AS place FROM of_kind
)
SELECT id, job_id, kind, client_id, is_open FROM of_client
ORDER BY is_open DESC, place, create_time DESC, id OFFSET $most
"""


def prune(cursor: Cursor, bounds: LetterBounds) -> list[DroppedLetters]:
    """Delete letters beyond the bounds, with their jobs. ``server.erasure.retention`` goes by age.

    Closed letters go first. After them go those of the client that has most, and of its kind that has most, oldest
    first: a client cannot push out the letters of another.

    Returns:
        The open letters that were deleted, by client and kind. Nobody has dealt with those.
    """
    gone: list[Row] = []
    for kind, most in (*bounds.by_kind.items(), ("", bounds.most)):
        if count(cursor, "SELECT count(*) FROM dead_letters WHERE ? IN ('', kind)", [kind]) > most:
            lock_letters(cursor)
            beyond = fetch_all(cursor, _BEYOND, {"kind": kind, "most": most})
            _delete(cursor, beyond)
            gone += (row for row in beyond if row["is_open"])
    numbers = Counter((row["client_id"], row["kind"]) for row in gone)
    return [DroppedLetters(client_id, kind, number) for (client_id, kind), number in sorted(numbers.items())]


def _delete(cursor: Cursor, letters: list[Row]) -> None:
    """Delete letters, and their jobs unless they were redriven or have a newer letter."""
    cursor.execute(
        "DELETE FROM dead_letters WHERE id IN (SELECT unnest(?::VARCHAR[]))", [[row["id"] for row in letters]]
    )
    jobs = fetch_all(
        cursor,
        """DELETE FROM jobs WHERE state = 'DEAD' AND id IN (SELECT unnest(?::VARCHAR[]))
        AND id NOT IN (SELECT job_id FROM dead_letters) RETURNING id""",
        [[row["job_id"] for row in letters]],
    )
    job_attempts.delete_of_jobs(cursor, [row["id"] for row in jobs])


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


def count_letters(cursor: Cursor, which: LetterFilter = EVERY_LETTER, *, include_closed: bool = False) -> int:
    """Letters that ``list_letters`` has on all its pages together."""
    return count(
        cursor,
        f"SELECT count(*) FROM dead_letters WHERE ($closed_too OR closed_time IS NULL) AND {MATCHES}",  # noqa: S608
        which.parameters | {"closed_too": include_closed},
    )


def open_counts(cursor: Cursor, which: LetterFilter = EVERY_LETTER) -> Counter[tuple[str, str]]:
    """Open letters that match, by kind and reason."""
    rows = fetch_all(
        cursor,
        f"""SELECT kind, reason, count(*) AS number FROM dead_letters WHERE closed_time IS NULL AND {MATCHES}
        GROUP BY kind, reason""",  # noqa: S608 - literals of ours
        which.parameters,
    )
    return Counter({(row["kind"], row["reason"]): row["number"] for row in rows})


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
