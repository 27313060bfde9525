"""How the drop-off of each step moved over the time of a report, and the line that shows it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import ceil
from typing import Final

from server.funnel.report import FunnelReport
from server.funnel.step_counts import Period

LEAST_PERIODS: Final = 3
"""With fewer weeks or months there is no trend to show."""
LEAST_COUNTED: Final = 10
"""A week with fewer sessions has no point on the line: its share jumps by chance. The table has its numbers."""
WIDTH: Final = 120
HEIGHT: Final = 28
_EDGE: Final = 3
"""Space around the line for its last point, in pixels."""


@dataclass(frozen=True, slots=True)
class Share:
    """The sessions of a time that left at a step, of those that count."""

    dropped: int
    counted: int

    @property
    def rate(self) -> float | None:
        """Their share, 0 to 1; None where none counts."""
        return self.dropped / self.counted if self.counted else None


@dataclass(frozen=True, slots=True)
class StepTrend:
    """One step.

    Attributes:
        to_stage: The stage or step that it leads into.
        shares: By period, in order.
        halves: The first and the second half of the time.
        lines: Pieces of the line, each as the points of an SVG polyline. It has a gap where little is known.
        end: The last point.
    """

    to_stage: str
    shares: tuple[Share, ...]
    halves: tuple[Share, Share]
    lines: tuple[str, ...]
    end: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Trend:
    """All steps.

    Attributes:
        unit: week or month.
        starts: The first day of each period.
        top: Share at the upper end of every line, so that they can be compared.
    """

    unit: str
    starts: tuple[str, ...]
    steps: tuple[StepTrend, ...]
    top: float


def trend(report: FunnelReport) -> Trend | None:
    """The trend of a report; None where its time is too short for one."""
    periods = report.periods
    if len(periods) < LEAST_PERIODS:
        return None
    numbers = range(len(report.drop_offs))
    shares = [tuple(_share([period], number) for period in periods) for number in numbers]
    known = [share.rate or 0.0 for line in shares for share in line if share.counted >= LEAST_COUNTED]
    top = max(0.1, ceil(10 * max(known, default=0.0)) / 10)
    middle = (len(periods) + 1) // 2
    steps = tuple(
        StepTrend(
            to_stage=found.count.to_stage,
            shares=shares[number],
            halves=(_share(periods[:middle], number), _share(periods[middle:], number)),
            lines=tuple(" ".join(f"{x:g},{y:g}" for x, y in piece) for piece in pieces),
            end=pieces[-1][-1] if pieces else None,
        )
        for number, found in enumerate(report.drop_offs)
        for pieces in [_pieces(shares[number], top)]
    )
    return Trend(report.span.unit, tuple(f"{period.start:%Y-%m-%d}" for period in periods), steps, top)


def _share(periods: Sequence[Period], number: int) -> Share:
    counts = [period.steps[number] for period in periods]
    return Share(sum(count.dropped for count in counts), sum(count.counted for count in counts))


def _pieces(shares: Sequence[Share], top: float) -> list[list[tuple[float, float]]]:
    """The points of the line in pieces that are whole."""
    step = (WIDTH - 2 * _EDGE) / (len(shares) - 1)
    points = {
        place: (
            round(_EDGE + place * step, 1),
            round(HEIGHT - _EDGE - (share.rate or 0.0) / top * (HEIGHT - 2 * _EDGE), 1),
        )
        for place, share in enumerate(shares)
        if share.counted >= LEAST_COUNTED
    }
    places = sorted(points)
    cuts = [0, *(at for at, (one, other) in enumerate(pairwise(places), start=1) if other != one + 1), len(places)]
    return [[points[place] for place in places[low:high]] for low, high in pairwise(cuts) if high > low]
