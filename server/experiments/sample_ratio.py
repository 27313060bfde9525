"""Whether the variants have the shares of the sessions that they were meant to have.

Where they have not, sessions of one variant are missing, or come twice. Those that are there are then no fair sample,
so no difference between the variants means anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from scipy import special

RATIO_ALPHA: Final = 0.001
"""A fair split is called wrong in one of 1,000 looks. It is strict, because the check is repeated at each look."""


@dataclass(frozen=True, slots=True)
class RatioCheck:
    """The result of the chi-square test of a split.

    Attributes:
        p_value: How likely so uneven a split is when the assignment is right.
    """

    p_value: float

    @property
    def failed(self) -> bool:
        """Whether the split is not the one that was meant."""
        return self.p_value < RATIO_ALPHA


def check_ratio(counts: Sequence[int], weights: Sequence[float]) -> RatioCheck:
    """Compare how many sessions the variants have with how many they should have.

    Args:
        counts: Sessions of each variant.
        weights: What each was meant to have, in any unit.
    """
    total, whole = sum(counts), sum(weights)
    if not total:
        return RatioCheck(1.0)
    expected = [total * weight / whole for weight in weights]
    distance = sum((count - meant) ** 2 / meant for count, meant in zip(counts, expected, strict=True))
    return RatioCheck(float(special.chdtrc(len(counts) - 1, distance)))  # scipy.stats takes 0.7 s to import
