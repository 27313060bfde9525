"""Funnels with optional steps, excluded events, windows by step, conditions and attempts equal a count by trying."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from server.analytics.funnel import FunnelChoice, Number
from server.analytics.funnel_details import Details, NumberOf
from server.analytics.funnel_groups import grouped_report, sessions_in_group
from server.analytics.funnel_shape import Attempt, Condition, Exclusion, Shape, StepRule
from server.ledger.columns import Cursor, fetch_all
from tests.unit.analytics.funnel_rows import START, store
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_paths import Found, PathCounter

STEPS = ("a", "b", "IN_PROGRESS", "c")
EVERY = (*STEPS, "x", "y")
GIVEN: tuple[dict[str, object], ...] = ({}, {"n": 1}, {"n": 2.5}, {"n": "3"}, {"n": "it's"}, {"n": "nan"}, {"n": None})


def drawn_session(chance: random.Random) -> list[Happened]:
    """Few names, times and numbers, so that ties and contradictions are common; the server does not count.

    The app counts some of the events, none, or all.
    """
    lowest, highest = chance.choice(((0, 6), (0, 0), (1, 9)))
    names = [name for name in EVERY if not lowest or not name.isupper()]
    drawn = [
        (
            chance.choice(names),
            chance.randint(-5, 12),
            chance.randint(lowest, highest),
            json.dumps(chance.choice(GIVEN)),
        )
        for _ in range(chance.randint(0, 11))
    ]
    return [
        Happened(name, at, 0 if name.isupper() else number, not name.isupper(), text)
        for name, at, number, text in drawn
    ]


conditions = st.builds(
    Condition,
    st.just("n"),
    st.sampled_from([(), ("1",), ("3", "it's")]),
    st.sampled_from([None, 2.0]),
    st.sampled_from([None, 2.5]),
)
windows = st.none() | st.integers(0, 6).map(lambda us: timedelta(microseconds=us))


@st.composite
def shapes(draw: st.DrawFn) -> tuple[tuple[str, ...], int | None, Shape]:
    """Steps, window in microseconds, and a shape that the rules of the proto allow."""
    steps = draw(st.sampled_from((STEPS, ("a", "b", "c"), ("c", "a"), ("b",))))
    count = len(steps)
    rules = tuple(
        StepRule(
            position,
            draw(st.booleans()) if 1 < position < count else False,
            draw(windows) if position > 1 else None,
            draw(st.none() | conditions),
        )
        for position in draw(st.sets(st.integers(1, count)))
    )
    required = [n for n in range(1, count) if not Shape(rules).optional(n)]
    exclusions = draw(st.lists(st.builds(Exclusion, st.sampled_from(("x", "y")), st.sampled_from((0, *required)))))
    attempt = draw(st.sampled_from(("deepest", "first", "last")))
    return steps, draw(st.sampled_from((None, 0, 3, 8))), Shape(rules, tuple(exclusions[:2]), attempt)  # type: ignore[arg-type]


def counted(events: Sequence[Happened], steps: tuple[str, ...], within: int | None, shape: Shape) -> Found | None:
    return PathCounter(steps, within, shape).found(events)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), shapes())
def test_every_shape_equals_a_count_by_trying_all_chains(
    cursor: Cursor, seed: int, funnel: tuple[tuple[str, ...], int | None, Shape]
) -> None:
    steps, within, shape = funnel
    chance = random.Random(seed)
    stored = {f"s{number:03}": drawn_session(chance) for number in range(150)}
    cursor.execute("DELETE FROM events; DELETE FROM sessions")
    store(cursor, stored)
    window = None if within is None else timedelta(microseconds=within)
    choice = FunnelChoice(steps=steps, within=window, shape=shape)
    rows = fetch_all(cursor, f"SELECT session_id, reached, step_times FROM {choice.sessions()}", choice.parameters())
    found = {
        row["session_id"]: Found(row["reached"], tuple(_microseconds(row["step_times"], len(steps)))) for row in rows
    }
    expected = {name: counted(events, steps, within, shape) for name, events in stored.items()}
    assert found == {name: path for name, path in expected.items() if path is not None}


def _microseconds(times: list[object], count: int) -> Iterator[int | None]:
    for n in range(count):
        time = times[n] if n < len(times) else None
        yield None if time is None else (time - START) // timedelta(microseconds=1)  # type: ignore[operator]


SHOP = {
    "all": [Happened(name, at) for at, name in enumerate(("cart", "coupon", "pay", "done"))],
    "no_coupon": [Happened(name, at) for at, name in enumerate(("cart", "pay", "done"))],
    "left": [Happened("cart", 0), Happened("pay", 1)],
    "stopped": [Happened(name, at) for at, name in enumerate(("cart", "help", "pay", "done"))],
    "again": [Happened(name, at) for at, name in enumerate(("cart", "help", "cart", "pay", "done"))],
    "late_coupon": [Happened("cart", 0), Happened("coupon", 1)],
}


def numbers(cursor: Cursor, choice: FunnelChoice) -> list[tuple[int, int, int]]:
    [group] = grouped_report(cursor, choice, Details())
    for position, stage in enumerate(group.stages, start=1):
        told = (stage.report.sessions, stage.report.dropped, stage.report.under_way)
        for number, count in zip(Number, told, strict=True):
            listed = sessions_in_group(cursor, choice, Details(), NumberOf(position, number), most=100)
            assert len(listed) == count, (position, number)
    return [(stage.report.sessions, stage.report.dropped, stage.report.under_way) for stage in group.stages]


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        (Shape(), [(6, 0, 0), (2, 4, 0), (1, 1, 0), (1, 0, 0)]),
        (Shape((StepRule(2, optional=True),)), [(6, 0, 0), (2, 0, 0), (5, 1, 0), (4, 1, 0)]),
        (Shape((StepRule(2, optional=True),), (Exclusion("help"),)), [(6, 0, 0), (2, 0, 0), (4, 2, 0), (3, 1, 0)]),
        (
            Shape((StepRule(2, optional=True),), (Exclusion("help", 1),), "first"),
            [(6, 0, 0), (2, 0, 0), (3, 3, 0), (2, 1, 0)],
        ),
        (Shape((StepRule(2, optional=True),), (Exclusion("help", 3),)), [(6, 0, 0), (2, 0, 0), (5, 1, 0), (4, 1, 0)]),
    ],
)
def test_numbers_of_a_shop(cursor: Cursor, shape: Shape, expected: list[tuple[int, int, int]]) -> None:
    store(cursor, SHOP)
    assert numbers(cursor, FunnelChoice(steps=("cart", "coupon", "pay", "done"), shape=shape)) == expected


def test_those_that_have_not_ended_stand_at_the_last_required_step(cursor: Cursor) -> None:
    store(cursor, SHOP, state="STARTED")
    shape = Shape((StepRule(2, optional=True),))
    told = numbers(cursor, FunnelChoice(steps=("cart", "coupon", "pay", "done"), shape=shape))
    assert told == [(6, 0, 1), (2, 0, 0), (5, 0, 1), (4, 0, 4)]


def test_a_later_event_of_a_step_is_taken_where_the_next_step_is_too_late_for_the_first(cursor: Cursor) -> None:
    events = [Happened("a", 0), Happened("b", 1), Happened("b", 50), Happened("c", 55)]
    store(cursor, {"s1": events})
    shape = Shape((StepRule(3, within=timedelta(microseconds=10)),))
    assert numbers(cursor, FunnelChoice(steps=("a", "b", "c"), shape=shape))[2] == (1, 0, 0)


@pytest.mark.parametrize("attempt", ["deepest", "last"])
def test_a_session_of_many_events_is_counted_in_time(cursor: Cursor, attempt: Attempt) -> None:
    names = ("a", "b", "c")
    store(cursor, {"s1": [Happened(names[n % 3], n) for n in range(3000)]})
    shape = Shape((StepRule(2, within=timedelta(microseconds=5)),), (Exclusion("x"),), attempt)
    assert numbers(cursor, FunnelChoice(steps=names, shape=shape)) == [(1, 0, 0)] * 3


@pytest.mark.parametrize(
    "shape", [Shape((StepRule(1, condition=Condition("it's")),)), Shape(exclusions=(Exclusion("it's"),))]
)
def test_words_that_are_none_are_refused(cursor: Cursor, shape: Shape) -> None:
    with pytest.raises(ValueError, match="machine word"):
        FunnelChoice(steps=("a", "b"), shape=shape).sessions()
