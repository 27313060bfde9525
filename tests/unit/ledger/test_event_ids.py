"""Events of the same microsecond are in the order of writing."""

from __future__ import annotations

import uuid
from datetime import timedelta
from pathlib import Path

from server.ledger import events, sessions
from server.ledger.columns import Cursor, fetch_all
from server.ledger.event_ids import EventIds
from server.ledger.types import SessionState
from server.records.events import make_event
from tests.unit.ledger.makers import NOW, session
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now

NAMES = ("first", "second", "third", "fourth")


def test_ids_rise_whatever_the_clock_does() -> None:
    ids, later = EventIds(), NOW + timedelta(milliseconds=1)
    made = [ids.new(at) for at in [NOW] * 1000 + [later] * 1000 + [NOW] * 1000]
    assert made == sorted(set(made)), "as text, too"
    read = [uuid.UUID(text) for text in made]
    assert {(each.version, each.variant) for each in read} == {(7, uuid.RFC_4122)}
    assert read[0].int >> 80 == int(NOW.timestamp() * 1000)


def test_a_timeline_has_events_of_the_same_time_in_the_order_of_writing(tmp_path: Path) -> None:
    ids = [str(uuid.uuid4()) for _ in range(8)]

    def write(cursor: Cursor) -> None:
        for session_id in ids:
            row, _ = sessions.insert_or_get(cursor, session(session_id))
            row = sessions.transition(cursor, session_id, SessionState.IN_PROGRESS, NOW)
            for name in NAMES:
                events.append(cursor, make_event(row, name, NOW))

    def timelines(cursor: Cursor) -> list[list[str]]:
        found = (fetch_all(cursor, f"FROM session_timeline('{session_id}')") for session_id in ids)
        return [[row["name"] for row in rows if row["detail"] != "STARTED"] for rows in found]

    ledger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    ledger.write_now(write)
    assert read_now(ledger, timelines) == [["stage_entered", *NAMES]] * len(ids)
    ledger.close()
