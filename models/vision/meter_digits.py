"""Decodes the digits of a meter from the net's output for one crop."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from models.vision.line_crops import CROP_WIDTH, Line

DIGIT_COUNT_WEIGHTS: Final = {4: 0.5, 5: 0.85, 6: 0.85, 7: 0.95, 8: 1.0, 9: 0.85}
"""How usual a number of digits is. Most meters have eight: five black and three red."""
MAX_DIGITS: Final = max(DIGIT_COUNT_WEIGHTS)
_STEP_PX: Final = CROP_WIDTH // 64
"""Crop pixels in a step of the net."""
_MIN_DISTANCE: Final = 0.55
"""Of the median distance between digits; what is closer is one digit."""
_NO_LEADING_ZERO: Final = 0.85
"""Factor of the score without a leading zero: the meter would be near the end of its range."""

_Run = npt.NDArray[np.int64]
"""Neighbouring steps that show one digit."""


@dataclass(frozen=True)
class DigitRow:
    """Digits that the net found in one crop.

    Attributes:
        line: Where the crop was cut.
        step_px: Picture pixels in a crop pixel, along the line.
        digits: Probability of each digit, shape (n, 10).
        red: Probability that each is red, shape (n,).
        places: Middle of each along the crop, in crop pixels, shape (n,).
    """

    line: Line
    step_px: float
    digits: npt.NDArray[np.float64]
    red: npt.NDArray[np.float64]
    places: npt.NDArray[np.float64]

    @property
    def positions(self) -> npt.NDArray[np.float64]:
        """Middle of each digit along the direction of the line, in picture pixels from the picture's origin."""
        middle = self.line.x * math.cos(self.line.angle) + self.line.y * math.sin(self.line.angle)
        return middle + (self.places - CROP_WIDTH / 2) * self.step_px

    @property
    def pitch(self) -> float:
        """Median distance of neighbouring digits, in picture pixels; there must be two."""
        return float(np.median(np.diff(self.places))) * self.step_px

    @cached_property
    def score(self) -> float:
        """How much this looks like the digits of a meter, in [0, 1]."""
        count = len(self.places)
        if count not in DIGIT_COUNT_WEIGHTS:
            return 0.0
        certainty = float(np.exp(np.log(self.digits.max(axis=1) + 1e-6).mean()))
        gaps = np.diff(self.places)
        evenness = math.exp(-float(gaps.std() / gaps.mean()))
        leading_zero = 1.0 if int(self.digits[0].argmax()) == 0 else _NO_LEADING_ZERO
        return certainty * DIGIT_COUNT_WEIGHTS[count] * evenness * leading_zero * self._colour_order()

    def _colour_order(self) -> float:
        """1 when all black digits come before all red ones, less when they mix."""
        split = first_red(self.red)
        colours = np.concatenate([1 - self.red[:split], self.red[split:]])
        return float(0.5 + 0.5 * colours.mean())

    def extent(self) -> Line:
        """The line from the first digit to the last."""
        middle = (self.places[0] + self.places[-1]) / 2 - CROP_WIDTH / 2
        pitch = (self.places[-1] - self.places[0]) / max(1, len(self.places) - 1)
        length = (self.places[-1] - self.places[0] + pitch) * self.step_px
        return replace(self.line.moved(middle * self.step_px, 0.0), length=length)


def decode_row(line: Line, step_px: float, steps: npt.NDArray[np.float64]) -> DigitRow:
    """Collapse the net's steps as CTC does: equal neighbours are one digit, blanks separate digits.

    Args:
        line: Where the crop was cut.
        step_px: Picture pixels in a crop pixel, along the line.
        steps: Probabilities, shape (steps, 21): blank, black 0 to 9, red 0 to 9.
    """
    probability = steps[:, 1:11] + steps[:, 11:21]
    names = np.concatenate([steps[:, :1], probability], axis=1).argmax(axis=1)
    edges = np.flatnonzero(np.diff(names)) + 1
    runs = _regularize([run for run in np.split(np.arange(len(names)), edges) if names[run[0]] > 0], probability)
    if not runs:
        return DigitRow(line, step_px, np.zeros((0, 10)), np.zeros(0), np.zeros(0))
    digits = np.stack([probability[run].max(axis=0) for run in runs])
    colours = np.array([steps[run, 11:].sum() / probability[run].sum() for run in runs])
    places = np.array([_middle(run, probability) for run in runs])
    return DigitRow(line, step_px, digits, colours, (places + 0.5) * _STEP_PX)


def first_red(red: npt.NDArray[np.float64]) -> int:
    """Index of the first red digit: the split that fits the colours best; at least one digit is black.

    Args:
        red: Probability of red for each digit, left to right.
    """
    log_red, log_black = np.log(red + 1e-3), np.log(1 - red + 1e-3)
    return max(range(1, len(red) + 1), key=lambda k: float(log_black[:k].sum() + log_red[k:].sum()))


def softmax(logits: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Probabilities along the last axis."""
    raised = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
    shares: npt.NDArray[np.float64] = raised / raised.sum(axis=-1, keepdims=True)
    return shares


def _regularize(runs: Sequence[_Run], probability: npt.NDArray[np.float64]) -> list[_Run]:
    """Space the runs evenly, as drums are: drop one that is far too close, and fill in a single missing one."""
    if len(runs) < 3:
        return list(runs)
    pitch = float(np.median(np.diff([_middle(run, probability) for run in runs])))
    kept: list[_Run] = []
    for run in runs:
        if kept and _middle(run, probability) - _middle(kept[-1], probability) < _MIN_DISTANCE * pitch:
            kept[-1] = max(kept[-1], run, key=lambda r: float(probability[r].max()))
            continue
        if kept:
            start, end = _middle(kept[-1], probability), _middle(run, probability)
            parts = round((end - start) / pitch)
            if parts == 2:  # most often a one, which is thin and looks like the edge of a window
                middle = round((start + end) / 2)
                kept.append(np.arange(middle - 1, middle + 2))
        kept.append(run)
    return kept


def _middle(run: _Run, probability: npt.NDArray[np.float64]) -> float:
    """Position of a digit, in steps."""
    weights = probability[run].max(axis=1)
    return float((run * weights).sum() / weights.sum())
