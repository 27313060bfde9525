"""What changed from one week to the next, with intervals that hold for all figures together.

A difference is called a change only if its interval leaves zero out. Several figures are compared, so each interval is
wider than one of 95 %: all of them together hold the truth in 95 of 100 weeks (Bonferroni).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from server.funnel.drop_offs import DropOff
from server.funnel.intervals import CONFIDENCE, wilson
from server.funnel.report import FunnelReport
from server.funnel.types import Interval

COMPLETED: Final = 0
"""The figure of completion; the others have the number of their step."""
MOST_WAITING: Final = 0.05
_DRAWS: Final = 20_000


@dataclass(frozen=True, slots=True)
class Change:
    """A share in two weeks.

    Attributes:
        step: Number of the step whose drop-off it is; ``COMPLETED`` for the completion rate.
        now: In the reported week, with its 95 % interval.
        before: In the week before.
        difference: Now less before, with an interval that holds together with those of the other figures.
    """

    step: int
    now: Interval
    before: Interval
    difference: Interval

    @property
    def clear(self) -> bool:
        """Whether it is more than chance."""
        return self.difference.low > 0 or self.difference.high < 0


def compare(now: FunnelReport, before: FunnelReport) -> tuple[Change, ...]:
    """The figures that both weeks have enough data for: completion first, then the steps in order."""
    early = early_steps(now, before)
    pairs = [
        (new, old)
        for new, old in zip(now.drop_offs, before.drop_offs, strict=False)
        if new.severity and old.severity and new not in early
    ]
    rates = (None, None) if early else (completion(now), completion(before))
    figures = len(pairs) + (rates[0] is not None and rates[1] is not None)
    if not figures:
        return ()
    confidence = 1 - (1 - CONFIDENCE) / figures
    found = [_of_step(new, old, confidence) for new, old in pairs]
    if rates[0] is not None and rates[1] is not None:
        difference = _completion_difference(now.drop_offs, before.drop_offs, confidence)
        found.insert(0, Change(COMPLETED, rates[0], rates[1], difference))
    return tuple(found)


def early_steps(now: FunnelReport, before: FunnelReport) -> tuple[DropOff, ...]:
    """Steps of the reported week of which more sessions wait than in the week before, by more than 5 %.

    Who decides slowly is missing there, and the week before had a week more. Such steps are not compared.
    """
    return tuple(
        new
        for new, old in zip(now.drop_offs, before.drop_offs, strict=False)
        if _waiting(new) > _waiting(old) + MOST_WAITING
    )


def _waiting(found: DropOff) -> float:
    return found.count.waiting / found.count.entered if found.count.entered else 0.0


def completion(report: FunnelReport) -> Interval | None:
    """The share of sessions that complete, with its 95 % interval; None with too little data."""
    if not report.drop_offs or not report.drop_offs[0].severity:
        return None
    rate = _rate(report.drop_offs)
    if rate is None:
        return None
    low, high = np.quantile(_drawn(report.drop_offs, seed=0), ((1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2)).tolist()
    return Interval(min(low, rate), rate, max(high, rate))


def _rate(steps: Sequence[DropOff]) -> float | None:
    """None where nobody's end is known at a step that some reached."""
    rate = 1.0
    for step in steps:
        if not step.count.counted:
            return None
        rate *= step.count.went_on / step.count.counted
        if not rate:
            break
    return rate


def _of_step(new: DropOff, old: DropOff, confidence: float) -> Change:
    counts = (new.count.dropped, new.count.counted), (old.count.dropped, old.count.counted)
    return Change(new.count.step, new.rate, old.rate, difference_of_shares(*counts, confidence))


def difference_of_shares(now: tuple[int, int], before: tuple[int, int], confidence: float = CONFIDENCE) -> Interval:
    """Newcombe's interval of the difference of two shares, from the Wilson intervals of both.

    ``d - sqrt((p1 - l1)^2 + (u2 - p2)^2)`` to ``d + sqrt((u1 - p1)^2 + (p2 - l2)^2)`` (Newcombe 1998, method 10).

    Args:
        now: How many, of how many.
        before: The same for the share that is taken away.
        confidence: Of the interval.
    """
    new, old = wilson(*now, confidence), wilson(*before, confidence)
    middle = new.mid - old.mid
    below = sqrt((new.mid - new.low) ** 2 + (old.high - old.mid) ** 2)
    above = sqrt((new.high - new.mid) ** 2 + (old.mid - old.low) ** 2)
    return Interval(middle - below, middle, middle + above)


def _completion_difference(now: Sequence[DropOff], before: Sequence[DropOff], confidence: float) -> Interval:
    drawn = _drawn(now, seed=1) - _drawn(before, seed=2)
    middle = (_rate(now) or 0.0) - (_rate(before) or 0.0)
    low, high = np.quantile(drawn, ((1 - confidence) / 2, (1 + confidence) / 2)).tolist()
    return Interval(min(low, middle), middle, max(high, middle))


def _drawn(steps: Sequence[DropOff], seed: int) -> npt.NDArray[np.float64]:
    """Completion rates that the data allows, with Jeffreys' prior for each step."""
    random = np.random.default_rng(seed)
    drawn = np.ones(_DRAWS)
    for step in steps:
        drawn *= random.beta(step.count.went_on + 0.5, step.count.dropped + 0.5, _DRAWS)
    return drawn
