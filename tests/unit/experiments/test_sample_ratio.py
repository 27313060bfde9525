"""The check of the split."""

from __future__ import annotations

import numpy as np
import pytest

from server.experiments.sample_ratio import check_ratio


@pytest.mark.parametrize(
    ("counts", "weights", "failed"),
    [
        ((600, 400), (1, 1), True),
        ((400, 600), (50, 50), True),
        ((500, 500), (1, 1), False),
        ((530, 470), (1, 1), False),
        ((600, 400), (6, 4), False),
        ((100, 900), (1, 9), False),
        ((160, 840), (1, 9), True),
        ((300, 300, 400), (1, 1, 1), True),
        ((6, 4), (1, 1), False),
        ((1000, 0), (1, 1), True),
        ((0, 0), (1, 1), False),
    ],
)
def test_a_wrong_split_is_told_from_a_right_one(
    counts: tuple[int, ...], weights: tuple[int, ...], failed: bool
) -> None:
    assert check_ratio(counts, weights).failed is failed


def test_60_to_40_is_always_flagged_at_1000_sessions_and_halves_in_the_nominal_share() -> None:
    random = np.random.default_rng(7)
    uneven = [check_ratio((int(n), 1000 - int(n)), (1, 1)).failed for n in random.binomial(1000, 0.6, 1000)]
    even = [check_ratio((int(n), 1000 - int(n)), (1, 1)).failed for n in random.binomial(1000, 0.5, 20_000)]
    assert np.mean(uneven) > 0.99
    assert np.mean(even) < 0.0017  # 0.001, and three standard deviations of 20,000 runs
