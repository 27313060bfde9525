"""The sessions of two weeks at one step, in groups by each feature that is known of them by then."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from server.funnel.types import Condition, Flags, SessionTable

MOST_LEVELS: Final = 12
LEAST_SHARE: Final = 0.01
"""Rarer levels of a text are one group, without a name."""
QUARTERS: Final = (0.25, 0.5, 0.75)
"""Numbers are put into four groups of about equal size, over both weeks together."""

Floats = npt.NDArray[np.float64]
Persons = npt.NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class Group:
    """Sessions for which a condition holds.

    Attributes:
        condition: None for those that have none of the named levels, or no value.
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


def features_at(step: int, now: SessionTable, before: SessionTable) -> Iterator[str]:
    """The features that both weeks know by a step, of the same kind."""
    for name, column in now.features.items():
        other = before.features.get(name)
        if other is not None and other.dtype.kind == column.dtype.kind and now.known_at.get(name, 1) <= step:
            yield name


def groups(name: str, weeks: StepWeeks, now: SessionTable, before: SessionTable) -> list[Group]:
    """The groups by a feature. They do not overlap, and hold every session of the step."""
    new, old = now.features[name][weeks.now], before.features[name][weeks.before]
    if new.dtype.kind == "b":
        flags = new.astype(bool), old.astype(bool)
        return [Group(Condition(name), *flags), Group(None, ~flags[0], ~flags[1])]
    if new.dtype.kind == "O":
        return list(_levels(name, new.astype(object), old.astype(object)))
    return list(_ranges(name, new.astype(np.float64), old.astype(np.float64)))


def _levels(name: str, new: npt.NDArray[np.object_], old: npt.NDArray[np.object_]) -> Iterator[Group]:
    counts = [Counter(column.tolist()) for column in (new, old)]
    shares = {
        level: max(count[level] / max(1, count.total()) for count in counts)
        for level in counts[0] | counts[1]
        if level is not None
    }
    named = sorted((level for level in shares if shares[level] >= LEAST_SHARE), key=lambda level: -shares[level])
    rest = np.ones(len(new), dtype=bool), np.ones(len(old), dtype=bool)
    for level in named[:MOST_LEVELS]:
        flags = np.asarray(new == level, dtype=bool), np.asarray(old == level, dtype=bool)
        rest = rest[0] & ~flags[0], rest[1] & ~flags[1]
        yield Group(Condition(name, "=", level), *flags)
    if rest[0].any() or rest[1].any():
        yield Group(None, *rest)


def _ranges(name: str, new: Floats, old: Floats) -> Iterator[Group]:
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
    rest = np.isnan(new), np.isnan(old)
    if rest[0].any() or rest[1].any():
        yield Group(None, *rest)


def _range(name: str, low: float, high: float) -> Condition:
    if np.isinf(low):
        return Condition(name, "<=", high)
    return Condition(name, ">", low) if np.isinf(high) else Condition(name, "in", (low, high))
