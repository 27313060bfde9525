"""The sessions of one step, in the form in which the model of the step reads them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import accumulate

import numpy as np
from scipy import special

from server.funnel.coding import Candidate, CodedFeature, Codes
from server.funnel.logistic import Floats
from server.funnel.types import Flags, SessionTable

LEAVERS_FOR_A_GROUP = 60
"""A number is adjusted for in one more group for each so many leavers."""
FEWEST_GROUPS, MOST_GROUPS = 3, 10
LEAST_FOR_ADJUSTING = 20


@dataclass(frozen=True, slots=True)
class Guards:
    """The least numbers with and without a condition for which it is looked at."""

    sessions: int
    outcomes: float


@dataclass(frozen=True)
class StepData:
    """The sessions that reached one step and of which the outcome is known: their rows in the table, and who left.

    ``persons`` numbers from 0 whose session each is.
    """

    rows: Codes
    features: tuple[CodedFeature, ...]
    codes: tuple[Codes, ...]
    left: Floats
    guards: Guards
    persons: Codes | None = None

    @cached_property
    def offsets(self) -> list[int]:
        """Where the codes of each feature begin among all codes; the last is their number."""
        return [0, *accumulate(feature.width for feature in self.features)]

    @cached_property
    def counts(self) -> Floats:
        """The sessions with each code."""
        return self.sums(np.ones(len(self.left)))

    @cached_property
    def rate(self) -> float:
        """The share that left."""
        return float(self.left.mean())

    def sums(self, values: Floats) -> Floats:
        """The sum of some values over the sessions with each code."""
        pairs = zip(self.codes, self.features, strict=True)
        parts = [np.bincount(codes, values, feature.width) for codes, feature in pairs]
        return np.concatenate([np.zeros(0), *parts])

    def gram(self, weights: Floats) -> Floats:
        """The sum of some weights over the sessions with each two codes."""
        made = np.diag(self.sums(weights))
        for k, feature in enumerate(self.features):
            for j in range(k):
                other = self.features[j]
                both = np.bincount(self.codes[k] * other.width + self.codes[j], weights, feature.width * other.width)
                made[self.span(k), self.span(j)] = both.reshape(feature.width, other.width)
                made[self.span(j), self.span(k)] = made[self.span(k), self.span(j)].T
        return made

    def span(self, place: int) -> slice:
        """The codes of one feature among all."""
        return slice(self.offsets[place], self.offsets[place + 1])

    def gaps(self, place: int) -> slice:
        """The code of a feature for the sessions in which it was not seen, if it has one."""
        feature = self.features[place]
        return slice(feature.width - feature.has_gaps, feature.width)

    def has_gaps(self, places: Iterable[int]) -> bool:
        """Whether any of some features has gaps."""
        return any(self.features[place].has_gaps for place in places)

    def seen(self, places: Iterable[int]) -> Flags:
        """The sessions in which some features were seen, at least one feature."""
        flags: Flags = np.logical_and.reduce([self.codes[place] < self.gaps(place).start for place in places])
        return flags

    def values(self, place: int, members: Flags | Floats) -> Floats:
        """Conditions on a feature as numbers, a row for each code: in a gap, their mean where the feature was seen.

        So a gap says nothing: it neither explains leaving, nor is it taken for sessions without the condition.
        """
        made = members.astype(float)
        if not self.features[place].has_gaps:
            return made
        seen = self.counts[self.span(place)].copy()
        seen[self.gaps(place)] = 0.0
        made[self.gaps(place)] = seen @ made / max(seen.sum(), 1.0)
        return made

    def widening(self, places: Sequence[int], residuals: Floats) -> float:
        """The factor, 1 or more, by which errors are larger because leaving varies more where features were seen.

        The model knows nothing of gaps. If those with a value leave more often, it expects too little variance there.
        """
        if not self.has_gaps(places):
            return 1.0
        seen = self.seen(places)
        expected = (self.left - residuals)[seen]
        varies = float((expected * (1.0 - expected)).sum())
        return max(1.0, float(seen.sum() * residuals[seen].var()) / varies) ** 0.5 if varies else 1.0

    def enough(self, sessions: float, times: float = 1.0, of: float | None = None) -> bool:
        """Whether so many sessions are neither too few nor nearly all, or all of ``of``, by some times the guards."""
        rest = (len(self.left) if of is None else of) - sessions
        fewest = min(sessions, rest)
        expected = fewest * min(self.rate, 1.0 - self.rate)
        return fewest >= times * self.guards.sessions and expected >= times * self.guards.outcomes

    @cached_property
    def candidates(self) -> tuple[tuple[Candidate, ...], ...]:
        """The conditions on each feature that pass the guards."""
        return tuple(tuple(self._compared(k, feature)) for k, feature in enumerate(self.features))

    def _compared(self, place: int, feature: CodedFeature) -> Iterator[Candidate]:
        counts = self.counts[self.span(place)]
        seen = float(counts.sum() - counts[self.gaps(place)].sum())
        yield from (c for c in feature.candidates if self.enough(float(counts @ c.members), of=seen))

    @cached_property
    def groups(self) -> tuple[Floats, ...]:
        """The coarse groups of each feature that are adjusted for: a row for each code, a column for each group."""
        number = int(np.clip(self.left.sum() / LEAVERS_FOR_A_GROUP, FEWEST_GROUPS, MOST_GROUPS))
        return tuple(self.values(k, self._grouped(k, number)) for k in range(len(self.features)))

    def _grouped(self, place: int, number: int) -> Floats:
        counts = self.counts[self.span(place)].copy()
        counts[self.gaps(place)] = 0.0
        return _groups(self.features[place], counts, number)

    @cached_property
    def correlations(self) -> Floats:
        """The largest correlation, without its sign, between conditions on each two features, or their order."""
        columns: list[tuple[int, Floats]] = []
        for place, (feature, some) in enumerate(zip(self.features, self.candidates, strict=True)):
            columns += [(place, self.values(place, c.members)) for c in some if c.condition.operator != "in"]
            columns += [(place, scores(feature, self.counts[self.span(place)]))] if feature.ordered > 2 and some else []
        owner = np.array([place for place, _ in columns], dtype=int)
        values = np.zeros((self.offsets[-1], len(columns)))
        for k, (place, column) in enumerate(columns):
            values[self.span(place), k] = column
        mean = self.counts @ values / len(self.left)
        joint = values.T @ self.gram(np.ones(len(self.left))) @ values / len(self.left) - np.outer(mean, mean)
        spread = np.sqrt(np.diag(joint))
        found = np.zeros((len(self.features), len(self.features)))
        np.maximum.at(found, (owner[:, None], owner[None, :]), np.abs(joint) / np.outer(spread, spread))
        return found


def together(one: Floats, two: Floats) -> Floats:
    """Two conditions as one number for each session, where 1 and 0 were seen and what is between them is a gap.

    With a gap it is what both come to on average where they were seen, in sessions that are alike in the other one. If
    the two go together, the product of two means is another number, and the gaps of those that left would look like a
    pair.
    """
    made = one * two
    gaps = (one > 0.0) & (one < 1.0), (two > 0.0) & (two < 1.0)
    unseen = gaps[0] | gaps[1]
    if unseen.any():
        seen = ~unseen
        both = made[seen].sum()
        made[gaps[0]] = two[gaps[0]] * both / max(two[seen].sum(), 1.0)
        made[gaps[1]] = one[gaps[1]] * both / max(one[seen].sum(), 1.0)
        made[gaps[0] & gaps[1]] = both / max(seen.sum(), 1)
    return made


def _groups(feature: CodedFeature, counts: Floats, number: int) -> Floats:
    """Levels of a text; ranges of about equal size of a number, and its score. The largest group is the reference."""
    group = np.arange(feature.width)
    if feature.ordered > number:
        group[: feature.ordered] = np.minimum((_shares_below(feature, counts) * number).astype(int), number - 1)
        group[feature.ordered :] = number + np.arange(feature.width - feature.ordered)
    found, place = np.unique(group, return_inverse=True)
    made = (place[:, None] == np.arange(len(found))).astype(float)
    sizes = counts @ made
    kept = (sizes >= LEAST_FOR_ADJUSTING) & (np.arange(len(found)) != int(sizes.argmax()))
    score = scores(feature, counts)[:, None] if feature.ordered > 2 else np.zeros((feature.width, 0))
    return np.hstack([made[:, kept], score])


def _shares_below(feature: CodedFeature, counts: Floats) -> Floats:
    """For each range of a number the share of sessions below its middle, never 0 nor 1."""
    inside = counts[: feature.ordered]
    shares: Floats = (np.cumsum(inside) - inside / 2 + 0.25) / (inside.sum() + 0.5)
    return shares


def scores(feature: CodedFeature, counts: Floats) -> Floats:
    """A number on the scale of a normal distribution with the same order; 0 where it is unknown."""
    made = np.zeros(feature.width)
    made[: feature.ordered] = special.ndtri(_shares_below(feature, counts))
    return made


def step_data(
    table: SessionTable,
    features: tuple[CodedFeature, ...],
    number: int,
    guards: Guards,
    most_rows: int,
    seed: int,
    under_way_left: Flags | None = None,
) -> StepData | None:
    """The sessions of step ``number``, or None where they are too few or nearly all the same.

    Args:
        table: The sessions.
        features: Its features, coded.
        number: The number of the step that these sessions reached.
        guards: The least numbers.
        most_rows: So many sessions at most are drawn at random.
        seed: The seed of that draw.
        under_way_left: Which of the sessions under way count as left, the others as gone on; None leaves all out.
    """
    at_risk = table.at_risk(number) if under_way_left is None else table.reached >= number
    rows = np.flatnonzero(at_risk)
    if len(rows) > most_rows:
        rows = rows[np.random.default_rng(seed).choice(len(rows), most_rows, replace=False)]
    ended = table.ended if under_way_left is None else table.ended | under_way_left
    left = (table.reached[rows] == number) & ended[rows]
    if len(rows) < 2 * guards.sessions or min(left.sum(), (~left).sum()) < 2 * guards.outcomes:
        return None
    known = tuple(feature.at(number) for feature in features if feature.known_at <= number)
    codes = tuple(feature.codes[rows] for feature in known)
    persons = None if table.persons is None else np.unique(table.persons[rows], return_inverse=True)[1]
    return StepData(rows, known, codes, left.astype(float), guards, persons)


@dataclass
class CodedTable:
    """A table whose features were coded once: the search for causes and the model of improvements read the same.

    Attributes:
        table: The sessions.
        features: Its features but for those that grow.
        growing: The names of these.
        guards: The least numbers.
        most_rows: So many sessions a step at most are drawn at random.
        seed: The seed of that draw.
    """

    table: SessionTable
    features: tuple[CodedFeature, ...]
    growing: tuple[str, ...]
    guards: Guards
    most_rows: int
    seed: int
    _steps: dict[int, StepData | None] = field(default_factory=dict, init=False, repr=False)

    def step(self, number: int) -> StepData | None:
        """The sessions of a step, or None where they are too few or nearly all the same."""
        if number not in self._steps:
            self._steps[number] = self.step_where(number, None)
        return self._steps[number]

    def step_where(self, number: int, under_way_left: Flags | None) -> StepData | None:
        """The same where of the sessions under way these left; see ``step_data``."""
        return step_data(self.table, self.features, number, self.guards, self.most_rows, self.seed, under_way_left)
