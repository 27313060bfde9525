"""Tests of single conditions, each in place of the groups of its own feature, all other features held equal.

One fit serves all tests: the likelihood is taken as quadratic around it. The statistic that chance seldom exceeds is
found by drawing scores from their joint distribution, so that the many conditions on one number, nearly all of which
say the same, do not count as many comparisons.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

import numpy as np

from server.funnel.coding import Candidate, CodedFeature
from server.funnel.logistic import Floats, inflation, solve
from server.funnel.model import LEAST_LEFT, RIDGE, STEEP, TERM_RIDGE, StepModel, Term, Tested
from server.funnel.types import Condition, Flags

DRAWS = 2000
RANGE_COST = 8.0
"""By how much the square of its statistic has to be larger for a range to be preferred to a single bound."""


@dataclass(frozen=True, slots=True)
class _Statistics:
    """For each condition on one feature: its statistic; and, as columns, what is left of it beside the others.

    The statistic is the score along such a column, over its standard error; 0 where too little is left.
    """

    z: Floats
    scaled: Floats


@dataclass(frozen=True)
class SingleTests:
    """The tests of one round: a fit, with its information and score for the terms and for every code."""

    model: StepModel
    coefficients: Floats
    information: Floats
    score: Floats
    residuals: Floats

    @classmethod
    def of(cls, model: StepModel, without: Set[int] = frozenset()) -> SingleTests:
        """Fits the model, with the groups of all features but some: the coefficients of these are zero."""
        data, first = model.data, 1 + len(model.terms)
        result, terms = model.fitted(without), model.own_columns()
        kept = np.concatenate([np.ones(first, dtype=bool), _kept(model, without)])
        coefficients = np.zeros(len(kept))
        coefficients[kept] = result.coefficients
        weighted = terms * result.weights[:, None]
        crossed = np.array([data.sums(column) for column in weighted.T])
        information = np.block([[terms.T @ weighted, crossed], [crossed.T, data.gram(result.weights)]])
        score = np.concatenate([terms.T @ result.residuals, data.sums(result.residuals)])
        return cls(model, coefficients, information, score, result.residuals)

    def best(self, refused: Set[tuple[Condition, ...]] = frozenset()) -> Tested | None:
        """The condition with the largest statistic, but for those that were refused."""
        found: Tested | None = None
        for place, some in enumerate(self.model.data.candidates):
            if some:
                z = self._near(place)._statistics(place).z
                if refused:
                    z = z * [(c.condition,) not in refused and (c.opposite,) not in refused for c in some]
                raising = _raising(some, z)
                is_range = np.array([c.condition.operator == "in" for c in some])
                k = int((np.maximum(raising, 0.0) ** 2 - RANGE_COST * is_range).argmax())
                if found is None or raising[k] > found.z:
                    found = self._named(place, k, float(z[k]))
        return found

    def among_persons(self, found: Tested) -> float:
        """The statistic of a condition, less clear where many of its sessions are those of few persons."""
        data, (place,), (condition,) = self.model.data, found.term.features, found.term.conditions
        if data.persons is None:
            return found.z
        some = data.candidates[place]
        k = next(k for k, c in enumerate(some) if condition in {c.condition, c.opposite})
        beside = self._statistics(place).scaled[:, k]
        left_of_it = np.full(len(data.left), beside[0])
        for value, term in zip(beside[1:], self.model.terms, strict=False):
            left_of_it += value * term.column(data)
        for place, codes in enumerate(data.codes):
            left_of_it += beside[1 + len(self.model.terms) :][data.span(place)][codes]
        return float(found.z / np.sqrt(inflation(left_of_it * self.residuals, data.persons)))

    def exceeded_by_chance(self, share: float, seed: int) -> float:
        """The statistic that the best of all conditions exceeds with this probability where nothing is a cause."""
        size = len(self.score)
        root = np.linalg.cholesky(self.information + 1e-9 * np.trace(self.information) * np.eye(size))
        scores = root @ np.random.default_rng(seed).standard_normal((size, DRAWS))
        largest = np.zeros(DRAWS)
        for place, some in enumerate(self.model.data.candidates):
            if some:
                drawn = _raising(some, self._statistics(place).scaled.T @ scores)
                np.maximum(largest, drawn.max(axis=0), out=largest)
        return float(np.quantile(largest, 1.0 - share))

    def _near(self, place: int) -> SingleTests:
        """These tests; or, where the effect of a feature is so steep that the quadratic is far off, ones without it."""
        without = self.model.replaced([place])
        of_groups = self.coefficients[1 + len(self.model.terms) :][~_kept(self.model, without)]
        return SingleTests.of(self.model, without) if np.abs(of_groups).max(initial=0.0) > STEEP else self

    def _statistics(self, place: int) -> _Statistics:
        data, first = self.model.data, 1 + len(self.model.terms)
        kept = _kept(self.model, self.model.replaced([place]))
        own_part, coefficients = self.coefficients[:first], self.coefficients[first:]
        every = np.vstack([np.zeros((first, len(kept))), self.model.basis()])
        basis = np.hstack([np.eye(len(self.score))[:, :first], every[:, kept]])
        gradient = self.score + self.information @ (every[:, ~kept] @ coefficients[~kept])
        penalty = np.concatenate([[0.0], np.full(first - 1, TERM_RIDGE), np.full(int(kept.sum()), RIDGE)])
        shrunk = penalty * np.concatenate([own_part, coefficients[kept]])
        members = data.values(place, np.array([candidate.members for candidate in data.candidates[place]]).T)
        span = slice(first + data.offsets[place], first + data.offsets[place + 1])
        crossed = basis.T @ (self.information[:, span] @ members)
        solved = solve(basis.T @ self.information @ basis + np.diag(penalty), crossed)
        own = np.einsum("ij,ij->j", members, self.information[span, span] @ members)
        variance = own - np.einsum("ij,ij->j", crossed, solved)
        errors = np.where(variance > LEAST_LEFT * own, np.sqrt(np.maximum(variance, 1e-12)), np.inf)
        beside = -basis @ solved
        beside[span] += members
        widening = data.widening([place], self.residuals)
        return _Statistics((beside.T @ gradient + solved.T @ shrunk) / errors / widening, beside / errors)

    def _named(self, place: int, k: int, z: float) -> Tested:
        """The condition as a term; its opposite where that is what raises leaving."""
        chosen = self.model.data.candidates[place][k]
        if z > 0 or chosen.opposite is None:
            return Tested(Term((chosen.condition,), (place,), (chosen.members,)), z)
        side = other_side(self.model.data.features[place], chosen.members)
        return Tested(Term((chosen.opposite,), (place,), (side,)), -z)


def _kept(model: StepModel, without: Set[int]) -> Flags:
    """For each group of all features, whether it stays."""
    groups = enumerate(model.data.groups)
    return np.concatenate([np.zeros(0, dtype=bool), *(np.full(g.shape[1], k not in without) for k, g in groups)])


def _raising(candidates: tuple[Candidate, ...], z: Floats) -> Floats:
    """How clearly each condition, or its opposite, raises leaving.

    What lowers leaving and has no opposite is not looked at: a level is adjusted for exactly, and the levels that raise
    leaving are found one by one. If it were, the best level would stand for all others, unnamed.
    """
    two_sided = np.array([candidate.opposite is not None for candidate in candidates])
    return np.where(two_sided.reshape(-1, *[1] * (z.ndim - 1)), np.abs(z), z)


def other_side(feature: CodedFeature, members: Flags) -> Flags:
    """The other side of a bound, or of a flag; an unknown number is on neither."""
    side: Flags = ~members & (np.arange(feature.width) < feature.ordered)
    return side
