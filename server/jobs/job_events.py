"""Tells the session of a job what becomes of the job."""

from __future__ import annotations

from datetime import datetime

from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.types import JobRow
from server.records.events import Value, make_event


def note_job(cursor: Cursor, job: JobRow, name: str, now: datetime, **properties: Value) -> None:
    """Record an event of a job in its session; a job without one, or whose session was erased, records nothing."""
    session = sessions.find(cursor, job.session_id) if job.session_id else None
    if session is not None:
        events.insert_event(cursor, make_event(session, name, now, took_s=None, job=job.kind, **properties))
