"""Checks a model on the last sessions: skill, calibration, and whether it may answer."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.funnel.intervals import wilson_of_share
from server.risk.model import Group, Quality, StageStatus
from server.risk.moments import Matrix, Moments, Places

GROUPS, LEAST_IN_GROUP = 10, 30
TOLERATED: Final = 0.03
"""A model may be off by so much, besides what is chance: no share stays the same for ever."""
LEVEL: Final = 0.01
"""A model that is right fails each of the two tests of the calibration in at most this share of cases."""
_Z_SKILL: Final = 1.645


@dataclass(frozen=True, slots=True)
class Predicted:
    """What a model says of all moments.

    Attributes:
        risks: The risks.
        again: The risks of models that learnt from the same sessions with other weights.
    """

    risks: Matrix
    again: tuple[Matrix, ...]


def check(moments: Moments, predicted: Predicted) -> tuple[Quality, StageStatus]:
    """How well a model does on the last sessions, and whether it may answer."""
    from sklearn.metrics import brier_score_loss, roc_auc_score

    last = ~moments.known
    base = float(moments.abandoned[moments.known].mean())
    came, risks = moments.abandoned[last], predicted.risks[last]
    groups = grouped(moments, predicted)
    quality = Quality(
        sessions=moments.sessions_of(last),
        brier=float(brier_score_loss(came, risks)),
        base_brier=float(brier_score_loss(came, np.full(len(came), base))),
        auc=float(roc_auc_score(came, risks)),
        groups=tuple(group_of(moments, predicted, rows) for rows in groups),
        whole=group_of(moments, predicted, np.flatnonzero(last)),
    )
    gain = (came - base) ** 2 - (came - risks) ** 2
    if gain.mean() <= _Z_SKILL * error_of(gain, moments.person[last]):
        return quality, StageStatus.NO_SKILL
    right = all(chance_of(moments, predicted, rows) >= LEVEL for rows in (groups, [np.flatnonzero(last)]))
    return quality, StageStatus.READY if right else StageStatus.NOT_CALIBRATED


def error_of(values: Matrix, together: Places) -> float:
    """Standard error of a mean of values, of which those with the same number belong together."""
    _, place = np.unique(together, return_inverse=True)
    sums = np.bincount(place, weights=values - values.mean())
    return float(math.sqrt((sums**2).sum()) / len(values))


def grouped(moments: Moments, predicted: Predicted) -> list[Places]:
    """The last moments in groups of a similar risk. A session can have moments in several groups."""
    last = np.flatnonzero(~moments.known)
    ordered = last[np.argsort(predicted.risks[last], kind="stable")]
    number = max(1, min(GROUPS, moments.sessions_of(~moments.known) // LEAST_IN_GROUP))
    return np.array_split(ordered, number)


def group_of(moments: Moments, predicted: Predicted, rows: Places) -> Group:
    """What came at some moments.

    The interval has two noises. That of the check is Wilson's for the number of sessions that would tell as much if
    each had one moment. That of learning is the spread of what models with other weights say of the same moments.
    """
    from scipy.stats import t

    share = float(moments.abandoned[rows].mean())
    bounds = wilson_of_share(share, sessions_worth(moments, predicted, rows))
    # Student's t, because the spread is estimated from few models.
    learning = float(t.ppf(0.975, len(predicted.again) - 1)) * math.sqrt(_learning(predicted, [rows])[0, 0])
    return Group(
        sessions=len(np.unique(moments.session[rows])),
        predicted=float(predicted.risks[rows].mean()),
        abandoned=share,
        low=max(0.0, share - math.hypot(share - bounds.low, learning)),
        high=min(1.0, share + math.hypot(bounds.high - share, learning)),
    )


def sessions_worth(moments: Moments, predicted: Predicted, rows: Places) -> float:
    """The number of sessions with one moment each that tell as much as these moments do.

    All moments of a session end the same, so one with many moments tells no more than one with few, and weighs more.
    Sessions of one person may end alike; where they do, they tell less.
    """
    _, size = np.unique(moments.session[rows], return_counts=True)
    sessions = len(rows) ** 2 / float((size**2).sum())
    persons = moments.person[rows]
    if len(np.unique(persons)) == len(size):
        return sessions
    wrong = moments.abandoned[rows] - predicted.risks[rows]
    each, whose = (error_of(wrong, kept) for kept in (moments.session[rows], persons))
    return sessions * min(1.0, (each / whose) ** 2) if whose else sessions


def chance_of(moments: Moments, predicted: Predicted, groups: Sequence[Places]) -> float:
    """How likely it is that a model that is right is off by so much, or more, in these groups.

    The sum of squared distances, each in its standard error, is compared with a chi-squared distribution. Groups share
    sessions, and what was learnt, so they are off together. So the distribution is stretched, and has fewer degrees of
    freedom (Rao and Scott's correction).
    """
    from scipy.stats import chi2

    off = np.array([moments.abandoned[rows].mean() - predicted.risks[rows].mean() for rows in groups])
    together = _checking(moments, predicted, groups) + _learning(predicted, groups)
    scale = np.sqrt(np.diag(together) + TOLERATED**2)
    alike = together / np.outer(scale, scale)
    np.fill_diagonal(alike, 1.0)
    stretch = float((alike**2).sum()) / len(groups)
    return float(chi2.sf(float(((off / scale) ** 2).sum()) / stretch, len(groups) / stretch))


def _checking(moments: Moments, predicted: Predicted, groups: Sequence[Places]) -> Matrix:
    """Covariance of the shares that came, as it is if the risks are right."""
    wrong = moments.abandoned - predicted.risks
    most = int(moments.person.max()) + 1
    sums = np.column_stack([np.bincount(moments.person[rows], wrong[rows], most) / len(rows) for rows in groups])
    covariance: Matrix = sums.T @ sums
    for place, rows in enumerate(groups):  # near 0 and 1 nobody may have differed, although somebody could
        risk = float(predicted.risks[rows].mean())
        least = risk * (1 - risk) / sessions_worth(moments, predicted, rows)
        covariance[place, place] = max(covariance[place, place], least)
    return covariance


def _learning(predicted: Predicted, groups: Sequence[Places]) -> Matrix:
    """Covariance of the mean risks of the groups, over the models that learnt with other weights."""
    means = np.array([[risks[rows].mean() for rows in groups] for risks in predicted.again])
    covariance: Matrix = np.atleast_2d(np.cov(means, rowvar=False))
    return covariance
