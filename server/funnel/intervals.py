"""Confidence intervals of shares."""

from __future__ import annotations

from math import sqrt
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


def _around(share: float, of: float, z: float) -> Interval:
    extra = z * z / of
    middle = share + extra / 2
    half = sqrt(extra * (share * (1 - share) + extra / 4))
    low, high = (middle - half) / (1 + extra), (middle + half) / (1 + extra)
    return Interval(0.0 if share == 0 else low, share, 1.0 if share == 1 else high)
