"""What is known of one variant, as units, mean and variance."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
"""One number for each unit."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One quantity in one variant.

    Attributes:
        units: Sessions that were counted.
        mean: Of the quantity.
        variance: Of the quantity of one unit.
    """

    units: int
    mean: float
    variance: float


def proportion(successes: int, units: int) -> Sample:
    """A share. Half a success is added to the variance, so that a share of 0 or 1 is not taken for certain."""
    mean = successes / units if units else 0.0
    smoothed = (successes + 0.5) / (units + 1)
    return Sample(units, mean, smoothed * (1 - smoothed))


def mean_of(values: Values) -> Sample:
    """A mean."""
    units = len(values)
    mean = float(values.mean()) if units else 0.0
    variance = float(values.var(ddof=1)) if units > 1 else 0.0
    return Sample(units, mean, variance)


def ratio_of(numerators: Values, denominators: Values) -> Sample:
    """A ratio of two sums, such as failed uploads of all uploads. Its variance comes from the delta method.

    Args:
        numerators: One for each session.
        denominators: One for each session, in the same order. Sessions with 0 are no units: they say nothing.
    """
    some = denominators > 0
    numerators, denominators = numerators[some], denominators[some]
    units = len(denominators)
    if not units:
        return Sample(0, 0.0, 0.0)
    total = float(denominators.sum())
    ratio = float(numerators.sum()) / total
    linear = (numerators - ratio * denominators) / (total / units)
    # As with a share: where nothing was counted yet, something may still come.
    least = 0.5 / (total + 1) * units / total
    return Sample(units, ratio, max(mean_of(linear).variance, least))
