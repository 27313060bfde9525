"""Features as columns of numbers between 0 and about 3, so that a regression on them is a sum of curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from server.risk.formula import Curve, Curves, Levels
from server.risk.moments import LEAST_SESSIONS, Flags, Matrix, Moments, frequent_levels, numbers_of
from server.risk.properties import Value, is_property

QUANTILES: Final = (0.0, 0.1, 0.25, 0.4, 0.55, 0.7, 0.85, 0.95, 0.995)
"""Where the knots of a number are; beyond the last, more makes no difference."""
LINE: Final = 3.0
"""Height of the line through the knots of a number; the tents on it have a height of 1."""


@dataclass(frozen=True, slots=True)
class Piece:
    """The columns of a feature, and how their amounts become a part of a formula.

    Attributes:
        knots: Of a number, scaled.
        levels: Of a text.
        other: Whether other levels have a column, after those of the levels.
        unknown: Whether being unknown has a column, the last.
    """

    name: str
    columns: Matrix
    text: bool
    knots: tuple[float, ...] = ()
    levels: tuple[str, ...] = ()
    other: bool = False
    unknown: bool = False

    def part(self, amounts: Sequence[float], usual: float) -> Curve | Levels:
        """The amounts of the columns as a part."""
        unknown = usual if is_property(self.name) else amounts[-1] if self.unknown else 0.0
        if self.text:
            values = dict(zip(self.levels, amounts, strict=False))
            other = amounts[len(self.levels)] if self.other else 0.0
            return Levels(values=values, other=other, unknown=unknown, usual=usual)
        if not self.knots:
            return Curve(knots=(0.0,), values=(0.0,), unknown=unknown, usual=usual)
        line, *tents = amounts[: len(self.knots)]
        rising = line_through(np.array(self.knots), self.knots).tolist()
        values_at = tuple(line * rise + tent for rise, tent in zip(rising, (0.0, *tents), strict=True))
        return Curve(knots=self.knots, values=values_at, unknown=unknown, usual=usual)


class CurveColumns:
    """The columns of all features.

    Args:
        moments: Of all parts; knots and levels are those of the parts that may be learnt from.
    """

    def __init__(self, moments: Moments) -> None:
        self._known = moments.known
        self._pieces = [_piece(moments, name, kind == "text") for name, kind in moments.kinds.items()]
        self.matrix: Matrix = np.hstack([piece.columns for piece in self._pieces])

    def curves(self, start: float, amounts: Matrix) -> Curves:
        """The sum with these amounts of the columns."""
        features: dict[str, Curve | Levels] = {}
        first = 0
        for piece in self._pieces:
            own = amounts[first : first + piece.columns.shape[1]]
            first += piece.columns.shape[1]
            if len(own):
                features[piece.name] = piece.part(own.tolist(), float((piece.columns[self._known] @ own).mean()))
        return Curves(start=start, features=features)


def line_through(numbers: Matrix, knots: Sequence[float]) -> Matrix:
    """A line from the first knot to the last. With it, a steady rise costs less penalty than one by tents alone."""
    line: Matrix = LINE * (np.clip(numbers, knots[0], knots[-1]) - knots[0]) / (knots[-1] - knots[0])
    return line


def tents_at(numbers: Matrix, knots: Sequence[float]) -> list[Matrix]:
    """For each knot but the first, a tent that is 1 there and 0 at the knots beside it."""
    return [np.interp(numbers, knots, peak) for peak in np.eye(len(knots))[1:]]


def _piece(moments: Moments, name: str, text: bool) -> Piece:
    values = moments.values(name)
    return _text_piece(moments, name, values) if text else _number_piece(moments, name, values)


def _text_piece(moments: Moments, name: str, values: Sequence[Value]) -> Piece:
    levels, other = frequent_levels(moments, values)
    missing = np.array([not isinstance(value, str) for value in values], dtype=bool)
    met = {level: np.array([value == level for value in values], dtype=float) for level in levels}
    shown = list(met.values())
    if other:
        shown.append(np.where(missing, 0.0, 1.0 - sum(met.values(), np.zeros(len(values)))))
    columns, unknown = _with_unknown(moments, name, shown, missing)
    return Piece(name, columns, True, levels=levels, other=other, unknown=unknown)


def _number_piece(moments: Moments, name: str, values: Sequence[Value]) -> Piece:
    numbers = numbers_of(values)
    missing = np.isnan(numbers)
    at = np.where(missing, 0.0, np.copysign(np.log1p(np.abs(numbers)), numbers))
    present = moments.known & ~missing
    enough = moments.sessions_of(present) >= LEAST_SESSIONS
    knots = np.unique(np.quantile(at[present], QUANTILES)) if enough else np.zeros(0)
    kept = tuple(knots.tolist()) if len(knots) > 1 else ()
    shown = [np.where(missing, 0.0, each) for each in ([line_through(at, kept), *tents_at(at, kept)] if kept else [])]
    columns, unknown = _with_unknown(moments, name, shown, missing)
    return Piece(name, columns, False, knots=kept, unknown=unknown)


def _with_unknown(moments: Moments, name: str, shown: list[Matrix], missing: Flags) -> tuple[Matrix, bool]:
    """The columns, and whether the last is for being unknown.

    A property that is unknown counts as the average known one. Otherwise the model would learn from it who the client
    is: sessions of other clients never have the property.
    """
    number, known = len(missing), moments.known
    if is_property(name):
        there = known & ~missing
        return np.column_stack([np.zeros((number, 0)), *(np.where(missing, c[there].mean(), c) for c in shown)]), False
    sessions = moments.sessions_of(known & missing)
    unknown = sessions >= LEAST_SESSIONS and bool((known & ~missing).any())
    return np.column_stack([np.zeros((number, 0)), *shown, *([missing.astype(float)] if unknown else [])]), unknown
