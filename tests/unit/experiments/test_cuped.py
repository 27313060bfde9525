"""What was known before takes noise out of the outcomes."""

from __future__ import annotations

import numpy as np
import pytest

from server.experiments.cuped import adjust
from server.experiments.samples import Values, mean_of

random = np.random.default_rng(21)


def drawn(effect: float, noise: float = 0.5) -> tuple[list[Values], list[Values]]:
    """Outcomes and covariate of the variant and of the control."""
    before = [random.normal(0, 1, 2000) for _ in range(2)]
    outcomes = [x + effect * (1 - side) + random.normal(0, noise, 2000) for side, x in enumerate(before)]
    return outcomes, before


def effect_of(values: list[Values]) -> float:
    return float(values[0].mean() - values[1].mean())


def test_the_effect_stays_and_the_noise_goes() -> None:
    outcomes, before = drawn(0.2)
    adjusted = adjust(outcomes, before)
    assert adjusted.variance_ratio == pytest.approx(0.25 / 1.25, abs=0.03)
    after = sum(mean_of(values).variance for values in adjusted.values)
    assert after / sum(mean_of(values).variance for values in outcomes) == pytest.approx(0.2, abs=0.03)
    assert effect_of(adjusted.values) == pytest.approx(0.2, abs=0.05)


def test_adjusted_effects_scatter_less_and_around_the_truth() -> None:
    raw, adjusted = [], []
    for _ in range(300):
        outcomes, before = drawn(0.2)
        raw.append(effect_of(outcomes))
        adjusted.append(effect_of(adjust(outcomes, before).values))
    assert np.mean(adjusted) == pytest.approx(0.2, abs=0.005)
    assert np.std(adjusted) < 0.6 * np.std(raw)


def test_without_a_before_nothing_changes() -> None:
    outcomes, _ = drawn(0.2)
    unknown = [np.full(2000, np.nan)] * 2
    equal = [np.full(2000, 0.4)] * 2
    for before in (unknown, equal):
        adjusted = adjust(outcomes, before)
        assert adjusted.variance_ratio == 1
        assert all(np.array_equal(a, b) for a, b in zip(adjusted.values, outcomes, strict=True))


def test_two_covariates_take_out_what_each_explains() -> None:
    first, second = ([random.normal(0, 1, 2000) for _ in range(2)] for _ in range(2))
    outcomes = [x + y + random.normal(0, 1, 2000) for x, y in zip(first, second, strict=True)]
    assert adjust(outcomes, first).variance_ratio == pytest.approx(2 / 3, abs=0.04)
    assert adjust(outcomes, first, second).variance_ratio == pytest.approx(1 / 3, abs=0.03)
    twice, once = adjust(outcomes, first, first), adjust(outcomes, first)
    assert twice.variance_ratio == pytest.approx(once.variance_ratio)
    unknown = adjust(outcomes, first, [np.full(2000, np.nan)] * 2)
    assert unknown.variance_ratio == pytest.approx(once.variance_ratio)
    assert all(np.allclose(a, b) for a, b in zip(unknown.values, once.values, strict=True))


def test_sessions_without_a_before_are_kept_as_they_are() -> None:
    outcomes, before = drawn(0.2)
    half = [np.where(np.arange(2000) % 2, np.nan, values) for values in before]
    adjusted = adjust(outcomes, half)
    assert np.array_equal(adjusted.values[0][1::2], outcomes[0][1::2])
    assert 0.5 < adjusted.variance_ratio < 0.7


def test_variants_without_sessions_are_no_error() -> None:
    empty = np.array([])
    adjusted = adjust([empty, empty], [empty, empty], [empty, empty])
    assert adjusted.variance_ratio == 1
    assert [len(values) for values in adjusted.values] == [0, 0]
