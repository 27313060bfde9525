"""Rows of the audit. They are only added; ``server.access.audit`` makes them and their hashes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime, timedelta
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason
from server.ledger.columns import Cursor, Row, aware, count, fetch_all, fetch_one, stored_time, stored_time_or_none

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_TOKEN: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,17})")
"""Number and time of the last row of a page; every such time is one that ``datetime`` has."""


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One row; the columns are described in ``server.ledger.schema.AUDIT``."""

    number: int
    time: datetime
    subject: str
    client_id: str
    peer: str
    action: str
    object_type: str
    object_id: str
    outcome: str
    reason: str
    count: int
    hash: str = ""


@dataclass(frozen=True, slots=True)
class AuditPosition:
    """Where a chain ends: the number and the hash of its last row."""

    number: int
    hash: str


@dataclass(frozen=True, slots=True)
class AuditFilter:
    """Which rows are wanted; an empty value admits all.

    Attributes:
        subjects: Any of these.
    """

    since: datetime | None = None
    subjects: tuple[str, ...] = ()
    action: str = ""
    client_id: str = ""


_COLUMNS = tuple(field.name for field in fields(AuditRow))
_NAMES = ", ".join(f'"{name}"' for name in _COLUMNS)
_MARKS = f"({', '.join('?' * len(_COLUMNS))})"
_ROWS_IN_A_STATEMENT = 64

START = AuditPosition(0, "0" * 64)
"""The end of a chain without rows."""


def last(cursor: Cursor) -> AuditPosition:
    """Where the chain ends. Two statements cost less than an ORDER BY, which reads all rows."""
    number = count(cursor, "SELECT max(number) FROM audit")
    row = fetch_one(cursor, "SELECT hash FROM audit WHERE number = ?", [number])
    return START if row is None else AuditPosition(number, row["hash"])


def holds(cursor: Cursor, position: AuditPosition) -> bool:
    """Whether the chain has this position, at its end or before it."""
    if position == START:
        return True
    row = fetch_one(cursor, "SELECT hash FROM audit WHERE number = ?", [position.number])
    return row is not None and row["hash"] == position.hash


def insert_rows(cursor: Cursor, rows: Sequence[AuditRow]) -> None:
    """Add rows at the end of the chain, some in one statement."""
    for start in range(0, len(rows), _ROWS_IN_A_STATEMENT):
        some = rows[start : start + _ROWS_IN_A_STATEMENT]
        sql = f"INSERT INTO audit ({_NAMES}) VALUES {', '.join([_MARKS] * len(some))}"  # noqa: S608 - literals of ours
        values = ({**asdict(row), "time": stored_time(row.time)} for row in some)
        cursor.execute(sql, [value for row in values for value in row.values()])


def rows_after(cursor: Cursor, number: int, limit: int) -> list[AuditRow]:
    """Rows after this one, in the order of the chain."""
    rows = fetch_all(cursor, "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", [number, limit])
    return [_row(row) for row in rows]


def list_rows(
    cursor: Cursor, wanted: AuditFilter, *, page_size: int, page_token: str = ""
) -> tuple[list[AuditRow], str]:
    """Rows by time, newest first. Rows about access are added when their window ends, so numbers are not in order.

    Returns:
        The rows, and the token of the next page; empty at the end.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    before, before_time = _before(page_token)
    since = stored_time_or_none(wanted.since)
    rows = fetch_all(
        cursor,
        """SELECT * FROM audit WHERE (?::BIGINT IS NULL OR (time, number) < (?::TIMESTAMP, ?))
            AND (?::TIMESTAMP IS NULL OR time >= ?)
            AND (len(?::VARCHAR[]) = 0 OR list_contains(?::VARCHAR[], subject))
            AND (? = '' OR action = ?) AND (? = '' OR client_id = ?)
        ORDER BY time DESC, number DESC LIMIT ?""",
        [
            *(before, before_time, before),
            *(since, since),
            *(list(wanted.subjects), list(wanted.subjects)),
            *_twice(wanted.action, wanted.client_id),
            page_size + 1,
        ],
    )
    listed = [_row(row) for row in rows[:page_size]]
    return listed, _token(listed[-1]) if len(rows) > page_size else ""


def _twice(*values: str) -> list[str]:
    return [value for value in values for _ in range(2)]


def _token(row: AuditRow) -> str:
    """The page token after this row: its number, and its time in microseconds since 1970."""
    return f"{row.number}.{(row.time - _EPOCH) // timedelta(microseconds=1)}"


def _before(page_token: str) -> tuple[int | None, datetime | None]:
    if not page_token:
        return None, None
    found = _TOKEN.fullmatch(page_token)
    if found is None:
        raise InvalidInput("The page token is not valid.", reason=Reason.PAGE_TOKEN_INVALID)
    return int(found[1]), stored_time(_EPOCH + timedelta(microseconds=int(found[2])))


def _row(row: Row) -> AuditRow:
    return AuditRow(**{**row, "time": aware(row["time"])})
