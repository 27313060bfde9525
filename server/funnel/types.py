"""What the search for causes reads and what it answers. Plain values, without ledger and without I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from server.languages.formats import Formats

Column = npt.NDArray[np.bool_] | npt.NDArray[np.object_] | npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Operator = Literal["is", "not", "=", ">", "<=", "in"]
_ENGLISH = Formats("en")


@dataclass(frozen=True, slots=True)
class SessionTable:
    """One row a session: what is known of it, and how far it went.

    Attributes:
        features: A column for each feature, by name. Booleans say that something happened. Objects are texts of a few
            levels, ``None`` where unknown. Floats are numbers, NaN where unknown.
        reached: The number of steps that each session reached, from 1 to ``len(steps)``.
        ended: False for a session that is still under way. It counts for the steps that it reached, and neither as
            left nor as gone on at the next one.
        steps: The names of the steps, the first of which every session reached.
        known_at: The step, from 1, at which a feature has its value, which then stays. It explains only what happens
            after that step. Features that are not named here are taken for known at step 1, unless they look like what
            grows with the length of the session, such as its number of events: that says only how far the session came,
            and does not belong here. That a flag is false is named only if it is here: otherwise it may be false
            because the session ended early.
        persons: A number for each session, the same for those of one person; None where each is a person of its own.
            Sessions of one person are alike, and so many of them say less than as many persons would.
        gaps: For a feature, the rows in which it was not seen, whatever its column has there. Often it was not because
            the session left, or because a client never sends it. A gap must not explain leaving: it counts as the mean
            of the rows in which the feature was seen.
        happens: Flags in ``known_at`` of what may still happen during that step. Who stayed longer at the step had more
            time for it. So that it did not happen is named only at later steps.
        ids: The id of each session, as texts; None where nobody asks for them.
    """

    features: Mapping[str, Column]
    reached: npt.NDArray[np.int64]
    ended: Flags
    steps: tuple[str, ...]
    known_at: Mapping[str, int] = field(default_factory=dict)
    persons: npt.NDArray[np.int64] | None = None
    gaps: Mapping[str, Flags] = field(default_factory=dict)
    happens: frozenset[str] = frozenset()
    ids: npt.NDArray[np.object_] | None = None

    def __post_init__(self) -> None:
        if len(self.steps) < 2 or len(set(self.steps)) < len(self.steps):
            raise ValueError("a funnel has two steps or more, each with a name of its own")
        lengths = {len(self.reached), len(self.ended), *(len(column) for column in self.features.values())}
        lengths |= set() if self.persons is None else {len(self.persons)}
        if len(lengths) > 1:
            raise ValueError("the columns of a session table have one value for each session")
        if self.sessions and (self.reached.min() < 1 or self.reached.max() > len(self.steps)):
            raise ValueError("each session reached between 1 and all of the steps")
        for name, column in self.features.items():
            if column.dtype.kind not in "bOf":
                raise ValueError(f"the column {name} holds neither booleans nor texts nor floats")

    @property
    def sessions(self) -> int:
        """The number of rows."""
        return len(self.reached)

    def seen(self, feature: str) -> Flags:
        """The sessions in which a feature has a value that was seen."""
        return ~self.gaps[feature] if feature in self.gaps else np.ones(self.sessions, dtype=bool)

    def holds(self, conditions: Sequence[Condition]) -> Flags:
        """For each session, whether all of some conditions, at least one, were seen to hold."""
        flags: Flags = np.logical_and.reduce([self.seen(c.feature) & c.holds(self) for c in conditions])
        return flags

    def at_risk(self, step: int) -> Flags:
        """The sessions that reached step number ``step`` and of which it is known whether they reached the next."""
        known: Flags = (self.reached > step) | ((self.reached == step) & self.ended)
        return known

    def affected(self, step: int, conditions: Sequence[Condition]) -> Affected:
        """Which of the sessions that count at a step meet all of some conditions, and which of them left.

        Args:
            step: Its number.
            conditions: At least one.
        """
        counted = np.logical_and.reduce([self.at_risk(step), *(self.seen(each.feature) for each in conditions)])
        holds = counted & self.holds(conditions)
        left = counted & (self.reached == step)
        return Affected(holds, holds & left, counted & ~holds, left & ~holds)


@dataclass(frozen=True, slots=True)
class Affected:
    """The sessions that count at a step, and of which it was seen whether they meet some conditions; a flag for each.

    Attributes:
        affected: Those that meet them.
        left: Those of the affected that left.
        others: Those that do not meet them.
        others_left: Those of the others that left.
    """

    affected: Flags
    left: Flags
    others: Flags
    others_left: Flags


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the bounds of its interval."""

    low: float
    mid: float
    high: float


@dataclass(frozen=True, slots=True)
class Condition:
    """What holds for some sessions: a thing happened or not, a level is the one named, or a number is beyond a bound.

    The value of ``in`` is two bounds: above the first, and up to the second.
    """

    feature: str
    operator: Operator = "is"
    value: str | float | tuple[float, float] | None = None

    @property
    def level(self) -> str:
        """The condition without the feature: ``= hi``, ``> 8``, ``= no``; empty for a thing that happened."""
        if self.operator in {"is", "not"}:
            return "" if self.operator == "is" else "= no"
        if isinstance(self.value, tuple):
            return f"> {_ENGLISH.figure(self.value[0])} and <= {_ENGLISH.figure(self.value[1])}"
        if isinstance(self.value, float):
            return f"{self.operator} {_ENGLISH.figure(self.value)}"
        return f"{self.operator} {'unknown' if self.value is None else self.value}"

    def __str__(self) -> str:
        return f"{self.feature} {self.level}".strip()

    def holds(self, table: SessionTable) -> Flags:
        """For each session, whether the condition holds. An unknown number is beyond no bound."""
        column = table.features[self.feature]
        result: Flags
        if self.operator == "is":
            result = column.astype(bool)
        elif self.operator == "not":
            result = ~column.astype(bool)
        elif self.value is None:
            result = unknown(column)
        elif self.operator == "=":
            result = np.asarray(column == self.value, dtype=bool)
        elif isinstance(self.value, tuple):
            numbers, (low, high) = column.astype(np.float64), self.value
            result = (numbers > low) & (numbers <= high)
        else:
            numbers, bound = column.astype(np.float64), float(self.value)
            result = numbers > bound if self.operator == ">" else numbers <= bound
        return result


def unknown(column: Column) -> Flags:
    """The rows at which a column has no value."""
    if column.dtype.kind == "f":
        return np.isnan(column.astype(np.float64))
    if column.dtype.kind == "O":
        return np.array([value is None for value in column.tolist()], dtype=bool)
    return np.zeros(len(column), dtype=bool)


@dataclass(frozen=True, slots=True)
class Cause:
    """Something that goes with leaving at one step when all other features are held equal: a correlation.

    Attributes:
        conditions: One, or two with which more leave than each of them accounts for.
        step: The name of the step that was not reached.
        step_number: The place of ``step`` in the table's steps, from 0, so that the first one possible is 1.
        log_odds: How much it raises the log-odds of leaving, with a 95 % interval.
        affected: The sessions at this step that were seen to meet the conditions.
        left: Of these, the ones that left.
        others: The sessions at this step that were seen not to meet them.
        rate_with: The share of the affected that left.
        rate_without: The share of the others that left.
        correlated: Other features that go together with this one so often that one of them may be meant instead.
    """

    conditions: tuple[Condition, ...]
    step: str
    step_number: int
    log_odds: Interval
    affected: int
    left: int
    others: int
    rate_with: float
    rate_without: float
    correlated: tuple[str, ...] = ()

    @property
    def kind(self) -> Literal["one", "together"]:
        """Whether one condition is enough or two have to hold together."""
        return "one" if len(self.conditions) == 1 else "together"

    @property
    def feature(self) -> str:
        """The name of the feature, or both names joined by `` & ``."""
        return " & ".join(condition.feature for condition in self.conditions)

    @property
    def level(self) -> str:
        """What holds for the feature, or for both, joined by `` & ``."""
        return " & ".join(condition.level for condition in self.conditions)

    @property
    def text(self) -> str:
        """The whole condition, such as ``network = 3g`` or ``wait_s > 8``."""
        return " and ".join(map(str, self.conditions))

    def holds(self, table: SessionTable) -> Flags:
        """For each session, whether all conditions were seen to hold."""
        return table.holds(self.conditions)


@dataclass(frozen=True, slots=True)
class TooLittle:
    """A step at which so few sessions arrived or left that a strong cause may go unseen."""

    step: str
    sessions: int
    left: int


@dataclass(frozen=True, slots=True)
class CauseReport:
    """What the search for causes found.

    Attributes:
        causes: The strongest first.
        too_little: The steps at which a strong cause may go unseen.
        tested: How many conditions and pairs were compared.
        growing: Features that were left out, because they grow with the length of a session: they say how far a session
            came, not why it ended.
    """

    causes: tuple[Cause, ...]
    too_little: tuple[TooLittle, ...]
    tested: int
    growing: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Improvement:
    """What would be if the affected had left as seldom as the others, all else equal; 95 % intervals.

    Attributes:
        rate: The share of sessions that complete as things are, from 0 to 1.
        rate_then: The share that would complete.
        points: The difference of the two, in percentage points.
        completions: The further completions among the sessions of the table.
    """

    rate: Interval
    rate_then: Interval
    points: Interval
    completions: Interval
