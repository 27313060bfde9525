"""Counts by day are the same before and after retention has deleted the events."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ledger import events, retention, sessions
from server.ledger.columns import Cursor, Row, count, fetch_all
from server.ledger.types import EventRow, SessionState
from tests.unit.ledger.makers import NOW, event, session

# Session, name, hours after NOW when it happened, hours later when the server learnt of it, seconds that it took.
drawn_event = st.tuples(
    st.integers(0, 3),
    st.sampled_from(("opened", "sent", "IN_PROGRESS")),
    st.integers(0, 60),
    st.integers(0, 50),
    st.sampled_from((None, 0.5, 2.0)),
)
Drawn = tuple[int, str, int, int, float | None]


def _row(number: int, drawn: Drawn) -> EventRow:
    of, name, happened, later, took_s = drawn
    made = event(f"s{of}", f"e{number}")
    at = NOW + timedelta(hours=happened)
    known = replace(made, client_id="app" if of < 2 else "site", server_time=at + timedelta(hours=later), took_s=took_s)
    if name.isupper():
        return replace(known, name="stage_entered", stage=SessionState(name), device_time=None, event_time=at)
    return replace(known, name=name, device_time=at, event_time=at)


def _counts(cursor: Cursor) -> list[Row]:
    return fetch_all(cursor, "FROM v_daily_events ORDER BY day, client_id, name")


@settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(st.lists(drawn_event, min_size=1, max_size=30), st.lists(st.integers(0, 120), min_size=1, max_size=4))
def test_deleting_events_changes_no_count(cursor: Cursor, drawn: list[Drawn], deletions: list[int]) -> None:
    cursor.execute("DELETE FROM events; DELETE FROM daily_events")
    events.insert_many(cursor, [_row(number, each) for number, each in enumerate(drawn)])
    before = _counts(cursor)
    for hours in sorted(deletions):
        retention.delete_events(cursor, NOW + timedelta(hours=hours))
        assert _counts(cursor) == before
    expected = Counter((NOW + timedelta(hours=hours)).date() for _, _, hours, _, _ in drawn)
    totals = fetch_all(cursor, "SELECT day, sum(events)::BIGINT AS n FROM v_daily_events GROUP BY day")
    assert {row["day"]: row["n"] for row in totals} == expected
    retention.delete_events(cursor, NOW + timedelta(days=9))
    assert count(cursor, "SELECT count(*) FROM events") == 0
    assert _counts(cursor) == before


def test_a_count_holds_no_property_and_no_session(cursor: Cursor) -> None:
    sessions.insert_or_get(cursor, session("s1"))
    events.append(cursor, event("s1", "e1", name="photo_sent"))
    retention.delete_events(cursor, NOW + timedelta(days=1))
    rows = fetch_all(cursor, "SELECT * FROM daily_events WHERE name = 'photo_sent'")
    assert rows == [
        {
            "day": NOW.date(),
            "client_id": "app",
            "source": "app",
            "name": "photo_sent",
            "stage": "",
            "events": 1,
            "sessions": 1,
            "timed": 1,
            "took_s": 0.25,
        }
    ]
