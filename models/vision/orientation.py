"""Pictures that lie on their side or upside down, without a note of it in their metadata.

The OCR turns each line by itself, so it reads such a picture. But its lines come in the wrong order, and a name no
longer stands beside the word that announces it. The directions in which the lines run tell how to turn the picture.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

import numpy as np

from models.media.pixels import Pixels
from models.vision.turns import PageWork
from models.vision.types import OcrEngine, OcrLine, OcrPage

_MIN_SHARE: Final = 0.6
"""Of all print, by letters and score, that must run in one direction. Found in docs/evaluation/pictures, "Sideways"."""
_MIN_PRINT: Final = 12.0
"""Letters, by score, below which a picture is left as it is."""
_MIN_KEPT: Final = 0.9
"""Share of the print that must be read again after turning."""

_METER_READING: Final = re.compile(r"reading \d")


def read_upright(engine: OcrEngine, pixels: Pixels, work: PageWork | None = None) -> tuple[Pixels, OcrPage]:
    """Read a picture, turned upright where its print says so; returns the picture that was read.

    Turned pictures take two passes, upright ones take one; both count for ``work``. The picture of a meter is left as
    it is: its reading is found in any direction.
    """
    page = engine.read_page(pixels, work)
    turns = quarter_turns(page.lines)
    if not turns:
        return pixels, page
    turned = np.ascontiguousarray(np.rot90(pixels, turns))
    again = engine.read_page(turned, work)
    if quarter_turns(again.lines) or _print(again.lines) < _MIN_KEPT * _print(page.lines):
        return pixels, page
    return turned, again


def quarter_turns(lines: Sequence[OcrLine]) -> int:
    """Quarter turns, counter-clockwise, that make a picture upright; 0 where it is, or where that is not certain."""
    if any(_METER_READING.match(line.text.reveal()) for line in lines):
        return 0
    weights = [0.0, 0.0, 0.0, 0.0]
    for line in lines:
        weights[_turns_of(line)] += _weight(line)
    most = max(range(4), key=lambda turns: weights[turns])
    return most if sum(weights) >= _MIN_PRINT and weights[most] > _MIN_SHARE * sum(weights) else 0


def _print(lines: Sequence[OcrLine]) -> float:
    return sum(_weight(line) for line in lines)


def _weight(line: OcrLine) -> float:
    return sum(char.isalnum() for char in line.text.reveal()) * line.score


def _turns_of(line: OcrLine) -> int:
    """The quarter turns that make a line run to the right."""
    (x0, y0), (x1, y1), _, _ = line.box
    right, down = x1 - x0, y1 - y0
    if abs(right) >= abs(down):
        return 0 if right >= 0 else 2
    return 1 if down > 0 else 3
