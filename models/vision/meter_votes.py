"""Merges what the net read in several crops of one row of digits, and tells whether that is the row of a meter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from models.vision.meter_digits import MAX_DIGITS, DigitRow

MAX_PITCH: Final = 1.1
"""Distance of digits in heights of the line. No drawn meter has more. docs/evaluation/pictures.md, "Votes by place"."""
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
            nearest, shown = _matches(lead, row)
            weights = row.score**_POWER * shown
            digits += weights[:, None] * row.digits[nearest]
            red += weights * row.red[nearest]
            total += weights
    return replace(lead, digits=digits / total[:, None], red=red / total)


def agreement(merged: DigitRow, rows: Sequence[DigitRow]) -> float:
    """How far the crops agree on where digits stand, in [0, 1]: digits in both over digits in either, mean over crops.

    Nearly every crop of a meter shows its digits. Print that looks like one in a crop shows less or more in others.

    Args:
        merged: Of ``merge``.
        rows: The same crops.
    """
    count, shares = len(merged.places), []
    for row in rows:
        both = int(_matches(merged, row)[1].sum()) if len(row.places) else 0
        shares.append(both / (count + len(row.places) - both))
    return float(np.mean(shares))


def is_print(merged: DigitRow, before: Sequence[DigitRow], after: Sequence[DigitRow]) -> bool:
    """Whether the digits stand farther apart than a meter's, or go on beyond the most digits that a meter has.

    So it is with rulers and with the number under a barcode. A single crop may take a frame for a digit, so the crop
    with the fewest further digits counts.

    Args:
        merged: Of ``merge``.
        before: Crops around the first digit.
        after: Crops around the last digit.
    """
    if merged.pitch > MAX_PITCH * merged.line.height:
        return True
    further = min(_further(merged, row, -1) for row in before) + min(_further(merged, row, 1) for row in after)
    return len(merged.places) + further > MAX_DIGITS


def _further(merged: DigitRow, row: DigitRow, side: Literal[-1, 1]) -> int:
    """How many digits of a crop go on at the same distance, before the first digit (-1) or after the last (1)."""
    end, count = merged.positions[0 if side < 0 else -1], 0
    while len(row.places) and count < MAX_DIGITS:
        distances = np.abs(row.positions - (end + side * merged.pitch))
        if distances.min() >= _SAME_PLACE * merged.pitch:
            break
        end, count = row.positions[distances.argmin()], count + 1
    return count


def _digit_count(rows: Sequence[DigitRow]) -> int:
    """The number of digits with the most votes; 0 when no crop shows a meter."""
    votes: Counter[int] = Counter()
    for row in rows:
        if row.score > 0:
            votes[len(row.places)] += row.score**_POWER  # type: ignore[assignment]
    return votes.most_common(1)[0][0] if votes else 0


def _matches(wanted: DigitRow, found: DigitRow) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """For each wanted digit the index of the nearest found one, and whether that is the same digit."""
    distances = np.abs(wanted.positions[:, None] - found.positions[None, :])
    return distances.argmin(axis=1), distances.min(axis=1) < _SAME_PLACE * wanted.pitch
