"""CUPED: what was known before a session began takes a part of the noise out of its outcome.

After Deng, Xu, Kohavi and Walker, "Improving the sensitivity of online controlled experiments by utilizing
pre-experiment data", WSDM 2013. The variant cannot change what was there before, so the difference stays the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from server.experiments.samples import Values


@dataclass(frozen=True, slots=True)
class Adjusted:
    """Outcomes with the part taken out that the covariate explains.

    Attributes:
        values: Those of each variant, in the order in which they were given.
        variance_ratio: Variance after it over variance before it, 1 where the covariate explains nothing.
    """

    values: list[Values]
    variance_ratio: float


def adjust(outcomes: Sequence[Values], before: Sequence[Values]) -> Adjusted:
    """Take out of the outcomes what the covariate explains.

    Args:
        outcomes: Of each variant, one for each session.
        before: The covariate of the same sessions, from before the experiment. NaN where there is none.
    """
    mean = _mean_of_known(before)
    centred = [np.where(np.isnan(values), 0.0, values - mean) for values in before]
    # Within the variants, so that the effect itself does not count as noise.
    explained = sum(
        float(((y - y.mean()) * (x - x.mean())).sum()) for y, x in zip(outcomes, centred, strict=True) if len(y)
    )
    spread = sum(float(((x - x.mean()) ** 2).sum()) for x in centred if len(x))
    noise = sum(float(((y - y.mean()) ** 2).sum()) for y in outcomes if len(y))
    if not spread or not noise:
        return Adjusted(list(outcomes), 1.0)
    slope = explained / spread
    values = [y - slope * x for y, x in zip(outcomes, centred, strict=True)]
    return Adjusted(values, 1 - explained**2 / (spread * noise))


def _mean_of_known(before: Sequence[Values]) -> float:
    known = np.concatenate([values[~np.isnan(values)] for values in before])
    return float(known.mean()) if len(known) else 0.0
