"""A pair that was found with coarse bounds, with the conditions that fit best in their places.

A pair is looked for among levels and thirds of numbers. If a code by SMS makes people leave in one week only, what
mostly comes in that week, such as a banner, is the nearest of these. So each of the two is held, and every condition
there is takes the place of the other: the pair that says most is named. Whether any is, the coarse pair has decided.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from server.funnel.coding import Candidate
from server.funnel.logistic import Fit, Floats, solve
from server.funnel.model import LEAST_LEFT, StepModel, Term, Tested
from server.funnel.singles import RANGE_COST, other_side
from server.funnel.step_data import StepData
from server.funnel.types import Flags

PAIR_GUARD = 1.5
"""A pair needs so many times the numbers that a single condition needs: pairs are many, and most are small."""

ROUNDING = 1e-6
"""A pair that says no more than this beyond another is the same pair, with the two conditions in the other order."""


def finer(model: StepModel, coarse: Tested) -> Tested:
    """The best pair that has one of the two conditions of a coarse one; then the best that has the new one."""
    first = [_with_each(model, coarse, held) for held in (0, 1)]
    best = max(first, key=lambda found: found.z)
    return best if best is coarse else _with_each(model, best, 1)


def _with_each(model: StepModel, pair: Tested, held: int) -> Tested:
    """The pair with the condition at ``held`` and any other one, the other one second; the same pair if none is better.

    The cost of a range is that of a single condition.
    """
    kept = _part(pair.term, held)
    tests = _Tests.of(model, kept)
    best, value = pair, pair.z**2 - RANGE_COST * _ranges(pair.term)
    for place, some in enumerate(model.data.candidates):
        if not some or place in model.together[kept.features[0]]:
            continue
        conditions = list(_sides(model.data, place, some))
        z = tests.statistics(place, np.array([term.members[0] for term in conditions]).T)
        costs = RANGE_COST * np.array([_ranges(term) + _ranges(kept) for term in conditions])
        worth = np.maximum(z, 0.0) ** 2 - costs
        k = int(worth.argmax())
        if worth[k] > value + ROUNDING:
            other, value = conditions[k], float(worth[k])
            both = Term(
                kept.conditions + other.conditions, kept.features + other.features, kept.members + other.members
            )
            best = Tested(both, float(z[k]))
    return best


def _part(term: Term, place: int) -> Term:
    return Term((term.conditions[place],), (term.features[place],), (term.members[place],))


def _ranges(term: Term) -> int:
    return sum(condition.operator == "in" for condition in term.conditions)


def _sides(data: StepData, place: int, some: tuple[Candidate, ...]) -> list[Term]:
    """Each condition on a feature, and the other side of each bound; both sides of a flag were compared before."""
    made = [Term((c.condition,), (place,), (c.members,)) for c in some]
    feature = data.features[place]
    return made + [
        Term((c.opposite,), (place,), (other_side(feature, c.members),))
        for c in some
        if c.opposite and c.condition.operator != "is"
    ]


@dataclass(frozen=True, slots=True)
class _Sums:
    """Sums over the sessions with each code: of the columns of the model by their weights, of these, of the score."""

    crossed: Floats
    weights: Floats
    score: Floats

    @classmethod
    def of(cls, data: StepData, rows: Flags, result: Fit, columns: Floats) -> _Sums:
        weights = result.weights * rows
        crossed = np.array([data.sums(column) for column in (columns * weights[:, None]).T])
        return cls(crossed, data.sums(weights), data.sums(result.residuals * rows))


@dataclass(frozen=True, slots=True)
class _Tests:
    """Score tests of one condition together with any other, beside what is in the model.

    ``held`` and ``others`` are the sessions with each code that meet the condition and that do not; ``sums`` are over
    the first and, if there are any, over those in which it was not seen.
    """

    data: StepData
    place: int
    penalised: Floats
    residuals: Floats
    sums: tuple[_Sums, ...]
    held: Floats
    others: Floats

    @classmethod
    def of(cls, model: StepModel, kept: Term) -> _Tests:
        """Fits the model once."""
        data, (place,) = model.data, kept.features
        result, columns = model.fitted(set()), model.columns(set())
        holds = kept.column(data)
        unseen = data.codes[place] >= data.gaps(place).start
        states = [~unseen & (holds == 1.0), *([unseen] if unseen.any() else [])]
        sums = tuple(_Sums.of(data, rows, result, columns) for rows in states)
        penalised = result.information + np.diag(result.penalty)
        held, others = data.sums(states[0]), data.sums(~unseen & (holds == 0.0))
        return cls(data, place, penalised, result.residuals, sums, held, others)

    def statistics(self, place: int, members: Flags) -> Floats:
        """One for each set of codes of a feature; 0 where too few sessions, or too little that is new, are in it."""
        span = self.data.span(place)
        parts = list(zip(self.sums, self._values(place, members), strict=False))
        crossed = np.sum([sums.crossed[:, span] @ values for sums, values in parts], axis=0)
        own = np.sum([sums.weights[span] @ values**2 for sums, values in parts], axis=0)
        variance = own - np.einsum("ij,ij->j", crossed, solve(self.penalised, crossed))
        enough = np.array([self.data.enough(float(n), PAIR_GUARD) for n in self.held[span] @ members])
        usable = enough & (variance > LEAST_LEFT * own)
        effects = np.sum([sums.score[span] @ values for sums, values in parts], axis=0)
        found: Floats = np.where(usable, effects / np.sqrt(np.where(usable, variance, 1.0)), 0.0)
        return found / self.data.widening([self.place, place], self.residuals)

    def _values(self, place: int, members: Flags) -> tuple[Floats, Floats]:
        """As ``together`` has it for each code: where the kept condition holds, and where it was not seen."""
        span, gaps = self.data.span(place), self.data.gaps(place)
        seen = np.ones(len(members))
        seen[gaps] = 0.0
        both, known = self.held[span] @ members, self.held[span] + self.others[span]
        where_held, unseen = members.astype(float), members * (both / np.maximum(known @ members, 1.0))
        where_held[gaps] = both / np.maximum(self.held[span] @ seen, 1.0)
        unseen[gaps] = both / np.maximum(known @ seen, 1.0)
        return where_held, unseen
