"""Learns a model from past sessions with scikit-learn: earlier sessions teach, and the last check.

The sessions of a stage are cut into four parts by when they were opened: 40, 20, 20 and 20 %. Several learners are
tried (``learners.py``). Each learns from the first part and scores the second, then learns from the first two and
scores the third. These scores and what came choose the learner, and calibrate it. Then it learns from all three parts.

The chosen learner does the same again with other weights of the persons. How much its risks differ then is the noise of
learning. The last part checks the result, and the outcome of the check is kept with the model. The model that answers
is the one that was checked.
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from server.risk.calibration import calibrated, risks_of
from server.risk.checking import Predicted, check, error_of
from server.risk.features import STAGES
from server.risk.formula import Formula, Line
from server.risk.learners import Learner, TreeLearner, learners
from server.risk.model import RiskModel, StageModel, StageStatus
from server.risk.moments import PARTS, Flags, Matrix, Moments, moments_of
from server.risk.reading import PastSessions
from server.risk.states import StageStates, draw_states

MOST_MOMENTS: Final = 40_000
MOST_OPEN: Final = 0.05
"""Where more of the sessions that reached a stage are still open, those that have ended say too little."""
AGAIN: Final = 20
"""How often all is learnt again with other weights."""
AGAIN_TREES: Final = 10
"""The same for trees, which take longer."""


@dataclass(frozen=True, slots=True)
class Rules:
    """When there is enough to learn from.

    Attributes:
        idle_s: Idle time after which the server ends a session.
        least: Fewest sessions of a stage that were abandoned, and fewest that were not.
    """

    idle_s: float
    least: int


def fit(past: PastSessions, rules: Rules, now: datetime) -> RiskModel:
    """Learn a model."""
    states = draw_states(past.sessions, past.events, rules.idle_s, MOST_MOMENTS)
    with pandas_unmarked():
        stages = {str(stage): _stage_model(states[stage], rules.least) for stage in STAGES}
    return RiskModel.model_validate(
        {"train_time": now, "begin": past.begin, "end": past.end, "sessions": past.number, "stages": stages}
    )


@contextmanager
def pandas_unmarked() -> Iterator[None]:
    """Take away the mark that ``server.ledger.columns`` sets; scikit-learn takes it for pandas itself."""
    marked = sys.modules.get("pandas", sys) is None
    if marked:
        del sys.modules["pandas"]
    try:
        yield
    finally:
        if marked:
            sys.modules["pandas"] = None  # type: ignore[assignment]  # as it was


def _stage_model(states: StageStates, least: int) -> StageModel:
    abandoned = dict(zip(states.session, states.abandoned, strict=True))
    counts = Counter(abandoned.values())
    seen = {"sessions": len(abandoned), "abandoned": counts[True]}
    if states.open > MOST_OPEN * states.reached:
        return StageModel(status=StageStatus.TOO_MANY_OPEN, **seen)
    moments = moments_of(states)
    enough = min(counts[True], counts[False]) >= least and all(
        min(ends.sum(), (~ends).sum()) >= least * (1 - PARTS[-1]) / 2
        for ends in (moments.abandoned[part] for part in moments.parts)
    )
    if not enough:
        return StageModel(status=StageStatus.TOO_LITTLE_DATA, **seen)
    found = _learnt(moments)
    if found is None:
        return StageModel(status=StageStatus.NO_SKILL, **seen)
    quality, status = check(moments, found.predicted)
    return StageModel(
        status=status, quality=quality, formula=found.formula if status is StageStatus.READY else None, **seen
    )


@dataclass(frozen=True, slots=True)
class _Found:
    formula: Formula
    predicted: Predicted


def _learnt(moments: Moments) -> _Found | None:
    """The calibrated score; None where the later sessions contradict what the earlier ones taught."""
    weights = _weights(moments)
    learner, ahead = _chosen(moments, weights)
    line = _line(moments, ahead, weights)
    if line is None:
        return None
    learnt = learner.learn(moments.known, weights)
    risks = risks_of(learnt.scores, line)
    return _Found(
        Formula(score=learnt.score(), calibration=line), Predicted(risks, tuple(_learnt_again(moments, learner, risks)))
    )


def _weights(moments: Moments) -> Matrix:
    """The same weight for each moment. Their sum is the number of sessions, because moments of one tell little more."""
    return np.full(len(moments.session), len(np.unique(moments.session)) / len(moments.session))


def _ahead(moments: Moments, learner: Learner, weights: Matrix) -> Matrix:
    """The scores of the second and third part, each by what the parts before it taught."""
    first, second, third, _ = moments.parts
    scores = np.full(len(first), np.nan)
    for taught, said in ((first, second), (first | second, third)):
        scores[said] = learner.learn(taught, weights).scores[said]
    return scores


def _chosen(moments: Moments, weights: Matrix) -> tuple[Learner, Matrix]:
    """The learner that said most of later sessions, with its scores of them.

    Trees must be better than the best curves by more than their standard error: curves are easier to understand.
    """
    best: dict[str, tuple[Matrix, Learner, Matrix]] = {}
    for kind, tried in learners(moments).items():
        for learner in tried:
            scores = _ahead(moments, learner, weights)
            losses = _losses(moments, scores)
            if kind not in best or losses.mean() < best[kind][0].mean():
                best[kind] = losses, learner, scores
    curves, trees = best["curves"], best.get("trees")
    if trees is not None:
        gain = curves[0] - trees[0]
        if gain.mean() > error_of(gain, moments.person[_said(moments)]):
            return trees[1:]
    return curves[1:]


def _said(moments: Moments) -> Flags:
    return moments.parts[1] | moments.parts[2]


def _losses(moments: Moments, scores: Matrix) -> Matrix:
    """The logarithmic loss at each moment of the second and third part."""
    said = _said(moments)
    losses: Matrix = np.logaddexp(0.0, np.where(moments.abandoned[said], -scores[said], scores[said]))
    return losses


def _line(moments: Moments, scores: Matrix, weights: Matrix) -> Line | None:
    said = _said(moments)
    return calibrated(scores[said], moments.abandoned[said], weights[said])


def _learnt_again(moments: Moments, learner: Learner, risks: Matrix) -> Iterator[Matrix]:
    """What the same learner says when each person counts a random number of times (a bootstrap over persons)."""
    random = np.random.default_rng(0)
    weights = _weights(moments)
    for _ in range(AGAIN_TREES if isinstance(learner, TreeLearner) else AGAIN):
        drawn = weights * random.exponential(size=moments.person.max() + 1)[moments.person]
        line = _line(moments, _ahead(moments, learner, drawn), drawn)
        yield risks if line is None else risks_of(learner.learn(moments.known, drawn).scores, line)
