"""Confidence sequences: intervals that hold at every look together, so that anybody may look early and often.

The interval of a difference is the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas,
"Time-uniform central limit theory and asymptotic confidence sequences", Annals of Statistics 52 (2024): a normal
mixture. After n units with variance s² each, its half width is

    sqrt(s² * 2 (n r + 1) / (n² r) * log(sqrt(n r + 1) / alpha))

where r is chosen so that the interval is narrowest after the planned number of units.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log
from typing import Final, TypeVar

import numpy as np

from server.experiments.samples import Sample, Values

ALPHA: Final = 0.05
"""Share of experiments without a difference in which one is ever claimed, at most."""

FEWEST_UNITS: Final = 100
"""Units that each variant needs before anything is said of it: the sequence is right for large numbers."""

Numbers = TypeVar("Numbers", float, Values)


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate between two bounds."""

    estimate: float
    low: float
    high: float

    @property
    def above_zero(self) -> bool:
        """Whether the quantity is larger in the variant than in the control."""
        return self.low > 0

    @property
    def below_zero(self) -> bool:
        """Whether the quantity is smaller in the variant than in the control."""
        return self.high < 0


def mixture_width(planned_units: float, alpha: float) -> float:
    """The variance r of the normal mixture with which the interval is narrowest after so many units.

    The minimum has no closed form; the approximation is the one that the paper gives, within 1 % of the best width.
    """
    return (-2 * log(alpha) + log(1 - 2 * log(alpha))) / planned_units


def half_width(units: Numbers, unit_variance: Numbers, planned_units: float, alpha: float = ALPHA) -> Numbers:
    """Half the width of the confidence sequence of a mean after so many units. Takes arrays, too."""
    spread = units * mixture_width(planned_units, alpha) + 1
    width: Numbers = np.sqrt(unit_variance * 2 * spread / (units * (spread - 1)) * np.log(np.sqrt(spread) / alpha))
    return width


def unit_variance(variant: Sample, control: Sample) -> float:
    """The variance that one unit of both variants together adds to the difference of their means.

    It is the larger of two estimates: with a variance of each variant, and with one of both. The first alone is too
    small while a small variant has had few events; docs/evaluation/funnel.md has the figures.
    """
    n, m = variant.units, control.units
    each = variant.variance / n + control.variance / m
    within = (n * variant.variance + m * control.variance) / (n + m)
    between = n * m / (n + m) ** 2 * (variant.mean - control.mean) ** 2
    return max(each, (within + between) * (1 / n + 1 / m)) * (n + m)


def difference(variant: Sample, control: Sample, planned_units: float, alpha: float = ALPHA) -> Interval | None:
    """How much larger a mean is in the variant than in the control; None while there are too few units.

    Args:
        variant: The one that is tried.
        control: What it is compared with.
        planned_units: Units of both after which the interval is to be narrowest. Choose it before the first look.
        alpha: Share of experiments in which the interval may ever miss the truth.
    """
    if min(variant.units, control.units) < FEWEST_UNITS:
        return None
    units = float(variant.units + control.units)
    half = float(half_width(units, unit_variance(variant, control), planned_units, alpha))
    estimate = variant.mean - control.mean
    return Interval(estimate, estimate - half, estimate + half)


def median_difference(variant: Values, control: Values, planned_units: float, alpha: float = ALPHA) -> Interval | None:
    """How much larger the median is in the variant; None while there are too few units.

    The median of each is bounded by two of its ordered values, which the confidence sequence of a share of one half
    chooses. Each of the two has half of alpha, so the interval of the difference is wider than it must be.
    """
    if min(len(variant), len(control)) < FEWEST_UNITS:
        return None
    low, high = _median_bounds(variant, planned_units, alpha / 2)
    control_low, control_high = _median_bounds(control, planned_units, alpha / 2)
    estimate = float(np.median(variant) - np.median(control))
    return Interval(estimate, low - control_high, high - control_low)


def _median_bounds(values: Values, planned_units: float, alpha: float) -> tuple[float, float]:
    """Two of the values that hold the median between them, at every look together; infinite where there are none."""
    units = len(values)
    half = half_width(float(units), 0.25, planned_units / 2, alpha)
    ordered = np.sort(values)
    below, above = ceil(units * (0.5 - half)) - 1, floor(units * (0.5 + half))
    low = float(ordered[below]) if below >= 0 else -np.inf
    high = float(ordered[above]) if above < units else np.inf
    return low, high
