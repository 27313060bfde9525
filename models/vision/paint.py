"""Paints over stretches of print, so that nothing of the letters is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np

from models.vision.geometry import stretch, text_height
from models.vision.types import Box, OcrLine, Pixels

COLOUR: Final = (0, 0, 0)
MARGIN: Final = 0.12  # of the height of the print, on every side
LEAST_MARGIN_PX: Final = 2


def boxes_of(line: OcrLine, start: int, end: int) -> list[Box]:
    """The boxes of all words that a stretch of the line touches, or its share of the line where words are not known."""
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

    A group is what belongs together, so that the gaps between its words do not show how long each was.
    """
    canvas = np.ascontiguousarray(pixels).copy()
    for boxes in groups:
        corners = np.array([corner for box in boxes for corner in box], np.float32)
        hull = np.round(cv2.convexHull(corners)).astype(np.int32)
        margin = max(LEAST_MARGIN_PX, round(MARGIN * max(text_height(box) for box in boxes)))
        cv2.fillConvexPoly(canvas, hull, COLOUR)
        cv2.polylines(canvas, [hull], True, COLOUR, thickness=2 * margin)
    return canvas
