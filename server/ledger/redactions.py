"""With which rules the texts of a session were redacted again, see ``server.records.redact_again``."""

from __future__ import annotations

from datetime import datetime

from server.ledger.columns import Cursor, Row, aware, fetch_one, insert, stored_time, update
from server.ledger.dialects import hold

EVENTS_OF_APPS = "events"
"""In the place of a session's id: the events that apps recorded, of all sessions."""


def last(cursor: Cursor, session_id: str, rules: str) -> datetime | None:
    """When a session was last redacted again with these rules; None if it was not, or with others since."""
    row = fetch_one(cursor, "SELECT rules, redact_time FROM redactions WHERE id = ?", [session_id])
    return aware(row["redact_time"]) if row is not None and row["rules"] == rules else None


def store(cursor: Cursor, session_id: str, rules: str, now: datetime) -> None:
    """Store that a session was redacted again."""
    hold(cursor, "redactions", session_id)
    values: Row = {"rules": rules, "redact_time": stored_time(now)}
    if not update(cursor, "redactions", session_id, values):
        insert(cursor, "redactions", {"id": session_id, **values})
