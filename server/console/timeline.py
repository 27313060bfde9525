"""What the timeline of a session is drawn from: lanes of marks on one time axis. Tables beside it say the same."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median_low
from typing import Final, Literal

LANE: Final = 52
"""Height of a lane in pixels: a line for its label, and one for its marks."""
_MARKS: Final = 36
"""Where the marks of a lane are."""
AXIS: Final = 28
_EDGE: Final = 2.5
"""Percent of the width on both sides, so that no mark is cut."""
_BREAK: Final = 6.0
"""Percent of the width of a pause that is drawn short."""
_MOST_BREAKS: Final = 6
_LONG_S: Final = 30.0
_LONG_RATIO: Final = 10
"""A pause is long if it lasts so many seconds, and so many times as long as the median one."""
_CLOSE: Final = 3.8
"""Percent of the width below which marks of a lane are drawn as one: 24 pixels of the least width, for a finger."""
_TICK: Final = 12.0
"""Least distance of two ticks, in percent."""
_STEPS: Final = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21_600, 86_400, 604_800, 2_592_000)

Shape = Literal["dot", "ring", "square", "diamond", "triangle", "cross", "tick", "bar"]
"""Of a mark, so that colours are not needed."""


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened.

    Attributes:
        at_s: When, in seconds after the opening of the session.
        text: What, in words.
        href: Where the page says more.
        until_s: When it was over; None for a moment.
        bad: Whether it failed.
    """

    at_s: float
    text: str
    href: str
    shape: Shape
    until_s: float | None = None
    bad: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """Marks of one kind."""

    label: str
    marks: list[Mark] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class MarkShown:
    """A mark as it is drawn, at ``x`` percent of the width.

    Attributes:
        count: How many things it stands for.
    """

    x: float
    shape: Shape
    href: str
    text: str
    bad: bool
    count: int


@dataclass(frozen=True, slots=True)
class BarShown:
    """How long something took, in percent of the width."""

    x: float
    width: float
    bad: bool


@dataclass(frozen=True, slots=True)
class LaneShown:
    """A lane as it is drawn; ``y`` is the middle of its marks in pixels."""

    label: str
    y: int
    marks: tuple[MarkShown, ...]
    bars: tuple[BarShown, ...]


@dataclass(frozen=True, slots=True)
class TimelineShown:
    """A timeline as it is drawn.

    Attributes:
        ticks: Place in percent of the width, and text.
        breaks: Where a long pause is drawn short, in percent.
    """

    lanes: tuple[LaneShown, ...]
    height: int
    ticks: tuple[tuple[float, str], ...]
    breaks: tuple[float, ...]


class TimeAxis:
    """Where moments are. Long pauses are drawn short, so that a talk of a minute is seen beside a wait of a day.

    Args:
        moments: All that are drawn, in seconds after the opening; at least one.

    Attributes:
        breaks: Begin and end of the pauses that are drawn short, in seconds.
    """

    def __init__(self, moments: Sequence[float]) -> None:
        times = sorted({round(moment, 3) for moment in moments})
        self.breaks = _long_pauses(times)
        cut = set(self.breaks)
        linear_s = sum(end - start for start, end in pairwise(times) if (start, end) not in cut)
        room = 100 - 2 * _EDGE - _BREAK * len(cut)
        self._percent_of_second = room / linear_s if linear_s else 0.0
        self._times, self._places = [times[0]], [_EDGE]
        for start, end in pairwise(times):
            step = _BREAK if (start, end) in cut else (end - start) * self._percent_of_second
            self._times.append(end)
            self._places.append(self._places[-1] + step)

    def place(self, at_s: float) -> float:
        """Where a moment is, in percent of the width."""
        after = min(max(bisect_right(self._times, at_s), 1), len(self._times) - 1) if len(self._times) > 1 else 0
        if after == 0:
            return self._places[0]
        start, end = self._times[after - 1], self._times[after]
        share = min(max((at_s - start) / (end - start), 0.0), 1.0)
        return round(self._places[after - 1] + share * (self._places[after] - self._places[after - 1]), 2)

    def ticks(self) -> list[float]:
        """The first moment, the one after each long pause, and round ones that are far enough from all others."""
        step = next((s for s in _STEPS if s * self._percent_of_second >= _TICK), _STEPS[-1])
        starts = [self._times[0], *(end for _, end in self.breaks)]
        ends = [*(start for start, _ in self.breaks), self._times[-1]]
        wanted = list(starts)
        for start, end in zip(starts, ends, strict=True):
            first = int(start // step) + 1
            wanted += [float(step * n) for n in range(first, min(int(end // step), first + 50) + 1)]
        kept: list[float] = []
        for moment in wanted:
            if all(abs(self.place(moment) - self.place(other)) >= _TICK for other in kept):
                kept.append(moment)
        return sorted(kept)


def _long_pauses(times: Sequence[float]) -> list[tuple[float, float]]:
    pauses = list(pairwise(times))
    if len(pauses) < 2:
        return []
    usual = median_low([end - start for start, end in pauses])
    total = times[-1] - times[0]
    least = max(_LONG_S, _LONG_RATIO * usual, total * _BREAK / 100)
    long = sorted((pause for pause in pauses if pause[1] - pause[0] > least), key=lambda pause: pause[0] - pause[1])
    return sorted(long[:_MOST_BREAKS])


def drawn(lanes: Sequence[Lane], length: Callable[[float], str]) -> TimelineShown | None:
    """A timeline; None if there is nothing to draw.

    Args:
        lanes: Those without marks are left out.
        length: Writes a number of seconds.
    """
    full = [lane for lane in lanes if lane.marks]
    moments = [m for lane in full for mark in lane.marks for m in (mark.at_s, mark.until_s) if m is not None]
    if not moments:
        return None
    axis = TimeAxis([0.0, *moments])
    shown = tuple(_lane(lane, LANE * number + _MARKS, axis) for number, lane in enumerate(full))
    ticks = tuple((axis.place(moment), length(moment)) for moment in axis.ticks())
    breaks = tuple(round((axis.place(start) + axis.place(end)) / 2, 2) for start, end in axis.breaks)
    return TimelineShown(shown, LANE * len(full) + AXIS, ticks, breaks)


def _lane(lane: Lane, y: int, axis: TimeAxis) -> LaneShown:
    marks = sorted(lane.marks, key=lambda mark: mark.at_s)
    groups: list[list[Mark]] = []
    for mark in marks:
        if groups and axis.place(mark.at_s) - axis.place(groups[-1][0].at_s) < _CLOSE:
            groups[-1].append(mark)
        else:
            groups.append([mark])
    bars = tuple(
        BarShown(axis.place(m.at_s), round(max(axis.place(m.until_s) - axis.place(m.at_s), 0.3), 2), m.bad)
        for m in marks
        if m.until_s is not None
    )
    return LaneShown(lane.label, y, tuple(_shown(group, axis) for group in groups), bars)


def _shown(group: Sequence[Mark], axis: TimeAxis) -> MarkShown:
    first, bad = group[0], any(mark.bad for mark in group)
    return MarkShown(
        x=axis.place(first.at_s),
        shape=first.shape,
        href=next((mark.href for mark in group if mark.bad), first.href),
        text="; ".join(mark.text for mark in group[:5]) + ("; …" if len(group) > 5 else ""),
        bad=bad,
        count=len(group),
    )
