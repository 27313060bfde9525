"""A funnel by the ranges of a number: their bounds, their order, and the lists of their sessions."""

from __future__ import annotations

import json
import random
from datetime import timedelta

import pytest

from server.analytics.funnel import FunnelChoice, Number
from server.analytics.funnel_details import Breakdown, Details, NumberOf, Segment
from server.analytics.funnel_groups import grouped_report, sessions_in_group
from server.ledger.columns import Cursor
from tests.unit.analytics.naive_funnel import Happened
from tests.unit.analytics.naive_groups import Told
from tests.unit.analytics.test_funnel_groups import keep
from tests.unit.ledger.makers import NOW

CHOICE = FunnelChoice(steps=("a", "b"))
Sized = list[tuple[str, int, int]]


def stored(cursor: Cursor, amounts: list[object]) -> None:
    """A session for each amount; every other one went on. None is a session without one."""
    events = [
        (Happened("a", 0, 1, properties="{}" if given is None else json.dumps({"amount": given})), Happened("b", 9, 2))
        for given in amounts
    ]
    keep(cursor, [Told(f"s{n:03}", made[: 1 + n % 2], NOW) for n, made in enumerate(events)])


def sized(cursor: Cursor, most: int = 25, *, period: bool = False) -> Sized:
    """The groups in their order, each with how many sessions reached both steps."""
    asked = Details(Breakdown("property", "amount", most=most), "week" if period else None)
    report = grouped_report(cursor, CHOICE, asked)
    named = [(group.segment, group.stages) for group in report if group.segment is not None and group.start is None]
    return [(one.value or one.kind, first.report.sessions, last.report.sessions) for one, (first, last) in named]


@pytest.mark.parametrize("period", [False, True])
def test_a_number_of_many_values_has_four_ranges_of_equal_size_in_order(cursor: Cursor, period: bool) -> None:
    amounts: list[object] = list(range(1, 101))
    random.Random(1).shuffle(amounts)
    stored(cursor, [*amounts, None, None])
    groups = sized(cursor, period=period)
    assert [(name, reached) for name, reached, _ in groups] == [
        ("1 to 25", 25),
        ("26 to 50", 25),
        ("51 to 75", 25),
        ("76 to 100", 25),
        ("none", 2),
    ]


def test_weeks_are_in_order_whatever_numbers_they_have(cursor: Cursor) -> None:
    made = [(Happened("a", 0, 1, properties=json.dumps({"amount": -n})),) for n in range(60)]
    keep(cursor, [Told(f"s{n:03}", events, NOW + timedelta(weeks=n // 20)) for n, events in enumerate(made)])
    report = grouped_report(cursor, CHOICE, Details(Breakdown("property", "amount"), "week"))
    weeks = [group.start for group in report if group.segment is None and group.start]
    assert len(weeks) == 3
    assert weeks == sorted(weeks)


def test_each_list_of_a_range_is_as_long_as_its_number(cursor: Cursor) -> None:
    chance = random.Random(2)
    stored(cursor, [chance.choice((None, 0, 0, round(chance.gauss(0, 30), 2), -5)) for _ in range(200)])
    groups = sized(cursor)
    assert len(groups) > 3
    assert sum(reached for _, reached, _ in groups) == 200
    asked = Details(Breakdown("property", "amount"))
    for name, reached, went_on in groups:
        segment = Segment("none") if name == "none" else Segment("value", name)
        for position, size in ((1, reached), (2, went_on)):
            behind = NumberOf(position, Number.REACHED, segment)
            assert len(sessions_in_group(cursor, CHOICE, asked, behind, most=300)) == size, name


def test_numbers_that_are_one_double_have_one_list(cursor: Cursor) -> None:
    stored(cursor, [2**63 + n for n in range(100)])
    assert sized(cursor) == [(str(2**63), 100, 50)]
    for name in (str(2**63), str(2**63 + 99), "9.223372036854775808e18"):
        behind = NumberOf(1, Number.REACHED, Segment("value", name))
        listed = sessions_in_group(cursor, CHOICE, Details(Breakdown("property", "amount")), behind, most=300)
        assert len(listed) == 100, name


def test_a_range_has_the_first_and_the_last_text_of_its_bounds(cursor: Cursor) -> None:
    stored(cursor, [10**17 + n for n in range(100)])
    names = [name for name, _, _ in sized(cursor)]
    assert names[0] == f"{10**17} to {10**17 + 40}"
    assert names[1] == f"{10**17 + 41}"


def test_a_range_lists_what_lies_in_it_also_after_its_bounds_have_moved(cursor: Cursor) -> None:
    stored(cursor, [*range(1, 101), *[3.5] * 40])
    assert "1 to 25" not in {name for name, _, _ in sized(cursor)}
    behind = NumberOf(1, Number.REACHED, Segment("value", "1 to 25"))
    listed = sessions_in_group(cursor, CHOICE, Details(Breakdown("property", "amount")), behind, most=300)
    assert len(listed) == 25 + 40


@pytest.mark.parametrize(
    "name", ["1-2 to 3", "1 to", "to 3", "1 to 3 to 5", "5 to 3", "1e999 to 1e9999", "-inf to inf"]
)
def test_what_is_no_range_lists_nothing(cursor: Cursor, name: str) -> None:
    stored(cursor, list(range(1, 101)))
    behind = NumberOf(1, Number.REACHED, Segment("value", name))
    assert sessions_in_group(cursor, CHOICE, Details(Breakdown("property", "amount")), behind, most=300) == []


def test_what_most_sessions_have_is_a_range_of_its_own(cursor: Cursor) -> None:
    stored(cursor, [*[0] * 60, *range(1, 41)])
    assert [(name, reached) for name, reached, _ in sized(cursor)] == [("0", 60), ("1 to 15", 15), ("16 to 40", 25)]


@pytest.mark.parametrize(
    ("most", "names"),
    [(1, ["-4.5 to 10"]), (2, ["-4.5 to 4", "5 to 10"]), (3, ["-4.5 to 2", "3 to 6", "7 to 10"])],
)
def test_there_are_no_more_ranges_than_groups_are_asked_for(cursor: Cursor, most: int, names: list[str]) -> None:
    stored(cursor, [-4.5, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10.0])
    assert [name for name, _, _ in sized(cursor, most)] == names


@pytest.mark.parametrize(
    "amounts",
    [
        list(range(25)),
        [*range(40), "none"],
        [*range(40), True],
        [f"{n:05}" for n in range(40)],
        [str(n) for n in range(40)],
    ],
    ids=["few values", "a text among them", "a boolean among them", "codes", "texts of digits"],
)
def test_few_values_and_what_is_no_number_are_counted_apart(cursor: Cursor, amounts: list[object]) -> None:
    stored(cursor, amounts)
    groups = sized(cursor)
    assert len([name for name, _, _ in groups if name != "other"]) == 25
    assert all(" to " not in name for name, _, _ in groups)


def test_a_text_that_looks_like_a_range_is_a_value(cursor: Cursor) -> None:
    stored(cursor, ["1 to 3", "1 to 3", 2, 2, 2])
    asked, segment = Details(Breakdown("property", "amount")), Segment("value", "1 to 3")
    assert sized(cursor) == [("2", 3, 1), ("1 to 3", 2, 1)]
    behind = NumberOf(1, Number.REACHED, segment)
    assert len(sessions_in_group(cursor, CHOICE, asked, behind, most=9)) == 2
