"""Learns a model from past sessions with scikit-learn: earlier sessions teach, later ones calibrate, the last check.

For each stage a logistic regression on pieces of lines (numbers) and on levels (texts) is learnt from the first 60 % of
the sessions, as they were opened. A second one, on the next 20 %, says how its log-odds must be stretched and shifted
(Platt's calibration). Then the first is learnt again from both parts. The last 20 % check the result, and the outcome
of the check is kept with the model. The model that answers is the one that was checked.
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.funnel.intervals import wilson
from server.risk.features import FEATURES, STAGES, Value
from server.risk.model import Curve, Formula, Group, Levels, Quality, RiskModel, StageModel, StageStatus
from server.risk.reading import PastSessions
from server.risk.states import StageStates, draw_states

MOST_MOMENTS: Final = 40_000
LEARN, CALIBRATE = 0.6, 0.2
"""Shares of the sessions; the rest checks."""
MOST_OPEN: Final = 0.05
"""Where more of the sessions that reached a stage are still open, those that have ended say too little."""
LEAST_ROWS: Final = 50
"""A level of a text, and a number being unknown, have an amount of their own from so many moments on."""
QUANTILES: Final = (*(k / 16 for k in range(16)), 0.97, 0.995)
"""Where the knots of a number are; beyond the last, more makes no difference."""
STRENGTHS: Final = (0.01, 0.03, 0.1, 0.3, 1.0)
"""Weights of the data against the penalty on large amounts; the last quarter of what is learnt from chooses."""
LINE: Final = 3.0
"""Height of the line through the knots of a number; the tents on it have a height of 1."""
GROUPS, LEAST_IN_GROUP = 10, 30
_Z: Final = 1.645

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


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
    parts = parts_of(states)
    enough = min(counts[True], counts[False]) >= least and all(
        min(flags.sum(), (~flags).sum()) >= least * (1 - LEARN - CALIBRATE) / 2
        for flags in (np.array(states.abandoned)[part] for part in parts)
    )
    if not enough:
        return StageModel(status=StageStatus.TOO_LITTLE_DATA, **seen)
    formula = _formula(states, *parts[:2])
    if formula is None:
        return StageModel(status=StageStatus.NO_SKILL, **seen)
    quality, better = _check(formula, states, *parts)
    status = StageStatus.READY if better else StageStatus.NO_SKILL
    return StageModel(status=status, quality=quality, formula=formula if better else None, **seen)


def parts_of(states: StageStates) -> tuple[Flags, Flags, Flags]:
    """The moments to learn from, to calibrate on, and to check on. No session is in two parts."""
    places = np.array(states.session)
    ordered = np.unique(places)
    if not len(ordered):
        return places > 0, places > 0, places > 0
    bounds = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in (LEARN, LEARN + CALIBRATE)]
    return places < bounds[0], (places >= bounds[0]) & (places < bounds[1]), places >= bounds[1]


def _formula(states: StageStates, learn: Flags, calibrate: Flags) -> Formula | None:
    """The calibrated sum; None where the later sessions contradict what the earlier ones taught."""
    from sklearn.linear_model import LogisticRegression

    abandoned = np.array(states.abandoned)
    pieces = [_piece(name, states.features[name], learn) for name in FEATURES]
    columns = np.hstack([piece.columns for piece in pieces])
    strength, learnt = _regression(columns[learn], abandoned[learn])
    scores = learnt.decision_function(columns[calibrate])
    platt = LogisticRegression(C=1e6).fit(scores[:, None], abandoned[calibrate])
    slope = float(platt.coef_[0][0])
    if slope <= 0:
        return None
    both = learn | calibrate
    learnt = LogisticRegression(C=strength, max_iter=1000).fit(columns[both], abandoned[both])
    features: dict[str, Any] = {}
    first = 0
    for piece in pieces:
        amounts = slope * learnt.coef_[0][first : first + piece.columns.shape[1]]
        first += piece.columns.shape[1]
        if len(amounts):
            usual = float((piece.columns[both] @ amounts).mean())
            features[piece.name] = piece.part([float(amount) for amount in amounts], usual)
    return Formula(start=float(platt.intercept_[0] + slope * learnt.intercept_[0]), features=features)


def _regression(columns: Matrix, abandoned: Flags) -> tuple[float, Any]:
    """The strength that did best on the last quarter, and a logistic regression with it."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import log_loss

    early = np.arange(len(abandoned)) < 0.75 * len(abandoned)
    best, best_loss = STRENGTHS[0], math.inf
    for strength in STRENGTHS if len(set(abandoned[early].tolist())) == 2 else ():
        tried = LogisticRegression(C=strength, max_iter=1000).fit(columns[early], abandoned[early])
        loss = log_loss(abandoned[~early], tried.predict_proba(columns[~early])[:, 1], labels=[False, True])
        best, best_loss = (strength, loss) if loss < best_loss else (best, best_loss)
    return best, LogisticRegression(C=best, max_iter=1000).fit(columns, abandoned)


@dataclass(frozen=True, slots=True)
class _Piece:
    """A feature as columns of numbers between 0 and 1, and how their amounts become a part of a formula."""

    name: str
    columns: Matrix
    knots: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    unknown: bool = False

    def part(self, amounts: Sequence[float], usual: float) -> Curve | Levels:
        unknown = amounts[-1] if self.unknown else 0.0
        if FEATURES[self.name] == "text":
            values = dict(zip(self.levels, amounts, strict=False))
            return Levels(values=values, other=0.0, unknown=unknown, usual=usual)
        if not self.knots:
            return Curve(knots=(0.0,), values=(0.0,), unknown=unknown, usual=usual)
        line, *tents = amounts[: len(self.knots)]
        rising = _line(np.array(self.knots), self.knots).tolist()
        at_knots = tuple(line * rise + tent for rise, tent in zip(rising, (0.0, *tents), strict=True))
        return Curve(knots=self.knots, values=at_knots, unknown=unknown, usual=usual)


def _piece(name: str, values: Sequence[Value], learn: Flags) -> _Piece:
    missing = np.array([value is None for value in values])
    unknown = LEAST_ROWS <= missing[learn].sum() < learn.sum()
    last = [missing[:, None].astype(float)] if unknown else []
    if FEATURES[name] == "text":
        met = Counter(value for value, taught in zip(values, learn, strict=True) if taught and value is not None)
        levels = tuple(sorted(str(value) for value, number in met.items() if number >= LEAST_ROWS))
        shown = [np.array([value == level for value in values], dtype=float)[:, None] for level in levels]
        return _Piece(name, np.hstack([*_none(values), *shown, *last]), levels=levels, unknown=bool(unknown))
    numbers = np.log1p(np.array([0.0 if value is None else float(value) for value in values]).clip(0))
    present = numbers[learn & ~missing]
    knots = np.unique(np.quantile(present, QUANTILES)) if len(present) >= LEAST_ROWS else np.zeros(0)
    kept = tuple(knots.tolist()) if len(knots) > 1 else ()
    tents = [np.interp(numbers, knots, peak) for peak in np.eye(len(kept))[1:]]
    shown = [np.where(missing, 0.0, each)[:, None] for each in ([_line(numbers, kept), *tents] if kept else [])]
    return _Piece(name, np.hstack([*_none(values), *shown, *last]), knots=kept, unknown=bool(unknown))


def _line(numbers: Matrix, knots: Sequence[float]) -> Matrix:
    """A line from the first knot to the last. With it, a steady rise costs less penalty than one by tents alone."""
    line: Matrix = LINE * (np.clip(numbers, knots[0], knots[-1]) - knots[0]) / (knots[-1] - knots[0])
    return line


def _none(values: Sequence[Value]) -> list[Matrix]:
    """No column, for a feature that never differs."""
    return [np.zeros((len(values), 0))]


def _check(formula: Formula, states: StageStates, learn: Flags, calibrate: Flags, last: Flags) -> tuple[Quality, bool]:
    """How well a formula does on the last sessions, and whether it is better there than the share alone by more than
    chance.
    """
    from sklearn.metrics import brier_score_loss, roc_auc_score

    abandoned, places = np.array(states.abandoned), np.array(states.session)[last]
    base = float(abandoned[learn | calibrate].mean())
    came = abandoned[last]
    risks = np.array([formula.risk(_known(states, row)) for row in np.flatnonzero(last).tolist()])
    gain = (came - base) ** 2 - (came - risks) ** 2
    quality = Quality(
        sessions=len(np.unique(places)),
        brier=float(brier_score_loss(came, risks)),
        base_brier=float(brier_score_loss(came, np.full(len(came), base))),
        auc=float(roc_auc_score(came, risks)),
        groups=_groups(risks, came, places),
    )
    return quality, bool(gain.mean() > _Z * _error(gain, places))


def _error(values: Matrix, places: npt.NDArray[np.int64]) -> float:
    """Standard error of a mean of moments, of which those of one session belong together."""
    _, session = np.unique(places, return_inverse=True)
    sums = np.bincount(session, weights=values - values.mean())
    return float(math.sqrt((sums**2).sum()) / len(values))


def _known(states: StageStates, row: int) -> Mapping[str, Value]:
    return {name: values[row] for name, values in states.features.items()}


def _groups(risks: Matrix, came: Flags, places: npt.NDArray[np.int64]) -> tuple[Group, ...]:
    """What came in groups of similar risk.

    Moments of one session belong together, and some sessions have more moments than others. So the interval of a group
    is that of as many sessions with one moment each as would give a share with the same standard error. A session can
    be in several groups, so the intervals of two groups are not independent.
    """
    number = max(1, min(GROUPS, len(np.unique(places)) // LEAST_IN_GROUP))
    groups = []
    for rows in np.array_split(np.argsort(risks, kind="stable"), number):
        sessions = len(np.unique(places[rows]))
        share = float(came[rows].mean())
        error = _error(came[rows].astype(float), places[rows])
        counted = min(sessions, int(share * (1 - share) / error**2)) if error else sessions
        bounds = wilson(round(share * counted), counted)
        groups.append(
            Group(
                sessions=sessions,
                predicted=float(risks[rows].mean()),
                abandoned=share,
                low=min(bounds.low, share),
                high=max(bounds.high, share),
            )
        )
    return tuple(groups)
