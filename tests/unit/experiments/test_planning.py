"""How many sessions an experiment needs."""

from __future__ import annotations

import numpy as np
import pytest

from models.errors import InvalidInput
from server.experiments.planning import plan
from server.experiments.samples import proportion
from server.experiments.sequences import difference


def test_the_number_for_a_single_look_is_that_of_the_textbook() -> None:
    # 2 * (1.96 + 0.8416)² * pooled variance / effect², for each of two halves.
    each = (1.95996 + 0.84162) ** 2 * 2 * 0.425 * 0.575 / 0.05**2
    assert plan(0.40, 0.05, per_day=100).fixed_sessions == pytest.approx(2 * each, rel=0.002)


def test_looks_at_any_time_cost_less_than_twice_as_many_sessions() -> None:
    for rate, effect in ((0.4, 0.05), (0.1, 0.02), (0.7, -0.1)):
        found = plan(rate, effect, per_day=100)
        assert 1.5 < found.sessions / found.fixed_sessions < 2


def test_days_follow_from_the_sessions_that_arrive() -> None:
    found = plan(0.4, 0.05, per_day=250, settle_days=1)
    assert found.days == pytest.approx(found.sessions / 250 + 1)
    assert plan(0.4, 0.05, per_day=0).days is None


@pytest.mark.parametrize(("rate", "effect", "most"), [(0.55, 0.6, "55 points"), (0.4, 0.61, "60 points")])
def test_a_change_that_cannot_be_is_refused(rate: float, effect: float, most: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        plan(rate, effect, per_day=100)
    assert (refused.value.reason, most in refused.value.hint) == ("EXPERIMENT_EFFECT_IMPOSSIBLE", True)
    assert plan(rate, effect - 0.06, per_day=100).sessions, "it may fall by so much"
    assert plan(0.0, 1.0, per_day=100).sessions


def test_an_uneven_split_needs_more() -> None:
    assert plan(0.4, 0.05, share=0.1, per_day=100).sessions > 2.5 * plan(0.4, 0.05, per_day=100).sessions
    assert (
        plan(0.4, 0.05, variants=4, share=0.1, per_day=100).sessions > plan(0.4, 0.05, variants=4, per_day=100).sessions
    )


@pytest.mark.parametrize("variants", [3, 4, 10])
def test_several_variants_share_alpha_and_the_sessions(variants: int) -> None:
    others = variants - 1
    pair = plan(0.4, 0.05, per_day=200 * 2 / variants, alpha=0.05 / others)
    found = plan(0.4, 0.05, variants=variants, per_day=200)
    assert (found.sessions, found.fixed_sessions) == pytest.approx(
        (pair.sessions * variants / 2, pair.fixed_sessions * variants / 2), rel=0.001
    )
    assert found.days == pytest.approx(pair.days, rel=0.001)
    uneven = plan(0.4, 0.05, variants=variants, share=others / variants, per_day=200)
    assert uneven == found, "this is the same part for each"


def test_a_plan_for_three_variants_finds_the_effect_with_the_intervals_of_the_report() -> None:
    found = plan(0.4, 0.1, variants=3, per_day=100)
    assert (plan(0.4, 0.05, variants=3, per_day=200).sessions, plan(0.4, 0.05, per_day=200).sessions) == (9960, 5877)
    random = np.random.default_rng(32)
    third, planned = found.sessions // 3, found.sessions * 2 / 3
    hits = 0
    for _ in range(1000):
        variant, control = random.binomial(third, 0.5), random.binomial(third, 0.4)
        interval = difference(proportion(int(variant), third), proportion(int(control), third), planned, alpha=0.05 / 2)
        hits += interval is not None and interval.above_zero
    assert 0.77 < hits / 1000 < 0.86


def test_a_large_effect_still_needs_the_fewest_sessions_of_each_variant() -> None:
    assert plan(0.2, 0.6, per_day=100).sessions == 200
    assert plan(0.2, 0.6, variants=5, per_day=100).sessions == 500


def test_the_planned_sessions_find_the_effect_as_often_as_was_asked() -> None:
    found = plan(0.4, 0.1, per_day=100)
    random = np.random.default_rng(31)
    half = found.sessions // 2
    hits = 0
    for _ in range(1000):
        variant, control = random.binomial(half, 0.5), random.binomial(half, 0.4)
        interval = difference(proportion(int(variant), half), proportion(int(control), half), found.sessions)
        hits += interval is not None and interval.above_zero
    assert 0.77 < hits / 1000 < 0.86
