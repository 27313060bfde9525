"""Features as small whole numbers, and the conditions on each that may be named as a cause."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from server.funnel.types import Column, Condition, Flags, SessionTable, unknown

Codes = npt.NDArray[np.int64]

NOTHING = ""
"""The level of a text for what did not happen. It is adjusted for and never named: who stays longer sees more of it."""
MOST_LEVELS = 200
"""Rarer levels of a text are one group that is adjusted for and never named."""
LEAST_OF_A_LEVEL = 20
"""So are levels with fewer sessions."""
MOST_VALUES = 40
"""A number with up to so many values is looked at value by value."""
CUTS = tuple(k / 40 for k in range(1, 40))
"""The shares of sessions below the bounds that are tried for a number."""
WIDEST_RANGE = 12
"""Ranges between two bounds are tried up to so many bounds apart."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A condition on one feature, as the set of codes for which it holds.

    ``opposite`` is named when the condition lowers leaving: the other side of a bound, or that a thing did not happen.
    Where it is None, nothing is.
    """

    condition: Condition
    opposite: Condition | None
    members: Flags


@dataclass(frozen=True, slots=True)
class CodedFeature:
    """A feature as a code from 0 to ``width - 1`` for each session.

    The first ``ordered`` codes are ranges of a number, or the two of a flag. Before the step ``settled_at`` a flag may
    still become true, so that its opposite is not named. With ``has_gaps`` the last code is that of the sessions in
    which the feature was not seen. No condition holds for it.
    """

    name: str
    codes: Codes
    width: int
    ordered: int
    candidates: tuple[Candidate, ...]
    known_at: int
    settled_at: int = 1
    has_gaps: bool = False

    def at(self, step: int) -> CodedFeature:
        """The feature with the conditions that may be named at a step."""
        if step >= self.settled_at:
            return self
        return replace(self, candidates=tuple(replace(candidate, opposite=None) for candidate in self.candidates))


def coded(table: SessionTable) -> tuple[CodedFeature, ...]:
    """All features of a table that differ between sessions."""
    made = (_of_seen(name, column, table) for name, column in table.features.items())
    return tuple(feature for feature in made if feature.width - feature.has_gaps > 1)


def _of_seen(name: str, column: Column, table: SessionTable) -> CodedFeature:
    """A feature coded by the sessions in which it was seen, with a code more for the others."""
    if name not in table.gaps:
        return _coded(name, column, table)
    seen = table.seen(name)
    found = _coded(name, column[seen], table)
    codes = np.full(table.sessions, found.width, dtype=np.int64)
    codes[seen] = found.codes
    candidates = tuple(replace(each, members=np.append(each.members, False)) for each in found.candidates)
    return replace(found, codes=codes, width=found.width + 1, candidates=candidates, has_gaps=True)


def _coded(name: str, column: Column, table: SessionTable) -> CodedFeature:
    known_at = table.known_at.get(name, 1)
    if column.dtype.kind == "b":
        return replace(_flag(name, column.astype(bool), known_at), settled_at=_settled_at(name, table))
    if column.dtype.kind == "O":
        return _text(name, column, known_at)
    return _number(name, column.astype(np.float64), known_at)


def _settled_at(name: str, table: SessionTable) -> int:
    """The step from which on a flag is known to change no more; after the last one where nobody says."""
    if name not in table.known_at:
        return len(table.steps)
    return table.known_at[name] + (name in table.happens)


def _flag(name: str, column: Flags, known_at: int) -> CodedFeature:
    if column.all() or not column.any():
        return CodedFeature(name, np.zeros(len(column), dtype=np.int64), 1, 0, (), known_at)
    happened = Candidate(Condition(name), Condition(name, "not"), np.array([False, True]))
    return CodedFeature(name, column.astype(np.int64), 2, 2, (happened,), known_at)


def _text(name: str, column: Column, known_at: int) -> CodedFeature:
    rows = column.tolist()
    values = list(dict.fromkeys(rows))
    places = {value: place for place, value in enumerate(values)}
    met = np.fromiter(map(places.__getitem__, rows), np.int64, len(rows))
    counts = np.bincount(met, minlength=len(values))
    common = [int(k) for k in np.argsort(-counts, kind="stable") if counts[k] >= LEAST_OF_A_LEVEL]
    kept = common[:MOST_LEVELS]
    code_of = np.full(len(values), len(kept), dtype=np.int64)
    code_of[kept] = np.arange(len(kept))
    width = len(kept) + (len(values) > len(kept))
    eye = np.eye(width, dtype=bool)
    candidates = [
        Candidate(Condition(name, "=", values[k]), None, eye[code])
        for code, k in enumerate(kept)
        if values[k] != NOTHING
    ]
    return CodedFeature(name, code_of[met], width, 0, tuple(candidates) if width > 1 else (), known_at)


def _number(name: str, column: npt.NDArray[np.float64], known_at: int) -> CodedFeature:
    missing = unknown(column)
    present = column[~missing]
    if len(present) == 0:
        return CodedFeature(name, np.zeros(len(column), dtype=np.int64), 1, 0, (), known_at)
    bounds = _bounds(present)
    ordered = len(bounds) + 1
    width = ordered + bool(missing.any())
    codes = np.searchsorted(bounds, column, side="left").astype(np.int64)  # code k: above bound k - 1, up to bound k
    codes[missing] = ordered
    few = len(np.unique(present)) <= MOST_VALUES
    candidates = _number_candidates(name, bounds, float(present.max()) if few else math.inf, width)
    if missing.any():
        candidates.append(Candidate(Condition(name, "=", None), None, np.arange(width) == ordered))
    return CodedFeature(name, codes, width, ordered, tuple(candidates), known_at)


def _bounds(present: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The values between which a number is cut; each belongs to the range below it."""
    values = np.unique(present)
    if len(values) <= MOST_VALUES:
        return values[:-1]
    cuts = np.quantile(present, CUTS)
    for digits in (2, 3, 4, 6):  # round bounds read better, and people set round limits
        rounded = np.unique([float(f"{cut:.{digits}g}") for cut in cuts])
        if len(rounded) >= 0.8 * len(np.unique(cuts)):
            break
    else:
        rounded = np.unique(cuts)
    bounds: npt.NDArray[np.float64] = rounded[(rounded >= values[0]) & (rounded < values[-1])]
    return bounds


def _number_candidates(name: str, bounds: npt.NDArray[np.float64], top: float, width: int) -> list[Candidate]:
    """Both sides of each bound, ranges between two bounds, and single values of a number that has few."""
    place = np.arange(width)
    ordered = len(bounds) + 1
    found = []
    for k, bound in enumerate(bounds.tolist()):
        above = (place > k) & (place < ordered)
        found.append(Candidate(Condition(name, ">", bound), Condition(name, "<=", bound), above))
    for low, high in combinations(range(len(bounds)), 2):
        if high - low > WIDEST_RANGE:
            continue
        value = (float(bounds[low]), float(bounds[high]))
        found.append(Candidate(Condition(name, "in", value), None, (place > low) & (place <= high)))
    if np.isfinite(top):
        singles = enumerate([*bounds.tolist(), top])
        found += [Candidate(Condition(name, "=", value), None, place == k) for k, value in singles]
    return found
