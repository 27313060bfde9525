"""What tests read of a ledger, and the server does not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, TypeVar

from server.ledger import jobs
from server.ledger.columns import Cursor, Row, aware, aware_or_none, fetch_all
from server.ledger.event_properties import properties_of
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import EventRow, JobRow, SessionState

T = TypeVar("T")


def read_now(ledger: TransactionalLedger[Any], fn: Callable[[Any], T]) -> T:
    """``Ledger.read`` for a test without an event loop."""
    return asyncio.run(ledger.read(fn))


def jobs_of_session(cursor: Cursor, session_id: str) -> list[JobRow]:
    """Jobs of a session, oldest first."""
    rows = fetch_all(cursor, "SELECT id FROM jobs WHERE session_id = ? ORDER BY create_time, id", [session_id])
    return [jobs.get(cursor, row["id"]) for row in rows]


def events_of_session(cursor: Cursor, session_id: str) -> list[EventRow]:
    """Events of a session in the order in which the server received them."""
    rows = fetch_all(
        cursor, "SELECT * FROM events WHERE session_id = ? ORDER BY server_time, sequence, id", [session_id]
    )
    return [_event(row) for row in rows]


def _event(row: Row) -> EventRow:
    return EventRow(
        id=row["id"],
        session_id=row["session_id"],
        client_id=row["client_id"],
        name=row["name"],
        server_time=aware(row["server_time"]),
        stage=SessionState(row["stage"]) if row["stage"] else None,
        device_time=aware_or_none(row["device_time"]),
        sequence=row["sequence"],
        variant=row["variant"],
        took_s=row["took_s"],
        properties=properties_of(row),
    )
