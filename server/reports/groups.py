"""The sessions of two weeks at one step, in groups by each feature that is known of them by then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.funnel.coding import NOTHING
from server.funnel.features import feature_name
from server.funnel.types import Condition, Flags, SessionTable

MOST_LEVELS: Final = 12
LEAST_SHARE: Final = 0.01
"""Rarer levels of a text are one group, without a name."""
QUARTERS: Final = (0.25, 0.5, 0.75)
"""Numbers are put into four groups of about equal size, over both weeks together."""

Floats = npt.NDArray[np.float64]
Persons = npt.NDArray[np.int64] | None
Columns = tuple[str, str]
"""The names of the columns of one feature, in the reported week and in the week before."""


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions for which a condition holds.

    Attributes:
        condition: None for those whose value has no name: a rare one, or that of what did not happen.
        now: Which sessions of the reported week; before: of the week before.
    """

    condition: Condition | None
    now: Flags
    before: Flags


@dataclass(frozen=True, slots=True)
class StepWeeks:
    """Two weeks at one step: who is known to have left or gone on.

    Attributes:
        step: Its number, from 1.
        now: Rows of the table of the reported week; before: of the week before.
        left_now: Which of them left; left_before: the same.
        persons_now: Numbers from 0 of whose they are, None where each is a person of its own; persons_before: the same.
    """

    step: int
    now: npt.NDArray[np.int64]
    before: npt.NDArray[np.int64]
    left_now: Flags
    left_before: Flags
    persons_now: Persons = None
    persons_before: Persons = None

    @classmethod
    def of(cls, step: int, now: SessionTable, before: SessionTable) -> StepWeeks:
        """The sessions at a step of which the outcome is known."""
        rows = [np.flatnonzero(table.at_risk(step)) for table in (now, before)]
        left = [table.reached[chosen] == step for table, chosen in zip((now, before), rows, strict=True)]
        whose = [persons_of(table, chosen) for table, chosen in zip((now, before), rows, strict=True)]
        return cls(step, rows[0], rows[1], left[0], left[1], whose[0], whose[1])


def persons_of(table: SessionTable, rows: npt.NDArray[np.int64]) -> Persons:
    """Numbers from 0 of whose sessions they are; None where each is a person of its own."""
    return None if table.persons is None else np.unique(table.persons[rows], return_inverse=True)[1]


def latest_column(table: SessionTable, feature: str, step: int) -> str | None:
    """The column with the most values of a feature, of those that are known by a step; None where there is none.

    The same column may have another name in another week: the first step at which enough sessions have a value is not
    the same in each.
    """
    known = {table.known_at.get(name, 1): name for name in table.features if feature_name(name) == feature}
    return known[max(steps)] if (steps := [number for number in known if number <= step]) else None


def latest_columns(now: SessionTable, before: SessionTable, step: int | None = None) -> Iterator[Columns]:
    """Of each feature the column with the most values in both weeks, of the same kind.

    Args:
        now: The reported week.
        before: The week before.
        step: Only what is known by then; None means all.
    """
    for feature in dict.fromkeys(map(feature_name, now.features)):
        until = len(now.steps) if step is None else step
        new, old = (latest_column(table, feature, until) for table in (now, before))
        if new and old and _kind(now, new) == _kind(before, old):
            yield new, old


def _kind(table: SessionTable, name: str) -> tuple[str, bool]:
    """Of a column. A boolean that was told, and may be unknown, is not one that says whether a thing happened."""
    return table.features[name].dtype.kind, name in table.happens


def columns_at(step: int, now: SessionTable, before: SessionTable) -> Iterator[Columns]:
    """The columns of the features that both weeks know by a step; each pair once."""
    pairs = (pair for until in range(1, step + 1) for pair in latest_columns(now, before, until))
    yield from dict.fromkeys(pairs)


def groups(columns: Columns, weeks: StepWeeks, now: SessionTable, before: SessionTable) -> list[Group]:
    """The groups by a feature. They do not overlap, and hold every session of the step that has a value of its own."""
    name = columns[0]
    new, old = now.features[name][weeks.now], before.features[columns[1]][weeks.before]
    seen = now.seen(name)[weeks.now], before.seen(columns[1])[weeks.before]
    if new.dtype.kind == "b":
        flags = new.astype(bool), old.astype(bool)
        without = seen[0] & ~flags[0], seen[1] & ~flags[1]
        return [Group(Condition(name), seen[0] & flags[0], seen[1] & flags[1]), Group(None, *without)]
    if new.dtype.kind == "O":
        return list(_levels(name, (new.astype(object), old.astype(object)), seen))
    return list(_ranges(name, *(np.where(at, part, np.nan) for at, part in zip(seen, (new, old), strict=True))))


def _levels(name: str, columns: tuple[npt.NDArray[Any], ...], seen: tuple[Flags, Flags]) -> Iterator[Group]:
    counts = [Counter(column[at].tolist()) for column, at in zip(columns, seen, strict=True)]
    shares = {
        level: max(count[level] / max(1, count.total()) for count in counts)
        for level in counts[0] | counts[1]
        if level not in (None, NOTHING)
    }
    named = sorted((level for level in shares if shares[level] >= LEAST_SHARE), key=lambda level: -shares[level])
    rest = seen
    for level in named[:MOST_LEVELS]:
        new, old = (at & (column == level) for at, column in zip(seen, columns, strict=True))
        rest = rest[0] & ~new, rest[1] & ~old
        yield Group(Condition(name, "=", level), new, old)
    if rest[0].any() or rest[1].any():
        yield Group(None, *rest)


def _ranges(name: str, new: Floats, old: Floats) -> Iterator[Group]:
    """By a number, that is NaN where it is not known."""
    both = np.concatenate([new, old])
    known = both[np.isfinite(both)]
    if not len(known):
        return
    edges = np.unique(np.quantile(known, QUARTERS)).tolist()
    bounds = [-np.inf, *edges, np.inf]
    for low, high in pairwise(bounds):
        flags = [(column > low) & (column <= high) for column in (new, old)]
        if flags[0].any() or flags[1].any():
            yield Group(_range(name, float(low), float(high)), flags[0], flags[1])


def _range(name: str, low: float, high: float) -> Condition:
    if np.isinf(low):
        return Condition(name, "<=", high)
    return Condition(name, ">", low) if np.isinf(high) else Condition(name, "in", (low, high))
