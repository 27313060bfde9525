"""Intervals that hold at every look."""

from __future__ import annotations

from math import log, sqrt

import numpy as np
import numpy.typing as npt
import pytest
from scipy.optimize import minimize_scalar

from server.experiments.samples import Sample, mean_of, proportion, ratio_of
from server.experiments.sequences import (
    FEWEST_UNITS,
    Interval,
    difference,
    half_width,
    median_difference,
    mixture_width,
    unit_variance,
)

Flags = npt.NDArray[np.bool_]

RUNS, DAYS, PER_DAY = 300, 30, 200
MOST_FALSE = 0.05
"""What is allowed. Ours claim less, because the looks end after 30 days."""


def test_the_half_width_is_the_formula_of_the_paper() -> None:
    n, r, alpha = 1000.0, mixture_width(5000, 0.05), 0.05
    by_hand = sqrt(0.25) * sqrt(2 * (n * r + 1) / (n * n * r) * log(sqrt(n * r + 1) / alpha))
    assert half_width(n, 0.25, 5000, alpha) == pytest.approx(by_hand)
    assert half_width(np.array([n]), np.array([0.25]), 5000)[0] == pytest.approx(by_hand)


@pytest.mark.parametrize("planned", [200, 5000, 200_000])
def test_the_interval_is_nearly_narrowest_after_the_planned_units(planned: int) -> None:
    def width(log_r: float) -> float:
        spread = planned * float(np.exp(log_r)) + 1
        return sqrt(2 * spread / (planned * (spread - 1)) * log(sqrt(spread) / 0.05))

    best = minimize_scalar(width, bounds=(-20, 0), method="bounded").fun
    assert half_width(float(planned), 1.0, planned) <= best * 1.01


@pytest.mark.parametrize(("rate", "part"), [(0.4, 0.5), (0.05, 0.5), (0.02, 0.1)])
def test_daily_looks_at_equal_variants_claim_a_difference_in_at_most_one_of_twenty(rate: float, part: float) -> None:
    random = np.random.default_rng(11)
    false = 0
    for _ in range(RUNS):
        treated = random.random(DAYS * PER_DAY) < part
        done = random.random(DAYS * PER_DAY) < rate
        false += any(
            found is not None and (found.above_zero or found.below_zero)
            for end in range(PER_DAY, len(done) + 1, PER_DAY)
            for found in [_share_difference(done[:end], treated[:end])]
        )
    assert false / RUNS <= MOST_FALSE


def test_a_clear_difference_is_found_before_the_end() -> None:
    random = np.random.default_rng(12)
    treated = random.random(6000) < 0.5
    done = random.random(6000) < 0.4 + 0.1 * treated
    found = _share_difference(done[:3000], treated[:3000])
    assert found is not None
    assert found.above_zero
    assert found.low < 0.1 < found.high
    mirrored = _share_difference(done[:3000], ~treated[:3000])
    assert mirrored is not None
    assert mirrored.below_zero


def test_nothing_is_said_of_too_few_units() -> None:
    enough, few = proportion(50, FEWEST_UNITS), proportion(50, FEWEST_UNITS - 1)
    assert difference(few, enough, 1000) is None
    assert difference(enough, few, 1000) is None
    assert difference(enough, enough, 1000) is not None
    assert median_difference(np.ones(FEWEST_UNITS - 1), np.ones(500), 1000) is None


def test_a_rate_of_nothing_is_not_certain() -> None:
    found = difference(proportion(0, 200), proportion(0, 200), 1000)
    assert found is not None
    assert found.low < 0 < found.high


def test_the_variance_is_not_that_of_the_few_events_of_a_small_variant() -> None:
    small, large = proportion(0, 100), proportion(18, 900)
    alone = small.variance / 100 + large.variance / 900
    assert unit_variance(small, large) > 1000 * alone


def test_the_interval_of_medians_holds_the_truth_and_narrows() -> None:
    random = np.random.default_rng(13)
    control, variant = random.lognormal(0, 1, 4000), random.lognormal(0.5, 1, 4000)
    truth = float(np.exp(0.5)) - 1
    widths = []
    for units in (200, 1000, 4000):
        found = median_difference(variant[:units], control[:units], 8000)
        assert found is not None
        assert found.low < truth < found.high
        widths.append(found.high - found.low)
    assert widths == sorted(widths, reverse=True)
    assert found is not None
    assert found.above_zero


def test_few_values_do_not_bound_a_median() -> None:
    found = median_difference(np.arange(100.0), np.arange(100.0), 1_000_000)
    assert found is not None
    assert (found.low, found.high) == (-np.inf, np.inf)


def test_a_ratio_has_the_variance_that_repeated_samples_have() -> None:
    random = np.random.default_rng(14)

    def drawn() -> Sample:
        uploads = random.poisson(3, 500).astype(float)
        chance = random.beta(1, 9, 500)  # some sessions fail much more often than others
        return ratio_of(random.binomial(uploads.astype(int), chance).astype(float), uploads)

    samples = [drawn() for _ in range(2000)]
    seen = np.var([sample.mean for sample in samples])
    assert np.mean([sample.variance / sample.units for sample in samples]) == pytest.approx(seen, rel=0.1)
    assert np.mean([sample.mean for sample in samples]) == pytest.approx(0.1, abs=0.002)


def test_a_ratio_of_nothing_is_too_little_data() -> None:
    nothing = ratio_of(np.zeros(500), np.zeros(500))
    assert difference(nothing, proportion(3, 500), 1000) is None
    without_failures = ratio_of(np.zeros(500), np.full(500, 2.0))
    found = difference(without_failures, without_failures, 1000)
    assert found is not None
    assert found.low < 0 < found.high


def test_a_mean_of_no_or_one_value_is_no_error() -> None:
    assert mean_of(np.array([])) == Sample(0, 0.0, 0.0)
    assert mean_of(np.array([2.0])) == Sample(1, 2.0, 0.0)
    assert proportion(0, 0).mean == 0.0


def _share_difference(done: Flags, treated: Flags) -> Interval | None:
    ours = proportion(int(done[treated].sum()), int(treated.sum()))
    control = proportion(int(done[~treated].sum()), int((~treated).sum()))
    return difference(ours, control, DAYS * PER_DAY)
