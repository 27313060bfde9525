"""Batches of apps: how many queries they cost, that they keep sessions alive, and in which order events are read."""

from __future__ import annotations

import uuid
from dataclasses import replace
from typing import Any

import pytest

from server.ledger import event_counts, events, sessions
from server.ledger.app_events import TOUCH_AFTER_S, AppendEvents, StoredIds
from server.ledger.columns import Cursor, DuckDb, RunAgain, aware, fetch_all
from server.ledger.event_counts import STORE_AFTER, EventCounts
from server.ledger.types import EventRow, SessionState
from tests.unit.ledger.makers import NOW, after, event, new_id, session


class Counting:
    """A cursor that counts its statements."""

    def __init__(self, cursor: Cursor) -> None:
        self.cursor = cursor
        self.statements: list[str] = []

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        self.statements.append(sql)
        return self.cursor.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.cursor, name)


def app_event(session_id: str, at: float = 0.0, **given: Any) -> EventRow:
    return EventRow(
        new_id(), session_id, "", **{"name": "step", "device_time": after(at), **given}, server_time=after(at)
    )


def statements(cursor: Cursor, rows: list[EventRow]) -> int:
    counting = Counting(cursor)
    assert AppendEvents(rows)(counting).new == len(rows)
    return len(counting.statements)


@pytest.mark.parametrize("number", [1, 25, 500])
def test_a_batch_costs_the_same_statements_whatever_its_number_of_sessions(cursor: Cursor, number: int) -> None:
    owners = [sessions.insert_or_get(cursor, session())[0].id for _ in range(number)]
    late = TOUCH_AFTER_S + 1
    first = [app_event(owners[i % number], late) for i in range(500)]
    assert statements(cursor, first) == 3  # look up, insert, keep alive
    again = [app_event(owners[i % number], late + 1) for i in range(500)]
    assert statements(cursor, again) == 2  # they are known to be alive


def test_wrong_clocks_of_500_sessions_cost_one_statement_more_and_three_where_a_shift_grows(cursor: Cursor) -> None:
    owners = [sessions.insert_or_get(cursor, session())[0].id for _ in range(500)]
    for year, expected in ((2036, 3), (2036, 2), (2037, 5)):
        rows = [app_event(owner, device_time=NOW.replace(year=year)) for owner in owners]
        assert statements(cursor, rows) == expected
    found = fetch_all(cursor, "SELECT DISTINCT event_time FROM events WHERE clock = 'corrected' ORDER BY event_time")
    assert [row["event_time"].year for row in found] == [2025, 2026]
    found = fetch_all(cursor, "SELECT DISTINCT event_time FROM events WHERE stage = 'STARTED'")
    assert [row["event_time"].year for row in found] == [2025], "each opening went back with the events of its session"


def test_the_stored_id_of_an_event_is_the_uuid_of_its_client_and_its_id() -> None:
    namespace = uuid.UUID("3f1b9c1e-7d1e-4f0b-8a55-0f2f8f6e2b11")
    ids = StoredIds("site-9")
    for event_id in (new_id() for _ in range(200)):
        assert ids.of(event_id) == str(uuid.uuid5(namespace, f"site-9/{event_id}"))


def _openings(cursor: Cursor) -> dict[str, Any]:
    """When each session was opened by ``event_time``; the server's time stays."""
    found = fetch_all(cursor, "SELECT session_id, event_time, server_time, clock FROM events WHERE stage = 'STARTED'")
    assert {(aware(row["server_time"]), row["clock"]) for row in found} == {(NOW, "server")}
    return {row["session_id"]: aware(row["event_time"]) for row in found}


def test_the_opening_of_a_session_is_placed_at_the_first_event_that_a_slow_clock_puts_before_it(cursor: Cursor) -> None:
    slow, right = (sessions.insert_or_get(cursor, session())[0].id for _ in range(2))
    AppendEvents([app_event(slow, -2), app_event(slow, -60), app_event(right, 1)], sent=NOW)(cursor)
    assert _openings(cursor) == {slow: after(-60), right: NOW}
    AppendEvents([app_event(slow, -30)])(cursor)
    assert _openings(cursor)[slow] == after(-60), "it never goes forward"
    stages = fetch_all(cursor, "SELECT create_time FROM v_session_stages")
    assert [aware(row["create_time"]) for row in stages] == [NOW, NOW]


@pytest.mark.parametrize("off", [0, 7200, -2, -60, -7200])
def test_a_clock_that_is_off_loses_no_session_from_a_funnel_of_a_stage_and_events(cursor: Cursor, off: float) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    rows = [
        app_event(owner.id, 5, name=name, device_time=after(off + n), sequence=n) for n, name in ((1, "f"), (2, "g"))
    ]
    AppendEvents(rows, sent=after(off + 5))(cursor)
    for ordering in ("ordered", "strict", "any"):
        found = fetch_all(cursor, f"FROM funnel(['STARTED', 'f', 'g'], ordering := '{ordering}')")
        assert [row["sessions"] for row in found] == [1, 1, 1], ordering
    [opening, *_] = fetch_all(cursor, f"FROM session_timeline('{owner.id}')")
    assert opening["detail"] == "STARTED"


def test_a_session_that_no_event_comes_before_costs_no_statement_more(cursor: Cursor) -> None:
    owner = sessions.insert_or_get(cursor, session())[0].id
    assert statements(cursor, [app_event(owner, 0.0), app_event(owner, 5)]) == 2  # look up, insert
    assert statements(cursor, [app_event(owner, -5)]) == 3


def _update_time(cursor: Cursor, session_id: str) -> Any:
    return sessions.get(cursor, session_id).update_time


def test_events_keep_a_session_alive_and_never_set_its_time_back(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    AppendEvents([app_event(owner.id, 5)])(cursor)
    assert _update_time(cursor, owner.id) == NOW  # seconds ago is recent enough
    AppendEvents([app_event(owner.id, 11), app_event(owner.id, 11)])(cursor)
    assert _update_time(cursor, owner.id) == after(11)
    AppendEvents([app_event(owner.id, -100)])(cursor)
    assert _update_time(cursor, owner.id) == after(11)


def test_events_do_not_change_a_session_that_has_ended_or_belongs_to_another_client(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    AppendEvents([app_event(owner.id, 60)], visible_to="site-8")(cursor)
    assert _update_time(cursor, owner.id) == NOW
    sessions.transition(cursor, owner.id, SessionState.ABANDONED, after(20))
    AppendEvents([app_event(owner.id, 60)])(cursor)
    assert _update_time(cursor, owner.id) == after(20)


def test_events_that_come_again_or_are_refused_do_not_keep_a_session_alive(cursor: Cursor) -> None:
    owner, other = (sessions.insert_or_get(cursor, session())[0] for _ in range(2))
    counts = EventCounts(2)
    first = [app_event(owner.id, 20) for _ in range(2)]
    _recorded(cursor, first, counts)
    for at in (100, 200):
        again = [replace(row, server_time=after(at)) for row in first]
        assert _recorded(cursor, again, counts) == (0, 2, set(), 0)
        assert _update_time(cursor, owner.id) == after(20)
    refused = app_event(owner.id, 300)
    assert _recorded(cursor, [refused], counts) == (0, 0, {refused.id}, 1)
    assert _update_time(cursor, owner.id) == after(20)
    mixed = [replace(first[0], server_time=after(400)), app_event(other.id, 400)]
    assert _recorded(cursor, mixed, counts)[:2] == (1, 1)
    assert (_update_time(cursor, owner.id), _update_time(cursor, other.id)) == (after(20), after(400))


def _recorded(cursor: Cursor, rows: list[EventRow], counts: EventCounts) -> tuple[int, int, set[str], int]:
    """Record a batch as the writer does; returns how many are new, known, refused, and of how many filled sessions."""
    append = AppendEvents(rows, counts=counts)
    try:
        found = append(cursor)
    except RunAgain:
        found = append(cursor)
    append.committed(found)
    return found.new, found.duplicates, set(found.refused), len(found.filled)


def test_a_session_stores_events_up_to_its_bound_and_the_others_are_refused_once_each(cursor: Cursor) -> None:
    owner, other = (sessions.insert_or_get(cursor, session())[0].id for _ in range(2))
    counts = EventCounts(5)
    first = [app_event(owner) for _ in range(4)]
    assert _recorded(cursor, first, counts) == (4, 0, set(), 0)
    fits, *too_many = [app_event(owner) for _ in range(3)]
    elsewhere = app_event(other)
    expected = (2, 1, {row.id for row in too_many}, 1)
    assert _recorded(cursor, [fits, too_many[0], first[0], elsewhere, too_many[1]], counts) == expected
    assert _recorded(cursor, [*first, fits], counts) == (0, 5, set(), 0)  # a repeated batch takes no room
    assert _recorded(cursor, too_many, counts) == (0, 0, {row.id for row in too_many}, 0)
    stored = fetch_all(cursor, "SELECT count(*) AS n FROM events WHERE session_id = ? AND name = 'step'", [owner])
    assert stored == [{"n": 5}]


def test_an_event_that_comes_twice_in_a_batch_takes_one_place(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    one, two = app_event(owner.id), app_event(owner.id)
    assert _recorded(cursor, [one, one, two, two], EventCounts(1)) == (1, 1, {two.id}, 1)


def _stored_number(cursor: Cursor, session_id: str) -> int:
    [row] = fetch_all(cursor, "SELECT event_count FROM sessions WHERE id = ?", [session_id])
    return int(row["event_count"])


def test_the_number_of_a_session_is_stored_now_and_then_and_outlives_the_process(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    counts = EventCounts(STORE_AFTER + 5)
    _recorded(cursor, [app_event(owner.id) for _ in range(3)], counts)
    assert _stored_number(cursor, owner.id) == 0
    _recorded(cursor, [app_event(owner.id, TOUCH_AFTER_S + 1)], counts)
    assert _stored_number(cursor, owner.id) == 4
    _recorded(cursor, [app_event(owner.id, TOUCH_AFTER_S + 1) for _ in range(STORE_AFTER)], counts)
    assert _stored_number(cursor, owner.id) == STORE_AFTER + 4
    one, two = app_event(owner.id), app_event(owner.id)
    assert _recorded(cursor, [one, two], EventCounts(STORE_AFTER + 5)) == (1, 0, {two.id}, 1)


def test_a_batch_that_is_not_committed_is_not_counted(cursor: DuckDb) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    counts = EventCounts(2)
    row = app_event(owner.id)
    for _ in range(3):
        cursor.begin()
        AppendEvents([row], counts=counts)(cursor)
        cursor.rollback()
    assert _recorded(cursor, [row, app_event(owner.id)], counts) == (2, 0, set(), 0)


def test_the_session_that_was_counted_first_is_forgotten_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_counts, "MOST_SESSIONS", 2)
    counts = EventCounts(9)
    for name in ("a", "b", "a", "c"):
        counts.committed({name: 1}, ())
    assert [counts.since_stored(name) for name in ("a", "b", "c")] == [0, 1, 1]


def _in_order(cursor: Cursor, session_id: str) -> list[str]:
    call = f"FROM session_timeline('{session_id}') WHERE name <> 'stage_entered' ORDER BY position"
    found = fetch_all(cursor, f"SELECT name {call}")
    return [row["name"] for row in found]


def test_events_are_in_the_order_in_which_the_app_counted_them(cursor: Cursor) -> None:
    """The clock of the device was set back between the second and the third; the server saw one thing meanwhile."""
    owner, _ = sessions.insert_or_get(cursor, session())
    counted = [("one", 10, 1), ("two", 50, 2), ("three", 20, 3), ("four", 70, 4)]
    rows = [EventRow(new_id(), owner.id, "", name, after(80), None, after(at), n) for name, at, n in reversed(counted)]
    AppendEvents(rows)(cursor)
    events.append(cursor, EventRow(new_id(), owner.id, "app", "seen", after(60)))
    assert _in_order(cursor, owner.id) == ["one", "two", "three", "seen", "four"]


def test_uncounted_events_of_one_time_are_in_the_order_of_their_receipt_and_ids(cursor: Cursor) -> None:
    owner, _ = sessions.insert_or_get(cursor, session())
    for name, received, event_id in (("c", 3, "1"), ("b", 2, "9"), ("a", 2, "8")):
        row = event(owner.id, event_id, received, name)
        events.insert_many(cursor, [EventRow(row.id, owner.id, "", name, after(received), event_time=NOW)])
    assert _in_order(cursor, owner.id) == ["a", "b", "c"]
