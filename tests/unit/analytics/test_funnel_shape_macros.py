"""The macros for funnels with a shape and for groups equal a count by trying all chains, and the report."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta

import duckdb
import pytest

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_details import Attribution, Breakdown, Details
from server.analytics.funnel_groups import grouped_report
from server.analytics.funnel_shape import Attempt, Condition, Exclusion, Shape, StepRule
from server.ledger.columns import Cursor, fetch_all
from tests.unit.analytics.funnel_rows import START, store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_paths import PathCounter
from tests.unit.analytics.test_funnel_groups import drawn_session as drawn_group
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.analytics.test_funnel_shapes import drawn_session

STEPS = ("a", "b", "IN_PROGRESS", "c")


@pytest.mark.parametrize(("seed", "attempt"), [(1, "deepest"), (2, "first"), (3, "last"), (4, "deepest")])
def test_paths_and_counts_equal_a_count_by_trying_all_chains(cursor: Cursor, seed: int, attempt: Attempt) -> None:
    chance = random.Random(seed)
    stored = {f"s{n:03}": drawn_session(chance) for n in range(300)}
    store(cursor, stored)
    within, window = chance.choice((None, 8)), chance.choice((None, 4))
    rule = StepRule(
        4, within=None if window is None else timedelta(microseconds=window), condition=Condition("n", ("3",))
    )
    shape = Shape((StepRule(2, optional=seed % 2 == 1), rule), (Exclusion("x"),), attempt)
    call = f"""{list(STEPS)}, optional := {["b"] if seed % 2 else "[]"}, excluded := ['x'], attempt := '{attempt}',
        windows := [NULL, NULL, NULL, {_interval(window)}], conditions := [NULL, NULL, NULL, '{{"n": "3"}}'],
        within := {_interval(within)}"""
    rows = fetch_all(cursor, f"FROM funnel_paths({call})")
    counter = PathCounter(STEPS, within, shape)
    expected = {name: path for name, events in stored.items() if (path := counter.found(events))}
    found = {row["session_id"]: (row["reached"], *map(_microseconds, row["step_times"])) for row in rows}
    assert found == {name: (path.reached, *path.times) for name, path in expected.items()}
    counts = fetch_all(cursor, f"FROM funnel_with({call})")
    [group] = grouped_report(cursor, FunnelChoice(steps=STEPS, within=_time(within), shape=shape), Details())
    assert [(r["step"], r["is_optional"], r["sessions"], r["dropped"], r["under_way"]) for r in counts] == [
        (stage.report.name, stage.optional, stage.report.sessions, stage.report.dropped, stage.report.under_way)
        for stage in group.stages
    ]
    assert counts[0]["of_first"] == 1.0


def _interval(us: int | None) -> str:
    return "NULL" if us is None else f"INTERVAL {us} MICROSECOND"


def _time(us: int | None) -> timedelta | None:
    return None if us is None else timedelta(microseconds=us)


def _microseconds(time: object) -> int | None:
    return None if time is None else (time - START) // timedelta(microseconds=1)  # type: ignore[operator]


@pytest.mark.parametrize(
    ("arguments", "breakdown"),
    [
        ("'lens'", Breakdown("property", "lens", most=100)),
        ("'lens', attribution := 'last'", Breakdown("property", "lens", Attribution("last"), 100)),
        (
            "'lens', attribution := 'step', at_step := 2",
            Breakdown("property", "lens", Attribution("step", 2), 100),
        ),
        ("'', kind := 'variant'", Breakdown("variant", most=100)),
        ("'', kind := 'language'", Breakdown("language", most=100)),
        ("'other', kind := 'event'", Breakdown("event", "other", most=100)),
    ],
)
def test_segments_equal_the_groups_of_the_report(cursor: Cursor, arguments: str, breakdown: Breakdown) -> None:
    chance = random.Random(5)
    keep(cursor, [drawn_group(chance, f"s{n:03}") for n in range(200)])
    rows = fetch_all(
        cursor,
        f"""SELECT value, count(*) AS one, count(*) FILTER (reached = 2) AS two
        FROM funnel_segments(['a', 'b'], {arguments}) GROUP BY value""",
    )
    report = grouped_report(cursor, FunnelChoice(steps=("a", "b")), Details(breakdown))
    assert {row["value"]: [row["one"], row["two"]] for row in rows} == {
        group.segment.value: [stage.report.sessions for stage in group.stages] for group in report if group.segment
    }
    assert len(rows) > 1


@pytest.mark.parametrize(
    "call",
    [
        "funnel_paths(['a', 'a'])",
        "funnel_paths(['a', 'b'], attempt := 'best')",
        "funnel_with(['a', 'b'], optional := ['b'])",
        "funnel_with(['a', 'b'], excluded := ['b'])",
        "funnel_segments(['a'], 'lens', kind := 'colour')",
        "funnel_segments(['a'], 'lens', attribution := 'step', at_step := 2)",
        "funnel_segments(['a'], 'lens', attribution := 'step', ordering := 'any')",
    ],
)
def test_arguments_that_make_no_sense_are_refused(cursor: Cursor, call: str) -> None:
    store(cursor, {"s1": [Happened("a", 0, properties=json.dumps({"lens": "wide"}))]})
    with pytest.raises(duckdb.InvalidInputException):
        fetch_all(cursor, f"FROM {call}")


def test_a_shape_may_have_twelve_steps(cursor: Cursor) -> None:
    steps = [f"step_{n}" for n in range(1, 13)]
    store(cursor, {f"s{n}": [Happened(name, at) for at, name in enumerate(steps[:n])] for n in range(1, 13)})
    counts = fetch_all(cursor, f"FROM funnel_with({steps}, optional := ['step_2', 'step_3'])")
    assert [row["sessions"] for row in counts] == list(range(12, 0, -1))


NUMBERS: Sequence[tuple[str, str]] = [
    ("100000", "100000"),
    ("1E+5", "100000"),
    ("100000.0", "100000"),
    ("-0", "0"),
    ("-0.0", "0"),
    ("5.50", "5.5"),
    ("9007199254740993", "9007199254740993"),
    ('"100000.0"', "100000.0"),
    ('"2.0"', "2.0"),
    ("true", "true"),
]
"""A value as an app sends it in JSON, and its group."""


def store_numbers(cursor: Cursor) -> None:
    store(cursor, {f"s{n}": [Happened("a", 0, 1, True, f'{{"n": {sent}}}')] for n, (sent, _) in enumerate(NUMBERS)})


def test_equal_numbers_are_one_group(cursor: Cursor) -> None:
    store_numbers(cursor)
    expected = Counter(group for _, group in NUMBERS)
    for call in ("funnel_by(['a'], 'n')", "funnel_segments(['a'], 'n')"):
        counted = "sum(sessions)::BIGINT" if "_by" in call else "count(*)"
        rows = cursor.execute(f"SELECT value, {counted} FROM {call} GROUP BY value").fetchall()
        assert dict(rows) == expected, call
    breakdown = Details(breakdown=Breakdown("property", "n"))
    groups = grouped_report(cursor, FunnelChoice(steps=("a",)), breakdown)
    assert {g.segment.value: g.stages[0].report.sessions for g in groups if g.segment} == expected


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("100000", 3),
        ("1e5", 3),
        ("100000.0", 3),
        ("0", 2),
        ("5.5", 1),
        ("9007199254740993", 1),
        ("9007199254740992", 0),
    ],
)
def test_a_condition_compares_numbers_by_value(cursor: Cursor, asked: str, found: int) -> None:
    """The text 100000.0 of an app is no number: only who asks for it in that way finds it in GetReport."""
    store_numbers(cursor)
    [(by_macro,)] = cursor.execute(
        "SELECT sessions FROM funnel_with(['a'], conditions := [$1])", [f'{{"n": {asked}}}']
    ).fetchall()
    assert by_macro == found
    shape = Shape(rules=(StepRule(1, condition=Condition("n", (asked,))),))
    [whole] = grouped_report(cursor, FunnelChoice(steps=("a",), shape=shape), Details())
    assert whole.stages[0].report.sessions == found + (asked == "100000.0")


def test_a_condition_on_a_number_and_a_text_needs_both(cursor: Cursor) -> None:
    given = ('{"n": 5.0, "c": "web"}', '{"n": 5, "c": "app"}', '{"c": "web"}', '{"n": 6, "c": "web"}')
    store(cursor, {text: [Happened("a", 0, 1, True, text)] for text in given})
    call = """SELECT session_id FROM funnel_paths(['a'], conditions := ['{"n": 5, "c": "web"}'])"""
    assert cursor.execute(call).fetchall() == [(given[0],)]
    assert cursor.execute("FROM funnel_paths(['a'], conditions := ['{\"n\": \"5\"}'])").fetchall() == []
