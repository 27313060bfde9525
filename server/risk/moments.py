"""The moments of one stage as arrays: which belong together, what was known, and which features to learn from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from server.risk.features import FEATURES, Kind
from server.risk.properties import Value
from server.risk.states import StageStates

Matrix = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.int64]

PARTS: Final = (0.4, 0.6, 0.8)
"""Where the sessions are cut into four parts, in the order in which they were opened."""
MOST_PROPERTIES: Final = 20
"""Of the properties, so many are learnt from: those that were known in the most sessions."""
MOST_LEVELS: Final = 12
"""Of a text, so many levels have an amount of their own; all others are one."""
LEAST_SESSIONS: Final = 30
"""A level, other levels together, and a number being unknown have an amount of their own from so many sessions on."""


@dataclass(frozen=True, slots=True)
class Moments:
    """Moments of one stage, ordered by when their session was opened.

    Attributes:
        states: As they were drawn.
        session: Place of the session.
        person: Place of the person.
        abandoned: Whether the session was abandoned in the end.
        kinds: Features to learn from.
        known: The moments that may be learnt from; the others check.
        parts: The four parts; the first three are those that may be learnt from.
    """

    states: StageStates
    session: Places
    person: Places
    abandoned: Flags
    kinds: Mapping[str, Kind]
    known: Flags
    parts: tuple[Flags, ...]

    def values(self, feature: str) -> Sequence[Value]:
        """What a feature was at each moment."""
        if feature in self.states.features:
            return self.states.features[feature]
        return [given.get(feature) for given in self.states.properties]

    def sessions_of(self, flags: Flags) -> int:
        """How many sessions these moments are of."""
        return len(np.unique(self.session[flags]))


def moments_of(states: StageStates) -> Moments:
    """The moments as arrays."""
    session = np.array(states.session, dtype=np.int64)
    _, person = np.unique(np.array(states.person, dtype=np.uint64), return_inverse=True)
    parts = parts_of(session)
    known = ~parts[-1]
    kinds = {**FEATURES, **_properties(states, session, known)}
    return Moments(states, session, person, np.array(states.abandoned, dtype=bool), kinds, known, parts)


def parts_of(session: Places) -> tuple[Flags, ...]:
    """The moments in four parts, by when their session was opened. No session is in two parts."""
    ordered = np.unique(session)
    cuts = [ordered[min(len(ordered) - 1, int(share * len(ordered)))] for share in PARTS] if len(ordered) else [0, 0, 0]
    part = np.searchsorted(cuts, session, side="right")
    return tuple(part == k for k in range(len(PARTS) + 1))


def _properties(states: StageStates, session: Places, known: Flags) -> dict[str, Kind]:
    """The properties to learn from, and what each is mostly: a number, or a text."""
    seen: dict[str, set[int]] = {}
    kinds: dict[str, Counter[Kind]] = {}
    for row in np.flatnonzero(known).tolist():
        for name, value in states.properties[row].items():
            seen.setdefault(name, set()).add(int(session[row]))
            kinds.setdefault(name, Counter())["text" if isinstance(value, str) else "number"] += 1
    often = sorted((-len(sessions), name) for name, sessions in seen.items() if len(sessions) >= LEAST_SESSIONS)
    return {name: kinds[name].most_common(1)[0][0] for _, name in often[:MOST_PROPERTIES]}


def frequent_levels(moments: Moments, values: Sequence[Value]) -> tuple[tuple[str, ...], bool]:
    """The levels of a text that are frequent enough, and whether the others together are."""
    met: dict[str, set[int]] = {}
    for row in np.flatnonzero(moments.known).tolist():
        value = values[row]
        if isinstance(value, str):
            met.setdefault(value, set()).add(int(moments.session[row]))
    often = sorted((-len(sessions), level) for level, sessions in met.items() if len(sessions) >= LEAST_SESSIONS)
    levels = tuple(sorted(level for _, level in often[:MOST_LEVELS]))
    others: set[int] = set().union(*(sessions for level, sessions in met.items() if level not in levels))
    return levels, len(others) >= LEAST_SESSIONS


def numbers_of(values: Sequence[Value]) -> Matrix:
    """A number for each moment; NaN for an unknown one."""
    return np.array([float(value) if isinstance(value, int | float) else np.nan for value in values])
