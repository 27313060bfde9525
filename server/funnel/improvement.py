"""What mending a cause should bring: the completion rate if the affected had left as seldom as the others.

This is standardisation (g-computation): a model of each step predicts for every session whether it goes on, once as
things are and once with the effect of the causes left out, and the predictions are averaged. Draws of the coefficients
and of the weights of the sessions give the intervals. It is right as far as the causes are causes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import groupby

import numpy as np
import numpy.typing as npt
from scipy import special

from server.funnel.causes import CauseSettings, code_table, related
from server.funnel.coding import CodedFeature
from server.funnel.logistic import Floats, fit
from server.funnel.model import TERM_RIDGE, of_opposite_cells
from server.funnel.pairs import CLEARLY_LESS
from server.funnel.step_data import CodedTable, StepData, together
from server.funnel.survivors import LARGEST_SHARE
from server.funnel.types import Cause, CauseReport, Flags, Improvement, Interval, SessionTable

RIDGE = 5.0
"""The penalty of what is only adjusted for. It is larger than in the search: predictions that follow chance too closely
make every effect look smaller."""
BOUND_SPREAD = 1.3
"""How much wider the error of an effect is where the bound of a number was estimated too."""
MOST_AVERAGED = 10_000
"""Predictions are averaged over so many sessions at most, drawn at random."""

Draws = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step's predictions: the log-odds of leaving for each averaged session and draw, and each cause's effect.

    The first draw is the estimate itself. ``known_at`` is the step from which on all that they rest on is known.
    ``later`` are the effects that causes of earlier steps have here.
    """

    predictor: Draws
    effects: dict[Cause, Draws]
    known_at: int = 1
    later: dict[Cause, Draws] = field(default_factory=dict)

    def going_on(self, removed: Sequence[Cause], holds: dict[Cause, Flags]) -> Draws:
        """The probability of going on, without the effects of some causes."""
        predictor = self.predictor
        for cause in removed:
            if cause in self.effects:
                predictor = predictor - np.outer(holds[cause], self.effects[cause])
        return np.asarray(special.expit(-predictor))


class ImprovementModel:
    """The models of all steps of a table, fitted once for any number of questions.

    Args:
        table: The sessions.
        report: What the search for causes found in them.
        settings: Those of the search.
        codes: What ``code_table`` made of both, where it was made before.
        draws: How many draws give the intervals.
        seed: The seed of the draws.
    """

    def __init__(
        self,
        table: SessionTable,
        report: CauseReport,
        settings: CauseSettings | None = None,
        codes: CodedTable | None = None,
        *,
        draws: int = 400,
        seed: int = 0,
    ) -> None:
        settings = settings or CauseSettings()
        codes = codes or code_table(table, settings)
        self._rng = np.random.default_rng(seed)
        self._sessions = table.sessions
        averaged = np.arange(table.sessions)
        if len(averaged) > MOST_AVERAGED:
            averaged = self._rng.choice(averaged, MOST_AVERAGED, replace=False)
        everywhere = {cause: cause.holds(table) for cause in report.causes}
        self._holds = {cause: flags[averaged] for cause, flags in everywhere.items()}
        self._steps = [
            self._fitted(codes, number, settings, draws, averaged, everywhere) for number in range(1, len(table.steps))
        ]
        small = [{cause: later for cause, later in step.later.items() if _small(cause, later)} for step in self._steps]
        if _patience([effect for effects in small for effect in effects.values()]):
            pairs = zip(self._steps, small, strict=True)
            self._steps = [replace(step, effects=step.effects | effects) for step, effects in pairs]
        weights = self._weights_of(averaged, table.persons, draws)
        weights[:, 0] = 1.0
        self._weights = weights / weights.sum(axis=0)
        self._reached = table.reached[averaged]
        self._going_on = [step.going_on((), self._holds) for step in self._steps]
        self._rate = self._completing(self._going_on)

    def _weights_of(self, averaged: npt.NDArray[np.int64], persons: npt.NDArray[np.int64] | None, draws: int) -> Draws:
        """A weight for each session and draw, the same for all sessions of a person."""
        if persons is None:
            return self._rng.standard_exponential((len(averaged), 1 + draws), dtype=np.float32)
        distinct, whose = np.unique(persons[averaged], return_inverse=True)
        return self._rng.standard_exponential((len(distinct), 1 + draws), dtype=np.float32)[whose]

    def _fitted(
        self,
        codes: CodedTable,
        number: int,
        settings: CauseSettings,
        draws: int,
        averaged: npt.NDArray[np.int64],
        holds: dict[Cause, Flags],
    ) -> _Step:
        data = codes.step(number)
        if data is None:
            return self._rate_only(codes.table, number, draws, len(averaged))
        causes = [cause for cause in holds if cause.step_number == number]
        blocks = list(_adjusting(data, causes, settings))
        expected = {c: _expected(c, codes.table, data.rows) for c in holds if c.step_number <= number}

        def columns(rows: npt.NDArray[np.int64]) -> Floats:
            own = [expected[cause][rows][:, None] for cause in causes]
            return np.hstack([np.ones((len(rows), 1)), *own, *(block[f.codes[rows]] for f, block in blocks)])

        fitted_on = columns(data.rows)
        penalty = np.full(fitted_on.shape[1], RIDGE)
        penalty[: 1 + len(causes)] = [0.0, *[TERM_RIDGE] * len(causes)]
        result = fit(fitted_on, data.left, penalty)
        spread = np.linalg.cholesky(result.covariance())
        errors = np.hstack([np.zeros((len(spread), 1)), spread @ self._rng.standard_normal((len(spread), draws))])
        errors *= result.widening(fitted_on, data.persons)[:, None]
        for k, cause in enumerate(causes):
            named = {condition.feature for condition in cause.conditions}
            places = [place for place, feature in enumerate(data.features) if feature.name in named]
            errors[1 + k] *= data.widening(places, result.residuals)
            errors[1 + k] *= BOUND_SPREAD if any(c.operator in {">", "<=", "in"} for c in cause.conditions) else 1.0
        coefficients = result.coefficients[:, None] + errors
        predictor = columns(averaged).astype(np.float32) @ coefficients.astype(np.float32)
        effects = {cause: coefficients[1 + k].astype(np.float32) for k, cause in enumerate(causes)}
        known_at = max((feature.known_at for feature in data.features), default=1)
        return _Step(predictor, effects, known_at, _later(number, data, blocks, coefficients, expected))

    def _rate_only(self, table: SessionTable, number: int, draws: int, rows: int) -> _Step:
        """A step with too little data for a model: its rate of leaving, the same for all."""
        at_risk = table.at_risk(number)
        left = int((at_risk & (table.reached == number)).sum())
        shape = left + 0.5, int(at_risk.sum()) - left + 0.5
        rate = np.concatenate([[shape[0] / sum(shape)], self._rng.beta(*shape, draws)])
        return _Step(np.tile(special.logit(rate).astype(np.float32), (rows, 1)), {})

    def without(self, causes: Sequence[Cause]) -> Improvement:
        """What would be without the effects of some of the report's causes, those of all others held.

        Args:
            causes: Causes of the report that the model was made from.

        Raises:
            ValueError: A cause is not one of the report's.
        """
        if not self._holds.keys() >= set(causes):
            raise ValueError("only the causes of its own report can be taken out of a model")
        going_on = []
        for step, now in zip(self._steps, self._going_on, strict=True):
            changed = [cause for cause in causes if cause in step.effects]
            going_on.append(step.going_on(changed, self._holds) if changed else now)
        rate, rate_then = self._rate, self._completing(going_on)
        gained = rate_then - rate
        return Improvement(
            _interval(rate), _interval(rate_then), _interval(100.0 * gained), _interval(self._sessions * gained)
        )

    def _completing(self, going_on: Sequence[Draws]) -> Floats:
        """The share that completes, for each draw, where each session goes on at each step with these probabilities."""
        completing = np.ones(self._weights.shape[1])
        numbered = enumerate(self._steps)
        for known_at, steps in groupby(numbered, key=lambda numbered_step: numbered_step[1].known_at):
            places = [place for place, _ in steps]
            there = self._reached >= known_at
            rows = there if not there.all() and there.any() else slice(None)
            weights = self._weights[rows]
            for place in range(places[0]):
                then, now = going_on[place], self._going_on[place]
                if place >= known_at - 1:
                    weights = weights * then[rows]
                elif then is not now:
                    weights = weights * (then[rows] / now[rows])
            before = weights.sum(axis=0, dtype=float)
            for place in places:
                weights = weights * going_on[place][rows]
            completing *= weights.sum(axis=0, dtype=float) / before
        return completing


def _expected(cause: Cause, table: SessionTable, rows: npt.NDArray[np.int64]) -> Floats:
    """For each session 1 where a cause holds and 0 where not; in a gap, the mean of those of some rows with a value."""
    made = []
    for condition in cause.conditions:
        holds, seen = condition.holds(table), table.seen(condition.feature)
        made.append(np.where(seen, holds, (holds & seen)[rows].sum() / max(int(seen[rows].sum()), 1)))
    return reduce(together, made)


def _later(
    number: int,
    data: StepData,
    blocks: Sequence[tuple[CodedFeature, Floats]],
    coefficients: Floats,
    expected: dict[Cause, Floats],
) -> dict[Cause, Draws]:
    """The effects at a step of single conditions that are causes of earlier steps, where no cause has their feature."""
    found: dict[Cause, Draws] = {}
    end = len(coefficients)
    for feature, block in reversed(blocks):
        own = coefficients[end - block.shape[1] : end]
        end -= block.shape[1]
        there = {cause: expected[cause][data.rows] for cause in expected if cause.step_number < number}
        earlier = [c for c in there if c.feature == feature.name and data.enough(float((there[c] == 1.0).sum()))]
        if earlier:
            beside = np.array([np.ones(len(data.rows)), *(there[cause] for cause in earlier)]).T
            effects = np.linalg.lstsq(beside, block[feature.codes[data.rows]], rcond=None)[0][1:] @ own
            found |= zip(earlier, effects.astype(np.float32), strict=True)
    return found


def _small(cause: Cause, later: Draws) -> bool:
    """Whether the effect of a cause at a later step may be patience; what is larger is an effect of its own."""
    return abs(float(later[0])) < LARGEST_SHARE * cause.log_odds.mid


def _patience(later: Sequence[Draws]) -> bool:
    """Whether who went on although a cause held clearly leaves less often at later steps, over all causes and steps.

    Then people differ in patience, which no feature shows: without the causes the less patient would come there, too,
    and leave more often than those that do come there.
    """
    z = [float(effect[0] / effect[1:].std()) for effect in later]
    return bool(z) and sum(z) < CLEARLY_LESS * len(z) ** 0.5


def _adjusting(data: StepData, causes: Sequence[Cause], settings: CauseSettings) -> list[tuple[CodedFeature, Floats]]:
    """The features that are adjusted for, with their groups: all but those for which a cause stands."""
    named = {c.feature for cause in causes if cause.kind == "one" for c in cause.conditions} | of_opposite_cells(causes)
    places = [k for k, feature in enumerate(data.features) if feature.name in named]
    together = related(data, settings)
    stood_for = {other for place in places for other in together[place]}
    return [(f, data.groups[k]) for k, f in enumerate(data.features) if k not in stood_for]


def _interval(values: Floats) -> Interval:
    """The first value as the estimate, and the quantiles of the others, moved to have it as their mean.

    Without the move, the errors of many coefficients would pull every probability towards one half.
    """
    estimate, draws = float(values[0]), values[1:]
    low, high = (np.quantile(draws, (0.025, 0.975)) - draws.mean() + estimate).tolist()
    return Interval(min(low, estimate), estimate, max(high, estimate))


def expected_improvement(
    table: SessionTable,
    report: CauseReport,
    remove: Sequence[Cause],
    settings: CauseSettings | None = None,
    *,
    draws: int = 400,
    seed: int = 0,
) -> Improvement:
    """What leaving some causes out should bring. For several questions on one table use ``ImprovementModel``."""
    return ImprovementModel(table, report, settings, draws=draws, seed=seed).without(remove)
