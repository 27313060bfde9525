"""What one of two weeks has and the other has not: values of features, and causes of leaving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import log, sqrt
from statistics import NormalDist
from typing import Final, Literal

import numpy as np

from server.funnel.coding import NOTHING
from server.funnel.features import feature_name
from server.funnel.intervals import CONFIDENCE
from server.funnel.logistic import inflation
from server.funnel.recommendations import Evidence, Recommendation
from server.funnel.report import FunnelReport
from server.funnel.types import Condition, Flags, SessionTable
from server.reports.groups import latest_column, latest_columns, persons_of

LEAST_SESSIONS: Final = 20
LEAST_SHARE: Final = 0.01
MOST: Final = 5
_OF_THE_CALENDAR: Final = frozenset({"weekday"})


@dataclass(frozen=True, slots=True)
class NewValue:
    """A value that came or went, such as the version of an app.

    Attributes:
        share: Of the sessions of the week that has it.
        new: Whether that is the reported week; else it is the week before.
    """

    condition: Condition
    sessions: int
    share: float
    new: bool


def new_values(now: SessionTable | None, before: SessionTable | None) -> tuple[NewValue, ...]:
    """Values that are no longer there or were not there before, and that chance would hardly leave out."""
    if now is None or before is None or not now.sessions or not before.sessions:
        return ()
    counts = [
        (new, _Levels.of(now, new), _Levels.of(before, old))
        for new, old in latest_columns(now, before)
        if now.features[new].dtype.kind == "O" and feature_name(new) not in _OF_THE_CALENDAR
    ]
    compared = sum(len(new.sessions | old.sessions) for _, new, old in counts)
    values = (
        _value(name, level, new, old, compared) for name, new, old in counts for level in new.sessions | old.sessions
    )
    return tuple(sorted(filter(None, values), key=lambda value: -value.share)[:MOST])


@dataclass(frozen=True, slots=True)
class _Levels:
    """How many sessions, and how many persons, have each value of a feature in a week.

    Attributes:
        all_sessions: Of the week, also those without a value.
        all_persons: Those with a value of their own.
    """

    sessions: Counter[str]
    persons: Counter[str]
    all_sessions: int
    all_persons: int

    @classmethod
    def of(cls, table: SessionTable, name: str) -> _Levels:
        seen = table.seen(name)
        values = table.features[name][seen].tolist()
        sessions = Counter(value for value in values if isinstance(value, str))
        if table.persons is None:
            return cls(sessions, sessions, table.sessions, len(values))
        pairs = set(zip(table.persons[seen].tolist(), values, strict=True))
        persons = Counter(value for _, value in pairs if isinstance(value, str))
        return cls(sessions, persons, table.sessions, len({person for person, _ in pairs}))


def _value(name: str, level: str, new: _Levels, old: _Levels, compared: int) -> NewValue | None:
    if level == NOTHING or (new.sessions[level] and old.sessions[level]):
        return None
    has, other = (new, old) if new.sessions[level] else (old, new)
    sessions, of_persons = has.sessions[level], has.persons[level] / has.all_persons
    share = sessions / has.all_sessions
    unlikely = other.all_persons * log(max(1e-12, 1 - of_persons)) < log((1 - CONFIDENCE) / compared)
    if sessions < LEAST_SESSIONS or share < LEAST_SHARE or not unlikely:
        return None
    return NewValue(Condition(name, "=", level), sessions, share, has is new)


Sureness = Literal["clear", "absent", "unsure"]


@dataclass(frozen=True, slots=True)
class CauseChange:
    """A cause that is named in one of the two weeks.

    Attributes:
        step: Number of the step.
        evidence: From the week that names it.
        named_now: Whether that is the reported week.
        sureness: ``clear`` where its effect differs between the weeks by more than chance, ``absent`` where the other
            week knows the features and has no such session, else ``unsure``: it may be there in both.
    """

    step: int
    evidence: Evidence
    named_now: bool
    sureness: Sureness


def cause_changes(
    now: FunnelReport, before: FunnelReport, tables: tuple[SessionTable | None, SessionTable | None]
) -> tuple[CauseChange, ...]:
    """The causes that only one week names.

    A cause is called new or gone only if the log-odds ratio of its condition differs between the weeks. It was the
    strongest of all conditions that were compared, so the bar allows for that many comparisons.

    Args:
        now: The reported week.
        before: The week before.
        tables: The sessions of both, in this order.
    """
    compared = max(1, now.compared + before.compared)
    named = {_key(found): found for found in now.recommendations if found.evidence}
    named_before = {_key(found): found for found in before.recommendations if found.evidence}
    found = [
        *_only(named, named_before, tables, compared, named_now=True),
        *_only(named_before, named, tables, compared, named_now=False),
    ]
    return tuple(sorted(found, key=lambda change: change.sureness == "unsure")[:MOST])


_Key = tuple[int, tuple[str, ...]]


def _key(found: Recommendation) -> _Key:
    return found.step, found.evidence.features if found.evidence else ()


def _only(
    named: dict[_Key, Recommendation],
    others: dict[_Key, Recommendation],
    tables: tuple[SessionTable | None, SessionTable | None],
    compared: int,
    *,
    named_now: bool,
) -> Iterator[CauseChange]:
    for key, found in named.items():
        if key not in others and found.evidence is not None:
            sureness = _differs(found.step, found.evidence.conditions, tables, compared)
            yield CauseChange(found.step, found.evidence, named_now, sureness)


def _differs(
    step: int, conditions: Sequence[Condition], tables: tuple[SessionTable | None, SessionTable | None], compared: int
) -> Sureness:
    ratios = [_log_odds(step, conditions, table) for table in tables]
    if "absent" in ratios or "unsure" in ratios:
        return "absent" if "absent" in ratios else "unsure"
    (new, spread), (old, other_spread) = (ratio for ratio in ratios if isinstance(ratio, tuple))
    z = NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / compared / 2)
    return "clear" if abs(new - old) > z * sqrt(spread + other_spread) else "unsure"


def _log_odds(
    step: int, conditions: Sequence[Condition], table: SessionTable | None
) -> tuple[float, float] | Literal["absent", "unsure"]:
    """The log-odds ratio of leaving with and without the conditions, and its variance.

    Only sessions with a value of their own count. Where a week has few of them, it says nothing of the conditions.
    """
    if table is None:
        return "absent"
    columns = [_column(table, condition.feature, step) for condition in conditions]
    here = [replace(each, feature=name) for each, name in zip(conditions, columns, strict=True) if name is not None]
    if not here or len(here) < len(conditions):
        return "unsure"
    holds: Flags = np.logical_and.reduce([condition.holds(table) for condition in here])
    seen: Flags = np.logical_and.reduce([table.seen(condition.feature) for condition in here])
    known = table.at_risk(step) & seen
    left = (table.reached == step) & table.ended
    if known.sum() < LEAST_SESSIONS:
        return "unsure"
    cells = [float((known & with_it & gone).sum()) + 0.5 for with_it in (holds, ~holds) for gone in (left, ~left)]
    a, b, c, d = cells
    if not (holds & seen).any():
        return "absent"
    moved = np.where(holds, (left - a / (a + b)) * (1 / a + 1 / b), (left - c / (c + d)) * -(1 / c + 1 / d))[known]
    widening = inflation(moved, persons_of(table, np.flatnonzero(known)))
    return log(a * d / (b * c)), sum(1 / cell for cell in cells) * widening


def _column(table: SessionTable, name: str, step: int) -> str | None:
    """The column of this name, or the one with the most values of its feature that is known by a step."""
    if name in table.features and table.known_at.get(name, 1) <= step:
        return name
    return latest_column(table, feature_name(name), step)
