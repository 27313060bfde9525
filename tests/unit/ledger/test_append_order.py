"""Events of the same microsecond are in the order of writing."""

from __future__ import annotations

from server.ledger import events, sessions
from server.ledger.columns import Cursor, fetch_all
from server.ledger.types import SessionState
from server.records.events import make_event
from tests.unit.ledger.makers import NOW, new_id, session
from tests.unit.ledger.stored import events_of_session

NAMES = ("first", "second", "third", "fourth")


def _write(cursor: Cursor) -> list[str]:
    """Store events of one time in each of some sessions; returns the ids of these."""
    ids = [new_id() for _ in range(8)]
    for session_id in ids:
        sessions.insert_or_get(cursor, session(session_id))
        row = sessions.transition(cursor, session_id, SessionState.IN_PROGRESS, NOW)
        for name in NAMES:
            events.append(cursor, make_event(row, name, NOW))
    return ids


def test_events_of_the_same_time_are_stored_in_the_order_of_writing(cursor: Cursor) -> None:
    for session_id in _write(cursor):
        stored = [row.name for row in events_of_session(cursor, session_id)]
        assert stored == ["stage_entered", "stage_entered", *NAMES]


def test_a_timeline_has_events_of_the_same_time_in_the_order_of_writing(cursor: Cursor) -> None:
    for session_id in _write(cursor):
        listed = fetch_all(cursor, f"FROM session_timeline('{session_id}')")
        assert [row["name"] for row in listed if row["detail"] != "STARTED"] == ["stage_entered", *NAMES]
