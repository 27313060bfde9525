"""What changes should bring by rule, and all changes together: both from the share that goes on at each step."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import prod

import numpy as np

from server.funnel.drop_offs import DropOff
from server.funnel.intervals import of_all_steps
from server.funnel.recommendations import Recommendation, Roi, mapped, scaled
from server.funnel.texts import ReportTexts
from server.funnel.types import Improvement, Interval


def by_rule(
    drop_off: DropOff, drop_offs: Sequence[DropOff], target: float, sessions: int, texts: ReportTexts
) -> Recommendation:
    """The recommendation for a severe step of which the data shows no cause.

    Nothing in the data says what a change would bring. The range goes from nothing to what a drop-off rate that is just
    not severe would bring, with all that follows at the other steps; its middle is half of that. Where nobody
    completes, a rise has no percentage.

    Args:
        drop_off: The step.
        drop_offs: All steps.
        target: The drop-off rate from which on a step is severe.
        sessions: Sessions of the report.
        texts: What is said.
    """
    text = texts.of_step(drop_off.count.to_stage)
    others = _going_on(other for other in drop_offs if other is not drop_off)
    today = others * (1 - drop_off.rate.mid)
    gain = mapped(_going_on_then(drop_off, target), lambda then: max(0.0, others * then - today))
    return Recommendation(
        step=drop_off.count.step,
        category=text.categories[0],
        effort=text.effort,
        title=text.title,
        action=text.action,
        improvement=scaled(gain, 1 / today) if today else Interval(0.0, 0.0, 0.0),
        completions=scaled(gain, sessions),
        steps=drop_off.count.names,
    )


def _going_on_then(drop_off: DropOff, target: float) -> Interval:
    """The share that may go on at a step after a change by rule."""
    now, most = 1 - drop_off.rate.mid, 1 - target
    return Interval(now, (now + most) / 2, most)


def _going_on(drop_offs: Iterable[DropOff]) -> float:
    """The share that goes on at each of some steps."""
    return prod(1 - found.rate.mid for found in drop_offs)


def completion_rate(drop_offs: Sequence[DropOff]) -> Interval:
    """The share of sessions that complete, from those that count at each step, with its 95 % interval.

    A step at which nobody counts yet may lose nobody or all.
    """
    steps = [(found.count.went_on, found.count.counted) for found in drop_offs]
    rate = of_all_steps(steps)
    if rate is None:
        known = of_all_steps([step for step in steps if step[1]]) or Interval(0.0, 1.0, 1.0)
        rate = Interval(0.0, known.mid, known.high)
    return rate


def roi(
    rate: Interval,
    together: Improvement | None,
    drop_offs: Sequence[DropOff],
    ruled: Sequence[DropOff],
    target: float,
    sessions: int,
) -> Roi:
    """What all changes together should bring.

    Args:
        rate: Share of the sessions that complete today.
        together: What it should bring to take the effects of all causes away; None without a cause.
        drop_offs: All steps.
        ruled: The steps that have a recommendation by rule. They are others than those of the causes.
        target: The drop-off rate from which on a step is severe.
        sessions: Sessions of the report.
    """
    others = _going_on(found for found in drop_offs if found not in ruled)
    then_at = [_going_on_then(found, target) for found in ruled]
    gains = []
    for name in ("low", "mid", "high"):
        then = others * prod(getattr(going_on, name) for going_on in then_at)
        if together is not None:
            # Where nobody makes a step, the share of today is 0, and only the model has one that can be divided by.
            then *= 1 + getattr(together.points, name) / 100 / (rate.mid or together.rate.mid)
        gains.append(min(then, 1.0) - rate.mid)
    gain = Interval(*gains)
    then = rate.mid + gain.mid
    # The errors of the present rate and of the gain come together.
    below = float(np.hypot(rate.mid - rate.low, gain.mid - gain.low))
    above = float(np.hypot(rate.high - rate.mid, gain.high - gain.mid))
    return Roi(
        rate=rate,
        rate_then=Interval(max(0.0, then - below), then, min(1.0, then + above)),
        completions=scaled(gain, sessions),
        improvement=scaled(gain, 1 / rate.mid) if rate.mid else Interval(0.0, 0.0, 0.0),
    )
