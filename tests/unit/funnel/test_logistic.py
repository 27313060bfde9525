from __future__ import annotations

import numpy as np
import pytest
from scipy import special

from server.funnel.logistic import fit, inflation


def test_one_flag_gives_the_log_odds_ratio_of_the_table() -> None:
    flag = np.repeat([0.0, 1.0], [200, 100])
    left = np.concatenate([np.repeat([1.0, 0.0], [40, 160]), np.repeat([1.0, 0.0], [50, 50])])
    result = fit(np.column_stack([np.ones(300), flag]), left, np.zeros(2))
    assert result.coefficients == pytest.approx([special.logit(0.2), special.logit(0.5) - special.logit(0.2)], abs=1e-6)
    assert result.covariance()[1, 1] == pytest.approx(1 / 40 + 1 / 160 + 1 / 50 + 1 / 50, rel=1e-4)


def test_the_penalised_gradient_is_zero_at_the_fit() -> None:
    rng = np.random.default_rng(1)
    columns = np.column_stack([np.ones(500), rng.normal(size=(500, 6))])
    left = (rng.random(500) < special.expit(columns @ np.linspace(-1, 1, 7))).astype(float)
    penalty = np.array([0.0, 0.0, 1.0, 1.0, 5.0, 5.0, 50.0])
    result = fit(columns, left, penalty)
    assert columns.T @ result.residuals == pytest.approx(penalty * result.coefficients, abs=1e-3)


def test_rows_that_come_in_copies_say_no_more_than_one_of_each() -> None:
    rng = np.random.default_rng(3)
    flag = (rng.random(600) < 0.3).astype(float)
    left = (rng.random(600) < 0.2 + 0.2 * flag).astype(float)
    columns, groups = np.column_stack([np.ones(600), flag]), np.arange(600)
    once = fit(columns, left, np.zeros(2))
    four = fit(np.repeat(columns, 4, axis=0), np.repeat(left, 4), np.zeros(2))
    assert four.widening(np.repeat(columns, 4, axis=0), np.repeat(groups, 4)) == pytest.approx(2.0, rel=0.02)
    assert once.widening(columns, groups) == pytest.approx(1.0, abs=0.02)
    assert once.widening(columns, None).tolist() == [1.0, 1.0]
    scores = rng.normal(size=600)
    assert inflation(np.repeat(scores, 4), np.repeat(groups, 4)) == pytest.approx(4.0)
    assert inflation(scores, groups) == 1.0
    assert inflation(scores, None) == 1.0


@pytest.mark.parametrize("penalty", [0.0, 1.0])
def test_equal_columns_do_not_stop_the_fit(penalty: float) -> None:
    rng = np.random.default_rng(2)
    flag = (rng.random(400) < 0.3).astype(float)
    left = (rng.random(400) < 0.2 + 0.3 * flag).astype(float)
    result = fit(np.column_stack([np.ones(400), flag, flag]), left, np.array([0.0, penalty, penalty]))
    assert result.coefficients[1] == pytest.approx(result.coefficients[2], abs=1e-3)


def test_a_flag_with_which_everybody_leaves_has_a_finite_effect() -> None:
    flag = np.repeat([0.0, 1.0], [200, 50])
    left = np.concatenate([np.repeat([1.0, 0.0], [40, 160]), np.ones(50)])
    result = fit(np.column_stack([np.ones(250), flag]), left, np.zeros(2))
    assert np.isfinite(result.covariance()).all()
    assert result.coefficients[1] > 5
