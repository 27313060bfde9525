"""Logistic regression with a ridge penalty, by Newton's method."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import linalg, special

Floats = npt.NDArray[np.float64]

MOST_ROUNDS = 40
CLOSE_ENOUGH = 1e-7
LEAST_PIVOT = 1e-9
"""Added to the diagonal, so that a column that is a sum of others does not stop the fit."""


@dataclass(frozen=True, slots=True)
class Fit:
    """A fitted model.

    Attributes:
        coefficients: One for each column.
        information: The curvature of the log-likelihood at the coefficients, without the penalty.
        penalty: The ridge penalty of each column.
        value: The penalised log-likelihood.
        residuals: For each row, the outcome less its predicted probability.
        weights: For each row, the variance of the outcome under the model.
    """

    coefficients: Floats
    information: Floats
    penalty: Floats
    value: float
    residuals: Floats
    weights: Floats

    def covariance(self) -> Floats:
        """The covariance of the coefficients, with the penalty counted as what is known beforehand."""
        inverse: Floats = linalg.inv(self.information + np.diag(self.penalty + LEAST_PIVOT), check_finite=False)
        return inverse

    def widening(self, columns: Floats, groups: npt.NDArray[np.int64] | None) -> Floats:
        """By how much the error of each coefficient is larger because rows of one group are alike: 1 or more.

        Args:
            columns: Those that the model was fitted on.
            groups: A number from 0 for each row; None where each row is a group of its own.
        """
        if groups is None:
            return np.ones(len(self.coefficients))
        inverse = self.covariance()
        scores = np.array([np.bincount(groups, column * self.residuals) for column in columns.T])
        sandwich = ((inverse @ scores) ** 2).sum(axis=1)
        factor: Floats = np.sqrt(np.maximum(1.0, sandwich / np.diag(inverse)))
        return factor


def fit(columns: Floats, outcome: Floats, penalty: Floats, start: Floats | None = None) -> Fit:
    """Maximises the penalised log-likelihood.

    Args:
        columns: One row for each session, float64. A column of ones is the intercept.
        outcome: 0 or 1 for each row.
        penalty: The ridge penalty of each column, 0 for none.
        start: The coefficients to begin with.
    """
    coefficients = np.zeros(columns.shape[1]) if start is None else start
    value = _objective(columns, outcome, penalty, coefficients)
    for _ in range(MOST_ROUNDS):
        predicted, _, information = _curvature(columns, coefficients)
        gradient = columns.T @ (outcome - predicted) - penalty * coefficients
        step = solve(information + np.diag(penalty), gradient)
        coefficients, gained = _improve(columns, outcome, penalty, coefficients, step, value)
        value += gained
        if gained < CLOSE_ENOUGH * (1.0 + abs(value)):
            break
    predicted, weights, information = _curvature(columns, coefficients)
    return Fit(coefficients, information, penalty, value, outcome - predicted, weights)


def inflation(scores: Floats, groups: npt.NDArray[np.int64] | None) -> float:
    """By how much the variance of a sum is larger because rows of one group are alike; 1 where they are not."""
    if groups is None:
        return 1.0
    return max(1.0, float((np.bincount(groups, scores) ** 2).sum() / max((scores**2).sum(), 1e-12)))


def solve(matrix: Floats, right: Floats) -> Floats:
    """Solves a symmetric system that may be nearly singular."""
    ridge = LEAST_PIVOT * (1.0 + np.abs(np.diag(matrix)).max(initial=0.0))
    factor = linalg.cho_factor(matrix + ridge * np.eye(len(matrix)), check_finite=False)
    solution: Floats = linalg.cho_solve(factor, right, check_finite=False)
    return solution


def _curvature(columns: Floats, coefficients: Floats) -> tuple[Floats, Floats, Floats]:
    """The predicted probabilities, their variances, and the information."""
    predicted = special.expit(columns @ coefficients)
    weights = predicted * (1.0 - predicted)
    scaled = columns * np.sqrt(weights)[:, None]
    return predicted, weights, scaled.T @ scaled  # BLAS computes one half of a product with itself


def _objective(columns: Floats, outcome: Floats, penalty: Floats, coefficients: Floats) -> float:
    predictor = columns @ coefficients
    likelihood = outcome @ predictor - np.logaddexp(0.0, predictor).sum()
    return float(likelihood - 0.5 * penalty @ coefficients**2)


def _improve(
    columns: Floats, outcome: Floats, penalty: Floats, coefficients: Floats, step: Floats, value: float
) -> tuple[Floats, float]:
    """Goes along a step, or along a shorter one where the whole one would make it worse."""
    for halvings in range(12):
        moved = coefficients + step / 2**halvings
        gained = _objective(columns, outcome, penalty, moved) - value
        if gained >= 0.0:
            return moved, gained
    return coefficients, 0.0
