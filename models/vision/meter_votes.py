"""Merges what the net read in several crops of one meter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.meter_digits import DigitRow

_POWER: Final = 4
"""Of a crop's score, for its weight. Found in docs/evaluation/pictures.md, "Votes by place"."""
_SAME_PLACE: Final = 0.4
"""Of the distance between digits; what is closer is the same digit in another crop."""


def merge(rows: Sequence[DigitRow]) -> DigitRow | None:
    """The digits on which the crops agree, or None when no crop shows a meter.

    The number of digits is the one with the most votes, and the best crop with that number says where they stand. Then
    every crop votes for each digit that it shows there, so a crop that misses a digit, or sees one too many, still
    helps with the others.

    Args:
        rows: Of crops along one direction.
    """
    count = _digit_count(rows)
    if not count:
        return None
    lead = max((row for row in rows if len(row.places) == count), key=lambda row: row.score)
    digits, red, total = np.zeros((count, 10)), np.zeros(count), np.zeros(count)
    for row in rows:
        if row.score > 0:
            nearest, shown = _matches(lead.positions, row.positions)
            weights = row.score**_POWER * shown
            digits += weights[:, None] * row.digits[nearest]
            red += weights * row.red[nearest]
            total += weights
    return replace(lead, digits=digits / total[:, None], red=red / total)


def _digit_count(rows: Sequence[DigitRow]) -> int:
    """The number of digits with the most votes; 0 when no crop shows a meter."""
    votes: Counter[int] = Counter()
    for row in rows:
        if row.score > 0:
            votes[len(row.places)] += row.score**_POWER  # type: ignore[assignment]
    return votes.most_common(1)[0][0] if votes else 0


def _matches(
    wanted: npt.NDArray[np.float64], found: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each wanted position the index of the nearest found one, and whether that is the same digit."""
    distances = np.abs(wanted[:, None] - found[None, :])
    pitch = float(np.median(np.diff(wanted)))
    return distances.argmin(axis=1), distances.min(axis=1) < _SAME_PLACE * pitch
