"""Rows of the audit. They are only added; ``server.access.audit`` makes them and their hashes."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from models.errors import InvalidInput
from models.reasons import Reason
from server.ledger.columns import Cursor, Row, aware, fetch_all, fetch_one, insert, stored_time, stored_time_or_none


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
    """Which rows are wanted; an empty value admits all."""

    since: datetime | None = None
    subject: str = ""
    action: str = ""
    client_id: str = ""


START = AuditPosition(0, "0" * 64)
"""The end of a chain without rows."""


def last(cursor: Cursor) -> AuditPosition:
    """Where the chain ends."""
    row = fetch_one(cursor, "SELECT number, hash FROM audit ORDER BY number DESC LIMIT 1")
    return START if row is None else AuditPosition(row["number"], row["hash"])


def holds(cursor: Cursor, position: AuditPosition) -> bool:
    """Whether the chain has this position, at its end or before it."""
    if position == START:
        return True
    row = fetch_one(cursor, "SELECT hash FROM audit WHERE number = ?", [position.number])
    return row is not None and row["hash"] == position.hash


def insert_row(cursor: Cursor, row: AuditRow) -> None:
    """Add a row at the end of the chain."""
    insert(
        cursor,
        "audit",
        {
            "number": row.number,
            "time": stored_time(row.time),
            "subject": row.subject,
            "client_id": row.client_id,
            "peer": row.peer,
            "action": row.action,
            "object_type": row.object_type,
            "object_id": row.object_id,
            "outcome": row.outcome,
            "reason": row.reason,
            "count": row.count,
            "hash": row.hash,
        },
    )


def rows_after(cursor: Cursor, number: int, limit: int) -> list[AuditRow]:
    """Rows after this one, in the order of the chain."""
    rows = fetch_all(cursor, "SELECT * FROM audit WHERE number > ? ORDER BY number LIMIT ?", [number, limit])
    return [_row(row) for row in rows]


def list_rows(
    cursor: Cursor, wanted: AuditFilter, *, page_size: int, page_token: str = ""
) -> tuple[list[AuditRow], str]:
    """Rows, newest first.

    Returns:
        The rows, and the token of the next page; empty at the end.

    Raises:
        InvalidInput: PAGE_TOKEN_INVALID.
    """
    before = _before(page_token)
    since = stored_time_or_none(wanted.since)
    rows = fetch_all(
        cursor,
        """SELECT * FROM audit WHERE (? IS NULL OR number < ?) AND (?::TIMESTAMP IS NULL OR time >= ?)
            AND (? = '' OR subject = ?) AND (? = '' OR action = ?) AND (? = '' OR client_id = ?)
        ORDER BY number DESC LIMIT ?""",
        [before, before, since, since, *_twice(wanted.subject, wanted.action, wanted.client_id), page_size + 1],
    )
    listed = [_row(row) for row in rows[:page_size]]
    return listed, str(listed[-1].number) if len(rows) > page_size else ""


def _twice(*values: str) -> list[str]:
    return [value for value in values for _ in range(2)]


def _before(page_token: str) -> int | None:
    if not page_token:
        return None
    if not (page_token.isascii() and page_token.isdigit() and len(page_token) <= 18):
        raise InvalidInput("The page token is not valid.", reason=Reason.PAGE_TOKEN_INVALID)
    return int(page_token)


def _row(row: Row) -> AuditRow:
    return AuditRow(**{**row, "time": aware(row["time"])})
