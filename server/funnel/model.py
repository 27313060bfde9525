"""The model of one step: a discrete-time hazard, by logistic regression of leaving over the sessions that got there.

Each feature is in it as a few coarse groups, so that none stands in for another. The conditions that were found are its
terms.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from server.funnel.logistic import Fit, Floats, fit
from server.funnel.step_data import StepData, together
from server.funnel.types import Cause, Condition, Flags, Operator

RIDGE = 1.0
"""The penalty of what is only adjusted for."""
TERM_RIDGE = 0.1
"""That of what is named. It hardly moves an effect, but keeps it finite where all of the affected leave."""
STEEP = 2.0
"""Log-odds from which on the log-likelihood is not nearly quadratic: where nearly all of the affected leave."""
LEAST_LEFT = 0.02
"""A condition of which less of its variance is left, when the others are held equal, is not tested."""

NEGATED: Mapping[Operator, Operator] = {"is": "not", "not": "is"}
"""The two operators of a flag."""


@dataclass(frozen=True, slots=True)
class Term:
    """A condition, or two together, in the model of a step: for each the place of its feature and its codes."""

    conditions: tuple[Condition, ...]
    features: tuple[int, ...]
    members: tuple[Flags, ...]

    def column(self, data: StepData) -> Floats:
        """1 for each session for which all conditions hold, 0 for the others, between the two in a gap."""
        each = zip(self.features, self.members, strict=True)
        return reduce(together, (data.values(place, members)[data.codes[place]] for place, members in each))


def of_opposite_cells(found: Sequence[Term] | Sequence[Cause]) -> set[str]:
    """The flags of two pairs with opposite conditions, such as one flag without the other and the other way round.

    Such pairs stand for both flags: beside what each flag does alone they would say the same.
    """
    pairs = [some.conditions for some in found if len(some.conditions) == 2]
    said = {frozenset((c.feature, c.operator) for c in pair) for pair in pairs}
    opposites = [frozenset((c.feature, NEGATED.get(c.operator)) for c in pair) for pair in pairs]
    return {c.feature for pair, opposite in zip(pairs, opposites, strict=True) if opposite in said for c in pair}


@dataclass
class StepModel:
    """The model of a step with the terms that were found so far."""

    data: StepData
    together: list[set[int]]
    """For each feature those, itself among them, that go together with it so closely that one stands for all."""
    terms: list[Term] = field(default_factory=list)
    _latest: Floats | None = field(default=None, init=False, repr=False)
    _fits: dict[frozenset[int], Fit] = field(default_factory=dict, init=False, repr=False)
    _fitted_terms: tuple[tuple[Condition, ...], ...] = field(default=(), init=False, repr=False)

    def replaced(self, places: list[int]) -> set[int]:
        """The features whose groups leave the model while conditions on the features at ``places`` are looked at.

        These are the features themselves and those that go together with them, but for the ones with a term.
        """
        with_term = {place for term in self.terms if len(term.features) == 1 for place in term.features}
        near = {other for place in places for other in self.together[place]}
        return {*places, *(near - with_term)}

    def basis(self) -> Floats:
        """The groups of all features as sums of codes: one row for each code of all features."""
        data = self.data
        made = np.zeros((data.offsets[-1], sum(block.shape[1] for block in data.groups)))
        column = 0
        for place, block in enumerate(data.groups):
            made[data.span(place), column : column + block.shape[1]] = block
            column += block.shape[1]
        return made

    def own_columns(self) -> Floats:
        """An intercept and the terms."""
        return np.column_stack([np.ones(len(self.data.left)), *(term.column(self.data) for term in self.terms)])

    def columns(self, without: Set[int]) -> Floats:
        """An intercept, the terms and the adjusting columns, in this order."""
        groups = enumerate(self.data.groups)
        return np.hstack([self.own_columns(), *(block[self.data.codes[k]] for k, block in groups if k not in without)])

    def fitted(self, without: Set[int]) -> Fit:
        """The fit of ``columns``. It is kept until the terms change, without the columns, which are large."""
        terms = tuple(term.conditions for term in self.terms)
        if terms != self._fitted_terms:
            self._fitted_terms, self._fits = terms, {}
        places = frozenset(without)
        if places not in self._fits:
            self._fits[places] = self._fit(places)
        return self._fits[places]

    def _fit(self, without: frozenset[int]) -> Fit:
        columns = self.columns(without)
        penalty = np.full(columns.shape[1], RIDGE)
        penalty[: 1 + len(self.terms)] = [0.0, *[TERM_RIDGE] * len(self.terms)]
        result = fit(columns, self.data.left, penalty, None if without else self._start(columns.shape[1]))
        if not without:
            self._latest = result.coefficients
        return result

    def _start(self, number: int) -> Floats | None:
        """The coefficients of the last fit with all groups, and nothing for the terms that are new since."""
        added = 0 if self._latest is None else number - len(self._latest)
        if self._latest is None or added < 0:
            return None
        return np.insert(self._latest, 1 + len(self.terms) - added, np.zeros(added))


@dataclass(frozen=True, slots=True)
class Tested:
    """The strongest condition that a round of tests found."""

    term: Term
    z: float
