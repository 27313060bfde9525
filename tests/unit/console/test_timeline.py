"""The time axis of a session, on input that nobody chose."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from server.console.timeline import Lane, Mark, TimeAxis, drawn
from server.times import shown_length

moments = st.lists(st.floats(0, 3e6, allow_nan=False), min_size=1, max_size=60)


@given(moments)
def test_later_moments_are_further_right_and_all_are_on_the_axis(times: list[float]) -> None:
    axis = TimeAxis([0.0, *times])
    places = [axis.place(moment) for moment in sorted(times)]
    assert places == sorted(places)
    assert all(0 <= place <= 100 for place in places)
    assert all(b - a >= 11.9 for a, b in pairwise(axis.place(moment) for moment in axis.ticks()))


@given(moments, st.floats(0, 3e6))
def test_marks_that_would_cover_each_other_are_one(times: list[float], until: float) -> None:
    marks = [Mark(moment, f"m{n}", f"#e{n}", "dot", max(moment, until)) for n, moment in enumerate(times)]
    chart = drawn([Lane("empty"), Lane("full", marks)], shown_length)
    assert chart is not None
    [lane] = chart.lanes
    assert sum(mark.count for mark in lane.marks) == len(times)
    assert all(b.x - a.x >= 3.7 for a, b in pairwise(lane.marks))
    assert all(bar.width > 0 and bar.x + bar.width <= 100.3 for bar in lane.bars)


def test_a_wait_of_a_day_leaves_room_for_the_talk_before_it() -> None:
    talk = [float(n) for n in range(0, 120, 4)]
    axis = TimeAxis([*talk, 86_400.0])
    assert axis.place(116.0) > 80
    assert axis.breaks == [(116.0, 86_400.0)]
    assert TimeAxis([0.0, 600.0, 1200.0, 1800.0]).breaks == [], "nothing is a long pause where all are"
    assert drawn([Lane("empty")], shown_length) is None
