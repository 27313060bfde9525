"""The model of one step: a discrete-time hazard, by logistic regression of leaving over the sessions that got there.

Each feature is in it as a few coarse groups, so that none stands in for another. The conditions that were found are its
terms.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field
from functools import reduce

import numpy as np

from server.funnel.logistic import Fit, Floats, fit
from server.funnel.step_data import StepData, together
from server.funnel.types import Condition, Flags

RIDGE = 1.0
"""The penalty of what is only adjusted for."""
TERM_RIDGE = 0.1
"""That of what is named. It hardly moves an effect, but keeps it finite where all of the affected leave."""
STEEP = 2.0
"""Log-odds from which on the log-likelihood is not nearly quadratic: where nearly all of the affected leave."""
LEAST_LEFT = 0.02
"""A condition of which less of its variance is left, when the others are held equal, is not tested."""


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


@dataclass
class StepModel:
    """The model of a step with the terms that were found so far."""

    data: StepData
    together: list[set[int]]
    """For each feature those, itself among them, that go together with it so closely that one stands for all."""
    terms: list[Term] = field(default_factory=list)
    _latest: Floats | None = field(default=None, init=False, repr=False)

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

    def fitted(self, without: Set[int]) -> tuple[Fit, Floats]:
        """The fit with an intercept, the terms and the adjusting columns, in this order; and these columns."""
        groups = enumerate(self.data.groups)
        adjusting = [block[self.data.codes[k]] for k, block in groups if k not in without]
        ones = np.ones((len(self.data.left), 1))
        columns = np.hstack([ones, *(term.column(self.data)[:, None] for term in self.terms), *adjusting])
        penalty = np.full(columns.shape[1], RIDGE)
        penalty[: 1 + len(self.terms)] = [0.0, *[TERM_RIDGE] * len(self.terms)]
        result = fit(columns, self.data.left, penalty, None if without else self._start(columns.shape[1]))
        if not without:
            self._latest = result.coefficients
        return result, columns

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
