"""Tells drawn shapes from print that the OCR could not read.

The text detector takes large flat shapes for letters: a wheel, the bar of a chart, a whole icon. The recognizer then
reads one letter in them at most, with a low score. Print has many edges side by side, over rows about as high as a
letter; a flat shape has few. What has as many edges as print stays unread print, and so does what has a thin stroke on
one colour: signatures with few loops have few edges. In photographs everything stays covered, because print may be
blurred there. Figures: docs/evaluation/pictures, "Drawn pictures".
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.vision.geometry import centre, text_height
from models.vision.masking import MARGIN
from models.vision.pen_strokes import has_pen_stroke
from models.vision.types import OcrLine

_MIN_HEIGHT: Final = 0.04
"""Of a shape, as a share of the picture's longer side. The OCR misses small print more often."""
_MIN_FLAT: Final = 0.75
"""Share of the pixels of a drawing that have the colour of their neighbours. Photographs of meters have up to 0.63,
drawings as JPEG of quality 75 from 0.79.
"""
_SAME_COLOUR: Final = 2  # largest difference of a channel over two pixels
_CONTRAST: Final = 10
"""Least difference of a channel over two pixels that is an edge."""
_CONTRAST_IN_NOISE: Final = 32
"""The same in a JPEG, which has noise beside its edges."""
_SAME_GROUND: Final = 16  # largest difference of a channel within one colour of a JPEG; a pale pen differs more
_NOISE: Final = 0.75
"""Pixels with a smaller difference, for each pixel on an edge, from which a drawing was a JPEG."""
_SAME_HEIGHT: Final = 1.75
_SPACED: Final = 3  # heights of letters, from centre to centre of spaced-out letters
_WINDOW: Final = 2.5  # heights of letters; four letters of most fonts fit in
_EDGES: Final = 6
"""Edges in a window that are print. Four letters have eight or more."""
_EDGES_OF_LARGE: Final = 8
"""The same for letters of at least ``_LARGE``, which shapes with a few parts resemble."""
_LARGE: Final = 0.2  # share of the height of the region
_SMALLEST_LETTER_PX: Final = 6
_NEXT_HEIGHT: Final = 1.3
_ROWS_OF_A_LETTER: Final = 8
"""At most so many rows of a letter are looked at."""


def is_drawn_shape(pixels: Pixels, line: OcrLine, lines: Sequence[OcrLine] = ()) -> bool:
    """Whether a region of print that could not be read is a flat shape instead.

    Args:
        pixels: The picture, RGB.
        line: What the OCR made of the region. More than one letter or digit is print.
        lines: All lines that were read in the picture. A region beside print of its size, even one
            letter, is a piece of that print.
    """
    if _letters(line) > 1 or text_height(line.box) < _MIN_HEIGHT * max(pixels.shape[:2]):
        return False
    if any(_goes_on(line, other) for other in lines if other.box != line.box):
        return False
    region = _region(pixels, line)
    change = _change(region)
    if np.mean(change <= _SAME_COLOUR) < _MIN_FLAT:
        return False
    on_edges = np.count_nonzero(change >= _CONTRAST)
    is_noisy = np.count_nonzero(change) > (1 + _NOISE) * on_edges
    contrast = _CONTRAST_IN_NOISE if is_noisy else _CONTRAST
    if any(_has_print(_edges(part, contrast)) for part in (region, region.transpose(1, 0, 2))):
        return False
    return not has_pen_stroke(region, min(contrast, _SAME_GROUND))


def _letters(line: OcrLine) -> int:
    return sum(char.isalnum() for char in line.text.reveal())


def _goes_on(line: OcrLine, other: OcrLine) -> bool:
    letters = _letters(other)
    return _is_beside(line, other) if letters > 1 else letters == 1 and _is_spaced_out(line, other)


def _is_spaced_out(line: OcrLine, other: OcrLine) -> bool:
    """Whether two boxes with one letter each may be of one word. The OCR turns the boxes of tall letters."""
    size, other_size = (max(math.dist(*box[:2]), text_height(box)) for box in (line.box, other.box))
    apart = math.dist(centre(line.box), centre(other.box))
    return max(size, other_size) <= _SAME_HEIGHT * min(size, other_size) and apart < _SPACED * max(size, other_size)


def _is_beside(line: OcrLine, other: OcrLine) -> bool:
    """Whether another line of about the same height goes on where this one begins or ends."""
    height, other_height = text_height(line.box), text_height(other.box)
    if max(height, other_height) > _SAME_HEIGHT * min(height, other_height):
        return False
    length = math.dist(*line.box[:2])
    away = np.subtract(centre(other.box), centre(line.box))
    direction = np.subtract(line.box[1], line.box[0]) / max(length, 1.0)
    along = abs(away[0] * direction[0] + away[1] * direction[1])
    across = abs(away[0] * direction[1] - away[1] * direction[0])
    return bool(across < height and along < (length + math.dist(*other.box[:2])) / 2 + height)


def _region(pixels: Pixels, line: OcrLine) -> Pixels:
    """What would be painted over, turned upright, in the resolution of the picture."""
    width, height = max(1, round(math.dist(*line.box[:2]))), max(1, round(text_height(line.box)))
    margin = round(MARGIN * height)
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], np.float32) + margin
    turn = cv2.getPerspectiveTransform(np.array(line.box, np.float32), corners.astype(np.float32))
    picture, size = np.ascontiguousarray(pixels), (width + 2 * margin, height + 2 * margin)
    return np.asarray(cv2.warpPerspective(picture, turn, size, borderMode=cv2.BORDER_REPLICATE), np.uint8)


def _has_print(edges: npt.NDArray[np.float32]) -> bool:
    """Whether somewhere as many edges lie side by side as in print of any height."""
    for letter in _letter_heights(len(edges)):
        step = max(1, letter // _ROWS_OF_A_LETTER)
        window = np.ones((1, round(_WINDOW * letter)), np.float32)
        counts = cv2.filter2D(edges[::step], cv2.CV_32F, window, borderType=cv2.BORDER_CONSTANT)
        # Half of the letter's rows have the edges; a single row may cross a corner.
        rows = np.ones((max(1, letter // 2 // step), 1), np.uint8)
        lasting = cv2.erode(counts, rows, borderType=cv2.BORDER_CONSTANT, borderValue=0)
        if lasting.max() > (_EDGES_OF_LARGE if letter >= _LARGE * len(edges) else _EDGES) - 0.5:
            return True
    return False


def _edges(region: Pixels, contrast: int) -> npt.NDArray[np.float32]:
    """1 where the colour changes most along a row, else 0, shape (height, width)."""
    change = _change(region)
    middle, before, after = change[:, 1:-1], change[:, :-2], change[:, 2:]
    return ((middle >= contrast) & (middle > before) & (middle >= after)).astype(np.float32)


def _change(region: Pixels) -> npt.NDArray[np.int16]:
    """The largest difference of a channel between the two neighbours in the row, shape (height, at least 3)."""
    values = region.astype(np.int16)
    change = np.zeros((len(values), max(3, values.shape[1])), np.int16)
    change[:, 1 : values.shape[1] - 1] = np.abs(values[:, 2:] - values[:, :-2]).max(axis=2)
    return change


def _letter_heights(most: int) -> Iterator[int]:
    height = _SMALLEST_LETTER_PX
    while height <= most:
        yield height
        height = max(height + 1, int(height * _NEXT_HEIGHT))
