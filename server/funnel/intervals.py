"""Confidence intervals of shares."""

from __future__ import annotations

from collections.abc import Sequence
from math import exp, hypot, log, sqrt
from statistics import NormalDist

from server.funnel.types import Interval

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


def wilson(hits: float, of: float, confidence: float = CONFIDENCE) -> Interval:
    """Wilson's score interval of a share.

    With ``p = hits / of``, and ``z = 1.96`` for 95 %, the bounds are
    ``(p + z^2/2n ± z sqrt(p(1-p)/n + z^2/4n^2)) / (1 + z^2/n)``.

    Args:
        hits: How many.
        of: Of how many; 0 gives the whole range from 0 to 1.
        confidence: In how many of all cases, 0 to 1, the interval holds the truth.
    """
    if not of:
        return Interval(0.0, 0.0, 1.0)
    z = _Z if confidence == CONFIDENCE else NormalDist().inv_cdf(0.5 + confidence / 2)
    return _around(hits / of, of, z)


def wilson_of_share(share: float, of: float) -> Interval:
    """The same for a share of so many; the number may be a fraction, where cases do not count as whole ones."""
    return _around(share, of, _Z)


def of_all_steps(steps: Sequence[tuple[int, int]]) -> Interval | None:
    """The share that makes all of some steps in a row: the product of the shares that make each, with its interval.

    Each step may be counted on sessions of its own. The interval is made from Wilson's of each step by the method MOVER
    (Zou and Donner) for the logarithm: the distances from the shares to their bounds are added up as squares. So that
    of one step is Wilson's, and neither the share nor a bound rises with a further step.

    Args:
        steps: For each step, how many made it and of how many.

    Returns:
        1 without a step. None where nobody is counted at a step, unless nobody makes one before it: then it is 0.
    """
    share, below, above = 1.0, 0.0, 0.0
    for made, of in steps:
        if not of:
            return None
        step = wilson(made, of)
        if not made:
            return Interval(0.0, 0.0, share * step.high)
        share *= step.mid
        below = hypot(below, log(step.mid / step.low))
        above = hypot(above, log(step.high / step.mid))
    return Interval(share * exp(-below), share, share * exp(above))


def _around(share: float, of: float, z: float) -> Interval:
    extra = z * z / of
    middle = share + extra / 2
    half = sqrt(extra * (share * (1 - share) + extra / 4))
    low, high = (middle - half) / (1 + extra), (middle + half) / (1 + extra)
    return Interval(0.0 if share == 0 else low, share, 1.0 if share == 1 else high)
