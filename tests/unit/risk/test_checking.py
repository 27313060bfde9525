"""The intervals of the check, and the test of the calibration, on sessions whose true risk is known."""

from __future__ import annotations

import numpy as np
import pytest

from server.funnel.intervals import wilson
from server.risk.checking import LEVEL, Predicted, chance_of, group_of, grouped, sessions_worth
from server.risk.moments import Flags, Matrix, Moments, Places
from server.risk.states import StageStates

LEARNING = 0.3
"""Standard deviation of the log-odds that a model has learnt wrongly."""


def moments(session: Places, abandoned: Flags, person: Places | None = None) -> Moments:
    """Moments of which all are of the last part."""
    none = np.zeros(len(session), dtype=bool)
    whose = session if person is None else person
    return Moments(StageStates(), session, whose, abandoned, {}, none, (none, none, none, ~none))


def risks(log_odds: Matrix, more: float = 0.0) -> Matrix:
    found: Matrix = 1 / (1 + np.exp(-log_odds - more))
    return found


def simulated(seed: int, number: int = 600) -> tuple[Moments, Predicted]:
    """Sessions with one to eight moments. The model has noise, and so have those that learnt with other weights."""
    random = np.random.default_rng(seed)
    session = np.repeat(np.arange(number), random.integers(1, 9, number))
    true = random.normal(-0.3, 1.2, number)
    abandoned = random.random(number) < risks(true)
    said = true[session] + random.normal(0, LEARNING)
    again = tuple(risks(said, random.normal(0, LEARNING)) for _ in range(20))
    return moments(session, abandoned[session]), Predicted(risks(said), again)


def test_intervals_hold_what_a_model_predicts_that_is_right_but_for_the_noise() -> None:
    held, without = [], []
    for seed in range(60):
        found, predicted = simulated(seed)
        no_noise = Predicted(predicted.risks, (predicted.risks, predicted.risks))
        rows = grouped(found, predicted)
        held += [group_of(found, predicted, each).holds for each in rows]
        without += [group_of(found, no_noise, each).holds for each in rows]
    assert len(held) == 600
    assert 0.93 <= np.mean(held) <= 0.99
    assert np.mean(without) < 0.9, "the noise of learning would be left out without a sign"


def test_a_right_model_seldom_fails_the_test_and_one_that_is_off_does() -> None:
    fails: dict[float, list[bool]] = {-0.12: [], 0.0: [], 0.12: []}
    for seed in range(60):
        found, predicted = simulated(seed, 1200)
        for wrong, seen in fails.items():
            off = Predicted((predicted.risks + wrong).clip(0.01, 0.99), tuple(predicted.risks for _ in range(2)))
            rows = [np.arange(len(found.session))]
            right = Predicted(off.risks, predicted.again) if wrong == 0 else off
            seen.append(min(chance_of(found, right, each) for each in (grouped(found, right), rows)) < LEVEL)
    assert np.mean(fails[0.0]) <= 0.05
    assert np.mean(fails[-0.12]) > 0.6
    assert np.mean(fails[0.12]) > 0.6


def test_risks_that_are_too_far_apart_fail_although_their_mean_is_right() -> None:
    """Log-odds that are twice as far from the middle: the mean is right, the groups are not."""
    failed = []
    for seed in range(20):
        random = np.random.default_rng(seed)
        true = random.normal(0, 1, 1500)
        found = moments(np.arange(1500), random.random(1500) < risks(true))
        predicted = Predicted(risks(2 * true), tuple(risks(2 * true, more) for more in random.normal(0, 0.05, 20)))
        assert chance_of(found, predicted, [np.arange(1500)]) >= LEVEL
        failed.append(chance_of(found, predicted, grouped(found, predicted)) < LEVEL)
    assert np.mean(failed) > 0.9


def test_a_few_sessions_with_many_moments_make_an_interval_wide() -> None:
    """Ten of 50 sessions have 100 moments each, the others one; half of both end so."""
    session = np.repeat(np.arange(50), [100] * 10 + [1] * 40)
    half = np.full(len(session), 0.5)
    group = group_of(moments(session, session % 2 == 0), Predicted(half, (half, half)), np.arange(len(session)))
    alike = wilson(25, 50)
    assert group.sessions == 50
    assert group.high - group.low > 1.5 * (alike.high - alike.low)


def test_sessions_of_a_person_who_always_does_the_same_tell_little() -> None:
    random = np.random.default_rng(3)
    person = np.repeat(np.arange(40), 10)
    rows, half = np.arange(400), Predicted(np.full(400, 0.5), ())
    habit, chance = random.random(40) < 0.5, random.random(400) < 0.5
    assert sessions_worth(moments(rows, habit[person], person), half, rows) == pytest.approx(40, rel=0.2)
    assert sessions_worth(moments(rows, chance, person), half, rows) > 250
    assert sessions_worth(moments(rows, chance), half, rows) == 400


def test_where_nobody_left_the_interval_is_still_one() -> None:
    rows = np.arange(30)
    sure = np.full(30, 0.02)
    group = group_of(moments(rows, rows < 0), Predicted(sure, (sure, sure)), rows)
    assert (group.low, group.holds) == (0.0, True)
    assert group.high > 0.05
