"""Finds what goes with leaving at each step of a funnel, when everything else that is known is held equal."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
from scipy import special
from threadpoolctl import threadpool_limits

from server.funnel.coding import coded
from server.funnel.finer_pairs import finer
from server.funnel.growing import growing_features
from server.funnel.logistic import Floats
from server.funnel.model import STEEP, StepModel, Term, of_opposite_cells
from server.funnel.pairs import best_pair, less_together, other_cell, pair_terms, said_by_one
from server.funnel.singles import SingleTests
from server.funnel.step_data import CodedTable, Guards, StepData
from server.funnel.survivors import left_by_a_cause
from server.funnel.types import Cause, CauseReport, Condition, Flags, Interval, SessionTable, TooLittle
from server.funnel.wide_ranges import in_one_range, without_near_bounds

Z95 = float(special.ndtri(0.975))


@dataclass(frozen=True, slots=True)
class CauseSettings:
    """What counts as a cause.

    Attributes:
        false_alarm: The most that the probability may be that anything at all is named where nothing is a cause. It is
            shared out among all conditions and steps that are tried; half as much again is for pairs.
        least_log_odds: The lower end of the 95 % interval of an effect has to be above this.
        least_sessions: Fewer sessions with or without a condition are not compared.
        least_outcomes: So many leavers, and so many that go on, have to be expected on either side.
        strong_log_odds: An effect of this size should not be missed: see ``TooLittle``.
        strong_share: The share of sessions that such an effect has to touch.
        together_above: Conditions with a larger correlation than this count as one group, of which one is named.
        correlated_above: Features with a larger correlation than this with a cause are named beside it.
        pairs: Whether two conditions that only together go with leaving are looked for, where a strong cause would be
            seen. With less data, what only goes together with one of the two is often taken for it.
        most_rows: The most sessions a step that the model reads, drawn at random. Counts and rates are of all.
        seed: The seed of that draw.
    """

    false_alarm: float = 0.01
    least_log_odds: float = 0.2
    least_sessions: int = 30
    least_outcomes: float = 5.0
    strong_log_odds: float = 1.0
    strong_share: float = 0.1
    together_above: float = 0.9
    correlated_above: float = 0.5
    pairs: bool = True
    most_rows: int = 50_000
    seed: int = 0


MOST_TERMS = 12
MOST_PAIRS = 3
MOST_REFUSED = 50
"""So many conditions at a step may be refused because few persons are behind them; the search ends there."""
FEWEST_CLUSTERS = 20
"""A text of so many levels is taken for clusters of sessions, of which each has a rate of its own."""
FINER = 1.5
"""It has to have so many times as many levels as a feature that it may stay beside."""
MANY_UNDER_WAY = 0.01
"""With a larger share of sessions under way at a step, causes have to hold however these end."""

UNEVEN = 1.5
"""Shares under way with and without a condition that differ by more than this factor go with the condition."""


def code_table(table: SessionTable, settings: CauseSettings | None = None) -> CodedTable:
    """Codes the features of a table, for ``find_causes`` and for ``ImprovementModel``."""
    settings = settings or CauseSettings()
    growing = growing_features(table, settings.seed)
    features = tuple(feature for feature in coded(table) if feature.name not in growing)
    guards = Guards(settings.least_sessions, settings.least_outcomes)
    return CodedTable(table, features, growing, guards, settings.most_rows, settings.seed)


def find_causes(
    table: SessionTable, settings: CauseSettings | None = None, codes: CodedTable | None = None
) -> CauseReport:
    """Names the conditions that raise leaving at each step, the strongest first. Correlation is not proof.

    Args:
        table: The sessions.
        settings: What counts as a cause.
        codes: What ``code_table`` makes of both, where it was made before.
    """
    settings = settings or CauseSettings()
    with threadpool_limits(1, user_api="blas"):  # More threads only wait for each other in products as small as ours.
        return _found(codes or code_table(table, settings), settings)


def _found(codes: CodedTable, settings: CauseSettings) -> CauseReport:
    table = codes.table
    data = {number: codes.step(number) for number in range(1, len(table.steps))}
    usable = {number: found for number, found in data.items() if found is not None}
    tested = 0
    causes: list[Cause] = []
    too_little = [_too_little(table, number) for number in data if number not in usable]
    for number, found in usable.items():
        model = StepModel(found, related(found, settings))
        search = _StepSearch(codes, number, model, settings, settings.false_alarm / len(usable))
        search.singles()
        tested += sum(map(len, found.candidates))
        if search.misses_strong:
            too_little.append(_too_little(table, number))
        elif settings.pairs:
            tested += search.pairs()
        causes += search.named()
    causes = [cause for cause in causes if not left_by_a_cause(cause, causes, table)]
    causes.sort(key=lambda cause: -cause.log_odds.mid)
    too_little.sort(key=lambda step: table.steps.index(step.step))
    return CauseReport(tuple(causes), tuple(too_little), tested, codes.growing)


def related(data: StepData, settings: CauseSettings) -> list[set[int]]:
    """For each feature those, itself among them, that nearly always go together with it and would hide it.

    A text of many levels hides nothing that is told more coarsely: its levels are adjusted for as random effects. So it
    stays in the model, and what is the same for all sessions of a level, such as the size of a branch, is compared
    between the branches.
    """
    columns = np.array([block.shape[1] for block in data.groups], dtype=int)
    texts = np.array([not feature.ordered for feature in data.features], dtype=bool)
    clusters = texts & (columns >= FEWEST_CLUSTERS)
    near = data.correlations > settings.together_above
    near &= ~(clusters[None, :] & (columns[None, :] > FINER * columns[:, None]))
    return [{k, *np.flatnonzero(row).tolist()} for k, row in enumerate(near)]


def _too_little(table: SessionTable, number: int) -> TooLittle:
    rows = table.at_risk(number)
    return TooLittle(table.steps[number], int(rows.sum()), int((rows & (table.reached == number)).sum()))


@dataclass
class _StepSearch:
    """The search at one step."""

    codes: CodedTable
    number: int
    model: StepModel
    settings: CauseSettings
    false_alarm: float
    least_z: float = np.inf

    def singles(self) -> None:
        """Adds conditions to the model, the clearest first, until none is left that could not be chance."""
        tests = SingleTests.of(self.model)
        self.least_z = tests.exceeded_by_chance(self.false_alarm, self.settings.seed)
        refused: set[tuple[Condition, ...]] = set()
        while len(self.model.terms) < MOST_TERMS and len(refused) < MOST_REFUSED:
            best = tests.best(refused)
            if best is None or best.z < self.least_z:
                return
            if tests.among_persons(best) < self.least_z:
                refused.add(best.term.conditions)
                continue
            self.model.terms.append(best.term)
            tests = SingleTests.of(self.model)

    def pairs(self) -> int:
        """Adds pairs to the model; gives how many were tried."""
        self.model.terms += less_together(self.model)
        singles, tried, first = pair_terms(self.model), 0, len(self.model.terms)
        for _ in range(MOST_PAIRS):
            best, tried = best_pair(self.model, singles)
            if best is None or best.z < special.ndtri(1.0 - self.false_alarm / 2 / tried):
                break
            found = finer(self.model, best).term
            other = other_cell(self.model, found, singles)
            self.model.terms += [found] if other is None else [found, other]
        # Only now, as beside the single condition other pairs would be found in the place of this one.
        said = [said_by_one(self.model, pair) or pair for pair in self.model.terms[first:]]
        of_conditions = {term.conditions: term for term in (*self.model.terms[:first], *said)}
        self.model.terms = list(of_conditions.values())
        return tried

    @property
    def misses_strong(self) -> bool:
        """Whether a strong effect would be missed in more than one of ten cases, for want of sessions."""
        rate, share = self.model.data.left.mean(), self.settings.strong_share
        information = len(self.model.data.left) * rate * (1 - rate) * share * (1 - share)
        return bool(self.settings.strong_log_odds * information**0.5 < self.least_z + special.ndtri(0.9))

    def named(self) -> Iterator[Cause]:
        """The terms that raise leaving by more than the bound, in a model in which they stand for their features."""
        least = self.settings.least_log_odds
        self._say_ranges()
        terms = self.model.terms
        while terms:
            effects, errors = self._estimates(self.model)
            clear = self._clear(effects, errors)
            failing = (effects > 0) & ((effects - Z95 * errors <= least) | (clear < self.least_z))
            if not failing.any():
                break
            del terms[int(np.where(failing, clear, np.inf).argmin())]
        if not terms:
            return
        steady = self._steady()
        for k, term in enumerate(terms):
            if effects[k] > 0 and steady[k]:
                spread = Z95 * float(errors[k])
                interval = Interval(float(effects[k]) - spread, float(effects[k]), float(effects[k]) + spread)
                yield _cause(self.codes.table, self.number, term.conditions, interval, self._near(term))

    def _say_ranges(self) -> None:
        """Names a wide range as one, where it was found as bounds or as ranges side by side, and each bound once."""
        columns = [term.column(self.model.data) for term in self.model.terms]
        effects = self._estimates(self.model)[0]
        self.model.terms = without_near_bounds(self.model.terms, effects, columns)
        for _ in range(MOST_TERMS):
            terms = in_one_range(self.model.terms, self._estimates(self.model)[0])
            if terms is None:
                return
            self.model.terms = terms

    def _clear(self, effects: Floats, errors: Floats) -> Floats:
        """How clear each effect is: it over its error, or the root of the likelihood ratio where nearly all leave.

        There the error grows faster than the effect.
        """
        clear: Floats = effects / errors
        model, without = self.model, _stood_for(self.model)
        for k in np.flatnonzero((clear < self.least_z) & (effects > STEEP)).tolist():
            reduced = replace(model, terms=model.terms[:k] + model.terms[k + 1 :])
            gain = model.fitted(without).value - reduced.fitted(without).value
            clear[k] = np.sqrt(max(0.0, 2.0 * gain))
        return clear

    def _estimates(self, model: StepModel) -> tuple[Floats, Floats]:
        """The effects of the terms and their standard errors."""
        without = _stood_for(model)
        result, own = model.fitted(without), slice(1, 1 + len(model.terms))
        errors = np.sqrt(np.diag(result.covariance()))
        if model.data.persons is not None:
            errors *= result.widening(model.columns(without), model.data.persons)
        of_gaps = np.array([model.data.widening(term.features, result.residuals) for term in model.terms])
        return result.coefficients[own], errors[own] * of_gaps

    def _steady(self) -> list[bool]:
        """Whether each effect stays above zero if all sessions under way leave, and if all of them go on.

        Those who go on are known at once, those who leave only later. What goes with being recent would be named
        otherwise. So, where a condition goes with being under way, its effect also has to stand if the affected go on
        and the others leave.
        """
        terms, table = self.model.terms, self.codes.table
        arrived = table.reached >= self.number
        under_way = arrived & ~table.at_risk(self.number)
        kept = np.ones(len(terms), dtype=bool)
        if under_way.sum() > MANY_UNDER_WAY * arrived.sum():
            for outcome in (False, True):
                kept &= self._above_zero(np.full(table.sessions, outcome))
            for k, term in enumerate(terms):
                holds = table.holds(term.conditions)
                seen = arrived & np.logical_and.reduce([table.seen(c.feature) for c in term.conditions])
                shares = under_way[seen & holds].mean(), under_way[seen & ~holds].mean()
                if max(shares) > UNEVEN * min(shares):
                    kept[k] &= self._above_zero(~holds)[k]
        return kept.tolist()

    def _above_zero(self, under_way_left: Flags) -> Flags:
        """Whether the effect of each term is above zero if of the sessions under way these leave."""
        data = self.codes.step_where(self.number, under_way_left)
        if data is None:
            return np.zeros(len(self.model.terms), dtype=bool)
        effects, errors = self._estimates(replace(self.model, data=data))
        return np.asarray(effects > Z95 * errors)

    def _near(self, term: Term) -> tuple[str, ...]:
        """The other features that go together with those of a term."""
        correlated = self.model.data.correlations > self.settings.correlated_above
        places = {k for place in term.features for k in np.flatnonzero(correlated[place])}
        return tuple(sorted(self.model.data.features[k].name for k in places - set(term.features)))


def _stood_for(model: StepModel) -> set[int]:
    """The features for which the terms of a model stand."""
    both = of_opposite_cells(model.terms)
    placed = ((term, zip(term.features, term.conditions, strict=True)) for term in model.terms)
    return model.replaced([k for term, some in placed for k, c in some if len(term.features) == 1 or c.feature in both])


def _cause(
    table: SessionTable,
    number: int,
    conditions: tuple[Condition, ...],
    log_odds: Interval,
    correlated: tuple[str, ...],
) -> Cause:
    found = table.affected(number, conditions)
    affected, left, others = int(found.affected.sum()), int(found.left.sum()), int(found.others.sum())
    return Cause(
        conditions=conditions,
        step=table.steps[number],
        step_number=number,
        log_odds=log_odds,
        affected=affected,
        left=left,
        others=others,
        rate_with=left / max(affected, 1),
        rate_without=int(found.others_left.sum()) / max(others, 1),
        correlated=correlated,
    )
