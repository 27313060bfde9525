"""Why leaving may have changed: who came, and which of them left more often. All of it is correlation.

With shares ``w`` of groups and their rates of leaving ``r``, the change of a rate is exactly (Kitagawa 1955)

    sum over groups of (w_now - w_before) * (r_now + r_before) / 2     the mix: other people came
  + sum over groups of (w_now + w_before) / 2 * (r_now - r_before)     the rates: the same people left more often

Of the rates, the part of one group is named, if its rate changed otherwise than that of all others. Each feature gives
its own groups, so the parts of different features overlap and do not add up. Only sessions that have a value of their
own are in a group; what they add to the rate of all is smaller by their share. Sessions of one person are alike, so the
variances are larger where a person has several (cluster sums, as in the search for causes).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from math import sqrt
from statistics import NormalDist
from typing import Final

import numpy as np

from server.funnel.features import feature_name
from server.funnel.intervals import CONFIDENCE
from server.funnel.logistic import inflation
from server.funnel.types import Condition, Flags, Interval, SessionTable
from server.reports.groups import Floats, Group, Persons, StepWeeks, columns_at, groups

LEAST_SESSIONS: Final = 20
"""Fewest sessions of a group in each week whose own rate is compared."""
LEAST_EFFECT: Final = 0.005
"""A smaller part of a drop-off rate, half a point, is not worth naming."""
SAME: Final = 0.6
"""Two conditions that correlate so much are one explanation; the stronger one is named."""
MOST_AT_STEP: Final = 3


@dataclass(frozen=True, slots=True)
class Explanation:
    """A part of the change of a drop-off rate that goes with a condition.

    Attributes:
        kind: ``mix`` where the share of such sessions changed, ``rate`` where they themselves left more or less often.
        step: Number of the step.
        condition: What holds for them.
        shares: Their share of the sessions at the step, in the week before and in the reported one.
        rates: How many of them left, in the same weeks; the others' rates are ``other_rates``. A week without such
            sessions has None.
        effect: What it adds to the drop-off rate, 0 to 1, with an interval that holds together with all others.
        correlated: Names of features that go together with it and would explain the same.
        partly: Whether some sessions have no value: they are among those that the share is of, and have no rate.
    """

    kind: str
    step: int
    condition: Condition
    shares: tuple[float, float]
    rates: tuple[float | None, float | None]
    other_rates: tuple[float | None, float | None]
    effect: Interval
    correlated: tuple[str, ...] = ()
    partly: bool = False


@dataclass(frozen=True, slots=True)
class Explanations:
    """What may explain the changes.

    Attributes:
        found: By step, the strongest first.
        compared: Features and groups that were compared, which the intervals allow for.
    """

    found: tuple[Explanation, ...] = ()
    compared: int = 0


def explain(
    now: SessionTable | None, before: SessionTable | None, leave_out: Collection[int] = frozenset()
) -> Explanations:
    """Look at every step and feature of two weeks.

    Args:
        now: The reported week.
        before: The week before.
        leave_out: Numbers of steps that cannot be compared yet.
    """
    if now is None or before is None:
        return Explanations()
    tried = [
        one
        for weeks in _steps(now, before)
        if weeks.step not in leave_out
        for columns in columns_at(weeks.step, now, before)
        if (one := _Tried(weeks, groups(columns, weeks, now, before))).large
    ]
    own = [(one, group) for one in tried for group in one.groups if one.has_own_rate(group)]
    compared = len(tried) + len(own)
    if not compared:
        return Explanations()
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / compared / 2)
    found = [*(one.mix(z) for one in tried), *(one.own_rate(group, z) for one, group in own)]
    kept = [pair for pair in found if pair is not None]
    return Explanations(tuple(_distinct(kept)), compared)


@dataclass(frozen=True, slots=True)
class _Found:
    explanation: Explanation
    group: Group


@dataclass(frozen=True, slots=True)
class _Tried:
    """One feature at one step."""

    weeks: StepWeeks
    groups: list[Group]

    @property
    def large(self) -> bool:
        """Whether there are two groups, and enough sessions in them in each week."""
        return len(self.groups) > 1 and min(flags.sum() for flags in self._in_a_group()) >= 2 * LEAST_SESSIONS

    def _in_a_group(self) -> tuple[Flags, Flags]:
        return (
            np.logical_or.reduce([group.now for group in self.groups]),
            np.logical_or.reduce([group.before for group in self.groups]),
        )

    @property
    def _share(self) -> float:
        """Of the sessions of the step, the ones in a group: the mean of both weeks."""
        return float(np.mean([flags.mean() for flags in self._in_a_group()]))

    def _halves(self, group: Group) -> tuple[Group, Group]:
        """A group, and all others."""
        now, before = self._in_a_group()
        return group, Group(None, now & ~group.now, before & ~group.before)

    def mix(self, z: float) -> _Found | None:
        """What the changed shares of the groups add; None if that may be chance or is little."""
        new, old = self._counts(self.groups)
        shares = new.of / new.of.sum(), old.of / old.of.sum()
        rates = _or(new.rate, old.rate), _or(old.rate, new.rate)
        middle = (rates[0] + rates[1]) / 2
        shift = shares[0] - shares[1]
        effect = float(shift @ middle)
        variance = sum(
            float(share @ middle**2 - (share @ middle) ** 2) / side.of.sum() * side.widening_of_mean(middle)
            for share, side in zip(shares, (new, old), strict=True)
        ) + float(shift**2 @ _variance_of_middle(new, old))
        overall = float((shares[0] + shares[1]) @ middle / 2)
        parts = shift * (middle - overall) * np.sign(effect) + 1e-9 * shares[0]  # of two alike, the one of now
        parts *= [group.condition is not None for group in self.groups]
        group = self.groups[int(parts.argmax())]
        return self._found("mix", group, effect, z * sqrt(variance))

    def has_own_rate(self, group: Group) -> bool:
        """Whether a group and the others are large enough in both weeks for a comparison of their rates."""
        if group.condition is None:
            return False
        return all(flags.sum() >= LEAST_SESSIONS for half in self._halves(group) for flags in (half.now, half.before))

    def own_rate(self, group: Group, z: float) -> _Found | None:
        """What a group adds whose rate changed, by more than chance, otherwise than that of all others."""
        new, old = self._counts(self._halves(group))
        share = float((new.of[0] / new.of.sum() + old.of[0] / old.of.sum()) / 2)
        change = new.rate - old.rate
        variance = new.variance + old.variance
        if abs(change[0]) < abs(change[1]):  # the others changed more than the group
            return None
        if abs(change[0] - change[1]) <= z * sqrt(float(variance.sum())):
            return None
        return self._found("rate", group, share * float(change[0]), share * z * sqrt(float(variance[0])))

    def _found(self, kind: str, group: Group, effect: float, half: float) -> _Found | None:
        effect, half = effect * self._share, half * self._share
        if abs(effect) < max(half, LEAST_EFFECT) or group.condition is None:
            return None
        new, old = self._counts(self._halves(group))
        explanation = Explanation(
            kind=kind,
            step=self.weeks.step,
            condition=group.condition,
            shares=(float(group.before.mean()), float(group.now.mean())),
            rates=(old.rate_or_none(0), new.rate_or_none(0)),
            other_rates=(old.rate_or_none(1), new.rate_or_none(1)),
            effect=Interval(effect - half, effect, effect + half),
            partly=not all(flags.all() for flags in self._in_a_group()),
        )
        return _Found(explanation, group)

    def _counts(self, split: Sequence[Group]) -> tuple[_Counts, _Counts]:
        weeks = self.weeks
        new = _Counts([group.now for group in split], weeks.left_now, weeks.persons_now)
        return new, _Counts([group.before for group in split], weeks.left_before, weeks.persons_before)


class _Counts:
    """Sessions of each group, how many of them left, and whose they are."""

    def __init__(self, members: Sequence[Flags], left: Flags, persons: Persons) -> None:
        self._members = members
        self._left = left
        self._persons = persons
        self.of: Floats = np.array([float(flags.sum()) for flags in members])
        left_of_each = np.array([float((flags & left).sum()) for flags in members])
        self.rate: Floats = np.divide(left_of_each, self.of, out=np.full(len(self.of), np.nan), where=self.of > 0)
        """NaN for an empty group."""
        share = (left_of_each + 0.5) / (self.of + 1)
        self.variance: Floats = share * (1 - share) / np.maximum(self.of, 1) * self._widening()
        """Of each rate; never 0, as a group without leavers is not known without doubt."""

    def _widening(self) -> Floats:
        """By how much the variance of each rate is larger because sessions of one person are alike."""
        if self._persons is None:
            return np.ones(len(self.of))
        pairs = zip(self._members, np.nan_to_num(self.rate).tolist(), strict=True)
        return np.array([inflation(flags * (self._left - rate), self._persons) for flags, rate in pairs])

    def widening_of_mean(self, values: Floats) -> float:
        """The same for the mean over all sessions of a value that each group has."""
        if self._persons is None:
            return 1.0
        mean = float(self.of @ values) / float(self.of.sum())
        each = sum(flags * (value - mean) for flags, value in zip(self._members, values.tolist(), strict=True))
        return inflation(np.asarray(each, dtype=np.float64), self._persons)

    def rate_or_none(self, place: int) -> float | None:
        return float(self.rate[place]) if self.of[place] else None


def _or(rates: Floats, others: Floats) -> Floats:
    """Rates, and where a week has none of a group, that of the other week; 0 where neither has any."""
    return np.nan_to_num(np.where(np.isnan(rates), others, rates))


def _variance_of_middle(new: _Counts, old: _Counts) -> Floats:
    """Of the mean of the rates of both weeks, or of the rate of the only week that has the group."""
    mean = (new.variance + old.variance) / 4
    return np.where(new.of == 0, old.variance, np.where(old.of == 0, new.variance, mean))


def _steps(now: SessionTable, before: SessionTable) -> Iterator[StepWeeks]:
    for step in range(1, len(now.steps)):
        weeks = StepWeeks.of(step, now, before)
        if min(len(weeks.now), len(weeks.before)) >= 2 * LEAST_SESSIONS:
            yield weeks


def _distinct(found: list[_Found]) -> Iterator[Explanation]:
    """The strongest of each step; what says the same is named with it."""
    for step in sorted({one.explanation.step for one in found}):
        chosen: list[_Found] = []
        at_step = [one for one in found if one.explanation.step == step]
        for one in sorted(at_step, key=lambda one: -abs(one.explanation.effect.mid)):
            same = next((place for place, other in enumerate(chosen) if _same(one, other)), None)
            if same is None:
                chosen.append(one)
            else:
                chosen[same] = _with(chosen[same], one)
        yield from (one.explanation for one in chosen[:MOST_AT_STEP])


def _same(one: _Found, other: _Found) -> bool:
    if feature_name(one.explanation.condition.feature) == feature_name(other.explanation.condition.feature):
        return True
    first, second = (np.concatenate([f.group.now, f.group.before]).astype(float) for f in (one, other))
    spread = float(first.std() * second.std())
    return spread > 0 and abs(float(np.mean(first * second) - first.mean() * second.mean())) >= SAME * spread


def _with(kept: _Found, also: _Found) -> _Found:
    name = feature_name(also.explanation.condition.feature)
    known = (feature_name(kept.explanation.condition.feature), *kept.explanation.correlated)
    if name in known:
        return kept
    return replace(kept, explanation=replace(kept.explanation, correlated=(*kept.explanation.correlated, name)))
