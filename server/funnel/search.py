"""The search at one step: which conditions go with leaving when all other features are held equal.

The model is a discrete-time hazard: logistic regression of leaving at this step, over the sessions that got there.
Each feature is in it as a few coarse groups, so that none stands in for another. A condition is tested in place of the
groups of its own feature. What was found joins the model, and the search goes on until nothing is left.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from scipy import special

from server.funnel.coding import CodedFeature
from server.funnel.logistic import Fit, Floats, fit, solve
from server.funnel.step_data import StepData
from server.funnel.types import Condition, Flags

RIDGE = 1.0
"""The penalty of what is only adjusted for; what is named has none."""
LEAST_LEFT = 0.02
"""A condition of which less of its variance is left, when the others are held equal, is not tested."""


@dataclass(frozen=True, slots=True)
class Term:
    """A condition, or two together, in the model of a step: for each the place of its feature and its codes."""

    conditions: tuple[Condition, ...]
    features: tuple[int, ...]
    members: tuple[Flags, ...]

    def column(self, data: StepData) -> Floats:
        """1 for each session for which all conditions hold."""
        made = np.ones(len(data.left))
        for place, members in zip(self.features, self.members, strict=True):
            made *= members[data.codes[place]]
        return made


@dataclass
class StepModel:
    """The model of a step with the terms found so far."""

    data: StepData
    together: list[set[int]]
    """For each feature those, itself among them, that go together with it so closely that one stands for all."""
    terms: list[Term] = field(default_factory=list)

    def replaced(self, places: list[int]) -> set[int]:
        """The features whose groups leave the model while conditions on the features at ``places`` are looked at.

        These are the features themselves and those that go together with them, but for the ones with a term.
        """
        with_term = {place for term in self.terms if len(term.features) == 1 for place in term.features}
        near = {other for place in places for other in self.together[place]}
        return {*places, *(near - with_term)}

    def blocks(self, without: set[int]) -> Iterator[tuple[int, Floats]]:
        """The groups that are adjusted for, but for those of some features."""
        return ((k, block) for k, block in enumerate(self.data.groups) if k not in without)

    def basis(self, without: set[int]) -> Floats:
        """The adjusting columns as sums of indicators: one row for each code of all features."""
        parts = []
        for k, block in self.blocks(without):
            part = np.zeros((self.data.offsets[-1], block.shape[1]))
            part[self.data.span(k)] = block
            parts.append(part)
        return np.hstack([np.zeros((self.data.offsets[-1], 0)), *parts])

    def fitted(self, without: set[int], start: Floats | None = None) -> tuple[Fit, Floats]:
        """The fit with an intercept, the terms and the adjusting columns, in this order; and these columns."""
        adjusting = [block[self.data.codes[k]] for k, block in self.blocks(without)]
        ones = np.ones((len(self.data.left), 1))
        columns = np.hstack([ones, *(term.column(self.data)[:, None] for term in self.terms), *adjusting])
        penalty = np.full(columns.shape[1], RIDGE)
        penalty[: 1 + len(self.terms)] = 0.0
        return fit(columns, self.data.left, penalty, start), columns


@dataclass(frozen=True, slots=True)
class Tested:
    """The strongest condition that a round of tests found."""

    term: Term
    log_odds: float
    z: float


def best_single(model: StepModel) -> Tested | None:
    """The condition with the largest statistic, each tested in place of the groups of its own feature."""
    data = model.data
    result, columns = model.fitted(set())
    terms = columns[:, : 1 + len(model.terms)]
    everything = np.hstack([terms, data.indicators])
    information = everything.T @ (everything * result.weights[:, None])
    score = everything.T @ result.residuals
    best: Tested | None = None
    for place in range(len(data.features)):
        if data.candidates[place]:
            tested = _test_feature(model, place, result, information, score)
            if tested is not None and (best is None or abs(tested.z) > abs(best.z)):
                best = tested
    return best


def _test_feature(model: StepModel, place: int, result: Fit, information: Floats, score: Floats) -> Tested | None:
    """Tests the conditions on one feature in the quadratic approximation of the likelihood around the fit."""
    data, first = model.data, 1 + len(model.terms)
    without = model.replaced([place])
    widths = [block.shape[1] for block in data.groups]
    kept = np.concatenate([np.full(w, k not in without) for k, w in enumerate(widths)])
    coefficients = result.coefficients[first:]
    every = _below(model.basis(set()), first)
    basis = np.hstack([np.eye(len(score))[:, :first], every[:, kept]])
    dropped = every[:, ~kept] @ coefficients[~kept]
    gradient = score + information @ dropped
    penalty = np.concatenate([np.zeros(first), np.full(int(kept.sum()), RIDGE)])
    shrunk = np.concatenate([np.zeros(first), RIDGE * coefficients[kept]])
    members = np.array([c.members for c in data.candidates[place]], dtype=float).T
    tried = np.zeros((len(score), members.shape[1]))
    tried[first + data.offsets[place] : first + data.offsets[place + 1]] = members
    crossed = information @ tried
    solved = solve(basis.T @ information @ basis + np.diag(penalty), basis.T @ crossed)
    effect = tried.T @ gradient - solved.T @ (basis.T @ gradient - shrunk)
    own = np.einsum("ij,ij->j", tried, crossed)
    variance = own - np.einsum("ij,ij->j", basis.T @ crossed, solved)
    usable = variance > LEAST_LEFT * own
    if not usable.any():
        return None
    z = np.where(usable, effect / np.sqrt(np.where(usable, variance, 1.0)), 0.0)
    k = int(np.abs(z).argmax())
    chosen = data.candidates[place][k]
    opposite = z[k] < 0 and chosen.opposite is not None
    condition = chosen.opposite if opposite and chosen.opposite is not None else chosen.condition
    held = _other_side(data.features[place], chosen.members) if opposite else chosen.members
    sign = -1.0 if opposite else 1.0
    return Tested(Term((condition,), (place,), (held,)), sign * float(effect[k] / variance[k]), sign * float(z[k]))


def _below(matrix: Floats, rows: int) -> Floats:
    return np.vstack([np.zeros((rows, matrix.shape[1])), matrix])


def _other_side(feature: CodedFeature, members: Flags) -> Flags:
    """The other side of a bound; an unknown number is on neither."""
    side: Flags = ~members & (np.arange(feature.width) < feature.ordered)
    return side


def two_sided(z: float) -> float:
    """The probability of a statistic that is as far from zero."""
    return float(2.0 * special.ndtr(-abs(z)))
