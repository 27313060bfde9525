"""Funnels over any events: every order and window equals a count by loops."""

from __future__ import annotations

import json

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.ledger import events, sessions
from server.ledger.columns import Cursor, fetch_all
from server.ledger.funnel_steps import MOST_STEPS
from tests.unit.analytics.funnel_rows import store
from tests.unit.analytics.naive_funnel import Happened, reached
from tests.unit.ledger.makers import event, session

STEPS = ("a", "b", "IN_PROGRESS", "c")


@st.composite
def happened(draw: st.DrawFn) -> Happened:
    """Few names, times and numbers, so that ties and contradictions are common; the server does not count."""
    name = draw(st.sampled_from((*STEPS, "other")))
    of_app = not name.isupper()
    return Happened(name, draw(st.integers(-5, 10)), draw(st.integers(0, 6)) if of_app else 0, of_app)


counted = st.builds(Happened, st.sampled_from(("a", "b", "c", "other")), st.integers(-5, 10), st.integers(1, 9))
uncounted = st.builds(Happened, st.sampled_from(("a", "b", "c", "other")), st.integers(-5, 10))
YEAR_US = 31_557_600_000_000
far_off = st.builds(
    lambda name, at, sequence, years: Happened(name, at + years * YEAR_US, sequence),
    st.sampled_from(("a", "b", "c", "other")),
    st.integers(-5, 10),
    st.sampled_from((0, 1021, 1022, 1023, 1024, 1025, 2**40)),
    st.sampled_from((0, 0, -1500, -7, 40)),
)
"""Events whose places may need more than 64 bits."""
events_of_one = st.one_of(*(st.lists(kind, max_size=9) for kind in (happened(), counted, uncounted, far_off)))
drawn_sessions = st.lists(events_of_one, min_size=30, max_size=60)
funnels = st.tuples(st.sampled_from((STEPS, ("a", "b", "c"), ("c", "a"), ("b",))), st.sampled_from((None, 0, 3, 8)))


def _call(macro: str, steps: tuple[str, ...], within: int | None, ordering: str) -> str:
    window = "NULL" if within is None else f"INTERVAL {within} MICROSECOND"
    return f"FROM {macro}({list(steps)}, within := {window}, ordering := '{ordering}')"


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(drawn_sessions, funnels)
@pytest.mark.parametrize("ordering", ["ordered", "strict", "any"])
def test_every_funnel_equals_a_count_by_loops(
    cursor: Cursor, ordering: str, drawn: list[list[Happened]], funnel: tuple[tuple[str, ...], int | None]
) -> None:
    steps, within = funnel
    stored = {f"s{number}": events for number, events in enumerate(drawn)}
    cursor.execute("DELETE FROM events; DELETE FROM sessions")
    store(cursor, stored)
    found = fetch_all(cursor, _call("funnel_sessions", steps, within, ordering))
    expected = {name: reached(events, steps, within, ordering) for name, events in stored.items()}
    assert {row["session_id"]: row["reached"] for row in found} == {n: d for n, d in expected.items() if d}
    assert all(len(row["step_times"]) == row["reached"] for row in found)
    counts = [row["sessions"] for row in fetch_all(cursor, _call("funnel", steps, within, ordering))]
    assert counts == [sum(d >= n for d in expected.values()) for n in range(1, len(steps) + 1)]


def test_a_funnel_may_have_twelve_steps(cursor: Cursor) -> None:
    steps = tuple(f"step_{n}" for n in range(1, MOST_STEPS + 1))
    whole = [Happened(name, at) for at, name in enumerate(steps)]
    store(cursor, {f"s{n}": whole[:n] for n in range(1, MOST_STEPS + 1)})
    for ordering in ("ordered", "strict", "any"):
        counts = [row["sessions"] for row in fetch_all(cursor, _call("funnel", steps, 11, ordering))]
        assert counts == list(range(12, 0, -1)), ordering
    assert fetch_all(cursor, _call("funnel", steps, 10, "ordered"))[-1]["sessions"] == 0


@pytest.mark.parametrize("ordering", ["ordered", "strict", "any"])
def test_a_window_may_be_longer_than_any_time(cursor: Cursor, ordering: str) -> None:
    store(cursor, {"s1": [Happened("a", 0), Happened("b", 70 * YEAR_US)]})
    for within, expected in (("INTERVAL 20000 YEAR", [1, 1]), ("INTERVAL 69 YEAR", [1, 0])):
        found = fetch_all(cursor, f"FROM funnel(['a', 'b'], within := {within}, ordering := '{ordering}')")
        assert [row["sessions"] for row in found] == expected


@pytest.mark.parametrize(
    "call",
    [
        "funnel(['a', 'a'])",
        "funnel([]::VARCHAR[])",
        f"funnel({[f's{n}' for n in range(MOST_STEPS + 1)]})",
        "funnel(['a'], ordering := 'sorted')",
    ],
)
def test_a_funnel_that_cannot_be_counted_is_refused(cursor: Cursor, call: str) -> None:
    with pytest.raises(duckdb.InvalidInputException, match=r"ordered, strict or any|1 to 12 different steps"):
        fetch_all(cursor, f"FROM {call}")


def test_sessions_that_have_not_ended_are_under_way_and_not_lost(cursor: Cursor) -> None:
    store(cursor, {f"gone-{n}": [Happened("a", 0)] for n in range(45)})
    store(cursor, {f"there-{n}": [Happened("a", 0)] for n in range(7)}, state="IN_PROGRESS")
    store(cursor, {f"on-{n}": [Happened("a", 0), Happened("b", 4_000_000 * n)] for n in range(55)})
    store(cursor, {"later": [Happened("other", 86_400_000_000)]})
    [row] = fetch_all(cursor, "FROM drop_offs(['a', 'b'])")
    assert {key: row[key] for key in ("sessions", "went_on", "dropped", "under_way")} == {
        "sessions": 107,
        "went_on": 55,
        "dropped": 45,
        "under_way": 7,
    }
    assert (row["step"], row["next_step"], row["drop_off_rate"]) == ("a", "b", 0.45)
    assert row["counted"] == 100
    # statsmodels' proportion_confint(45, 100, method="wilson")
    assert (round(row["low"], 4), round(row["high"], 4)) == (0.3561, 0.5476)
    [time] = fetch_all(cursor, "FROM time_to_convert(['a', 'b'])")
    assert (time["sessions"], time["p50_s"], time["from_first_p50_s"]) == (55, 108.0, 108.0)
    assert (round(time["p10_s"], 1), round(time["p90_s"], 1)) == (21.6, 194.4)


def test_events_of_the_server_may_be_steps_but_part_no_steps_of_a_strict_funnel(cursor: Cursor) -> None:
    store(
        cursor,
        {
            "read": [Happened("a", 0, 1), Happened("photo_read", 1, of_app=False), Happened("b", 2, 2)],
            "other": [Happened("a", 0, 1), Happened("photo_kept", 1, of_app=False), Happened("b", 2, 2)],
        },
    )
    for steps, expected in ((("a", "photo_read", "b"), [2, 1, 1]), (("a", "b"), [2, 2])):
        for ordering in ("ordered", "strict"):
            counts = [row["sessions"] for row in fetch_all(cursor, _call("funnel", steps, None, ordering))]
            assert counts == expected, (steps, ordering)


def test_a_time_and_a_client_choose_sessions(cursor: Cursor) -> None:
    store(cursor, {"s1": [Happened("a", 0)]})
    for choice, expected in (
        ("since := TIMESTAMP '2026-03-01 12:00:00'", 1),
        ("since := TIMESTAMP '2026-03-01 12:00:01'", 0),
        ("until := TIMESTAMP '2026-03-01 12:00:00'", 0),
        ("client := 'app'", 1),
        ("client := 'other'", 0),
    ):
        assert fetch_all(cursor, f"FROM funnel(['a'], {choice})")[0]["sessions"] == expected, choice
        assert len(fetch_all(cursor, f"FROM funnel_sessions(['a'], {choice})")) == expected, choice


def test_a_timeline_has_its_things_in_order(cursor: Cursor) -> None:
    store(cursor, {"s1": [Happened("late", 9, 3), Happened("early", 2, 1), Happened("also_early", 2, 2)]})
    found = fetch_all(cursor, "FROM session_timeline('s1')")
    assert [(row["position"], row["name"]) for row in found] == [(1, "early"), (2, "also_early"), (3, "late")]


def test_a_timeline_has_the_events_that_the_app_counted_in_their_order_as_a_funnel_has(cursor: Cursor) -> None:
    """The clock of the device was set back between the second and the third."""
    steps, times = ("a", "b", "c", "d"), (0, 100, 40, 50)
    store(cursor, {"s1": [Happened(name, at, n) for n, (name, at) in enumerate(zip(steps, times, strict=True), 1)]})
    assert [row["name"] for row in fetch_all(cursor, "FROM session_timeline('s1')")] == list(steps)
    assert [row["sessions"] for row in fetch_all(cursor, _call("funnel", steps, None, "ordered"))] == [1] * 4


def test_two_values_of_one_moment_are_told_apart_by_the_ids_of_their_events(cursor: Cursor) -> None:
    """The event with the lower id is stored last."""
    store(cursor, {"s1": [Happened("a", 0, properties='{"k": "z"}'), Happened("a", 0, properties='{"k": "y"}')]})
    cursor.execute("UPDATE events SET id = CASE WHEN properties LIKE '%y%' THEN 's1-0' ELSE 's1-9' END")
    for attribution, expected in (("first", "y"), ("last", "z")):
        by = fetch_all(cursor, f"FROM funnel_by(['a'], 'k', attribution := '{attribution}')")
        segments = fetch_all(cursor, f"FROM funnel_segments(['a'], 'k', attribution := '{attribution}')")
        assert [row["value"] for row in (*by, *segments)] == [expected, expected]


def _open(first: int, number: int, at_us: int) -> dict[str, list[Happened]]:
    return {f"s{n}": [Happened("a", at_us)] for n in range(first, first + number)}


@pytest.mark.parametrize("ordering", ["ordered", "strict", "any"])
def test_the_rate_is_of_sessions_that_had_their_time(cursor: Cursor, ordering: str) -> None:
    """Of 200 sessions of the day before 64 left. Of 100 new ones 68 have gone on, and nobody knows of the others."""
    day, second = 86_400_000_000, 1_000_000
    went_on = {f"on-{n}": [Happened("a", 0), Happened("b", 10 * second)] for n in range(136)}
    store(cursor, _open(0, 64, 0) | went_on)
    store(cursor, _open(100, 32, day), state="STARTED")
    store(
        cursor, {f"new-{n}": [Happened("a", day), Happened("b", day + 10 * second)] for n in range(68)}, state="STARTED"
    )
    call = f"FROM drop_offs(['a', 'b'], ordering := '{ordering}'"
    [row] = fetch_all(cursor, f"{call})")
    assert (row["sessions"], row["went_on"], row["dropped"], row["under_way"]) == (300, 204, 64, 32)
    assert (row["counted"], row["drop_off_rate"]) == (200, 0.32)
    [row] = fetch_all(cursor, f"{call}, idle := INTERVAL 0 SECOND)")
    assert (row["counted"], row["drop_off_rate"]) == (268, 64 / 268)


def test_without_a_session_there_is_no_rate(cursor: Cursor) -> None:
    [row] = fetch_all(cursor, "FROM drop_offs(['a', 'b'])")
    assert (row["step"], row["next_step"], row["sessions"], row["counted"]) == ("a", "b", 0, 0)
    assert (row["drop_off_rate"], row["low"], row["high"]) == (None, None, None)
    assert fetch_all(cursor, "FROM drop_offs(['a'])") == []


def test_texts_that_the_redactor_does_not_vouch_for_are_not_shown(cursor: Cursor) -> None:
    row, _ = sessions.insert_or_get(cursor, session())
    events.insert_many(cursor, [event(row.id)])
    [shown] = fetch_all(cursor, "SELECT properties FROM v_events WHERE source = 'app'")
    assert json.loads(shown["properties"]) == {"lens": "wide", "note": "Call [REDACTED_PHONE]"}


def test_a_funnel_is_broken_down_by_the_first_or_the_last_value_of_a_property(cursor: Cursor) -> None:
    store(cursor, {name: [Happened("a", 0, 1), Happened("b", 1, 2)] for name in ("s1", "s2")})
    store(cursor, {"s3": [Happened("a", 0, 1)], "s4": [Happened("a", 0, 1)]})
    for session_id, name, lens in (("s1", "a", "wide"), ("s1", "b", "tele"), ("s2", "b", "tele"), ("s3", "a", "wide")):
        cursor.execute(
            "UPDATE events SET properties = ? WHERE session_id = ? AND name = ?",
            [json.dumps({"lens": lens}), session_id, name],
        )

    def shown(property_: str, attribution: str) -> list[tuple[object, ...]]:
        call = f"FROM funnel_by(['a', 'b'], '{property_}', attribution := '{attribution}')"
        rows = fetch_all(cursor, f"SELECT value, step, sessions {call} ORDER BY value NULLS LAST, position")
        return [tuple(row.values()) for row in rows]

    first = [("tele", "a", 1), ("tele", "b", 1), ("wide", "a", 2), ("wide", "b", 1), (None, "a", 1), (None, "b", 0)]
    assert shown("lens", "first") == first
    last = [("tele", "a", 2), ("tele", "b", 2), ("wide", "a", 1), ("wide", "b", 0), (None, "a", 1), (None, "b", 0)]
    assert shown("lens", "last") == last
    assert shown("client", "first") == [("app", "a", 4), ("app", "b", 2)]
    assert shown("week", "last") == [("2026-02-23", "a", 4), ("2026-02-23", "b", 2)]
    with pytest.raises(duckdb.InvalidInputException, match="first or last"):
        shown("lens", "middle")
