"""CUPED: what was known before a session began takes a part of the noise out of its outcome.

After Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", WSDM 2013. The variant cannot change what was there before, so the difference stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.experiments.samples import Values

SMALLEST_SPREAD: Final = 1e-9
"""Sum of squares of a covariate under which it is constant but for rounding."""


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Outcomes with the part taken out that the covariates explain.

    Attributes:
        values: Those of each variant, in the order in which they were given.
        variance_ratio: Variance after it over variance before it, 1 where the covariates explain nothing.
    """

    values: list[Values]
    variance_ratio: float


def adjust(outcomes: Sequence[Values], *covariates: Sequence[Values]) -> Adjusted:
    """Take out of the outcomes what the covariates explain together, by least squares.

    Args:
        outcomes: Of each variant, one for each session.
        covariates: Each has one number for each of the same sessions, from before the experiment; NaN where there is
            none.
    """
    columns = [_centred(covariate) for covariate in covariates]
    known = [np.column_stack(of_variant) for of_variant in zip(*columns, strict=True)]
    # Within the variants, so that the effect itself does not count as noise.
    noise = np.concatenate([y - y.mean() for y in outcomes if len(y)] or [np.empty(0)])
    inside = np.concatenate([x - x.mean(axis=0) for x in known if len(x)] or [np.empty((0, len(covariates)))])
    used = (inside**2).sum(axis=0) > SMALLEST_SPREAD
    if not used.any() or not noise.any():
        return Adjusted(list(outcomes), 1.0)
    slopes = np.zeros(len(covariates))
    slopes[used] = np.linalg.lstsq(inside[:, used], noise)[0]
    left = noise - inside @ slopes
    values = [y - x @ slopes for y, x in zip(outcomes, known, strict=True)]
    return Adjusted(values, float((left**2).sum() / (noise**2).sum()))


def _centred(covariate: Sequence[Values]) -> list[Values]:
    """Around the mean of what is known; 0 where nothing is known."""
    every = np.concatenate(covariate)
    known = every[~np.isnan(every)]
    mean = float(known.mean()) if len(known) else 0.0
    return [np.where(np.isnan(values), 0.0, values - mean) for values in covariate]
