"""Paints over print, faces and barcodes, so that nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np

from models.media.pixels import Pixels
from models.vision.barcodes import Barcode
from models.vision.bars import as_box, whole_bars
from models.vision.geometry import stretch, text_height
from models.vision.types import Box, OcrLine

COLOUR: Final = (0, 0, 0)
MARGIN: Final = 0.12  # share of the height of the print, on every side
MIN_MARGIN_PX: Final = 2
FACE_MARGIN: Final = 0.15
"""Share of the longer side of a face's box, in addition to ``MARGIN``: it covers hair, ears and chin."""
BARCODE_MARGIN: Final = 0.04  # share of the barcode's longer side


def word_boxes(line: OcrLine, start: int, end: int) -> list[Box]:
    """The boxes of all words in a part of the line, or its share of the line's box where the words have no boxes."""
    text = line.text.reveal()
    boxes: list[Box] = []
    position = 0
    for word in line.words:
        first = text.find(word.text.reveal(), position)
        if first < 0:
            boxes = []
            break
        position = first + len(word.text)
        if first < end and start < position:
            boxes.append(word.box)
    return boxes or [stretch(line.box, start / len(text), end / len(text))]


def paint_over(pixels: Pixels, groups: Iterable[Sequence[Box]]) -> Pixels:
    """A copy in which the hull of each group of boxes is solid black.

    The words of a group are painted over together, so that gaps do not show their lengths.
    """
    canvas = np.ascontiguousarray(pixels).copy()
    for boxes in groups:
        corners = np.array([corner for box in boxes for corner in box], np.float32)
        hull = np.round(cv2.convexHull(corners)).astype(np.int32)
        margin = max(MIN_MARGIN_PX, round(MARGIN * max(text_height(box) for box in boxes)))
        cv2.fillConvexPoly(canvas, hull, COLOUR)
        cv2.polylines(canvas, [hull], True, COLOUR, thickness=2 * margin)
    return canvas


def face_boxes(box: Box) -> list[Box]:
    """The boxes that cover a face with the rest of the head."""
    return [_grown(box, FACE_MARGIN)]


def barcode_boxes(pixels: Pixels, barcode: Barcode) -> list[Box]:
    """The boxes that cover a barcode. A reader marks only one scan line of a linear one, so its bars are traced."""
    if not barcode.linear:
        return [_grown(barcode.box, BARCODE_MARGIN)]
    grey = np.asarray(cv2.cvtColor(np.ascontiguousarray(pixels), cv2.COLOR_RGB2GRAY), np.uint8)
    return [_grown(whole_bars(grey, barcode.box), BARCODE_MARGIN)]


def _grown(box: Box, share: float) -> Box:
    """The box with a margin on every side, as a share of its longer side."""
    corners = np.array(box, np.float64)
    along, down = corners[1] - corners[0], corners[3] - corners[0]
    length, height = max(float(np.linalg.norm(along)), 1.0), max(float(np.linalg.norm(down)), 1.0)
    margin = share * max(length, height)
    x, y = along / length * margin, down / height * margin
    return as_box(corners + np.array([-x - y, x - y, x + y, y - x]))
