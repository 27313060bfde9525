"""Turns scores into risks, by what became of sessions that the score had not learnt from."""

from __future__ import annotations

from typing import Final

import numpy as np

from server.risk.curve_columns import tents_at
from server.risk.formula import Line
from server.risk.moments import Flags, Matrix

QUANTILES: Final = (0.0, 0.05, 0.2, 0.4, 0.6, 0.8, 0.95, 1.0)
"""Where the knots of the line are."""
STRENGTH: Final = 0.1
"""Weight of the data against the penalty on bends; a straight line costs nearly nothing."""
_STRAIGHT: Final = 10.0


def calibrated(scores: Matrix, abandoned: Flags, weights: Matrix) -> Line | None:
    """The line from scores to log-odds; None where higher scores do not mean more abandoned sessions.

    It is Platt's straight line, with bends where the data call for them.

    Args:
        scores: Of sessions that the score had not learnt from.
        abandoned: What became of them.
        weights: Their sum is the number of sessions.
    """
    from sklearn.isotonic import isotonic_regression
    from sklearn.linear_model import LogisticRegression

    knots = np.unique(np.quantile(scores, QUANTILES))
    if len(knots) < 2:
        return None

    def columns(at: Matrix) -> Matrix:
        straight = _STRAIGHT * (np.clip(at, knots[0], knots[-1]) - knots[0]) / (knots[-1] - knots[0])
        return np.column_stack([straight, *tents_at(at, knots.tolist())[:-1]])

    made = LogisticRegression(C=STRENGTH, max_iter=2000).fit(columns(scores), abandoned, sample_weight=weights)
    rising = isotonic_regression(made.decision_function(columns(knots)))
    if not rising[0] < rising[-1]:
        return None
    return Line(knots=tuple(knots.tolist()), values=tuple(rising.tolist()))


def risks_of(scores: Matrix, line: Line) -> Matrix:
    """The risks that scores stand for."""
    log_odds = np.interp(scores, line.knots, line.values)
    risks: Matrix = 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))
    return risks
