"""Paints over print, faces and codes, so that nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.vision.barcodes import Code
from models.vision.geometry import stretch, text_height
from models.vision.types import Box, OcrLine

COLOUR: Final = (0, 0, 0)
MARGIN: Final = 0.12  # of the height of the print, on every side
LEAST_MARGIN_PX: Final = 2
FACE_MARGIN: Final = 0.15
"""Of the longer side of a face's box, on top of the margin that everything gets: hair, ears and chin tell, too."""
CODE_MARGIN: Final = 0.04  # of the code's longer side
_BARS_ALIKE: Final = 0.5  # correlation of a row across a linear code with the row that was read
_PROFILE_PX: Final = 256


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


def cover_face(box: Box) -> list[Box]:
    """The box with the rest of the head."""
    return [_grown(box, FACE_MARGIN)]


def cover_code(pixels: Pixels, code: Code) -> list[Box]:
    """The whole code; a reader marks a linear one only where it scanned it, so its bars are followed to their ends."""
    if not code.linear:
        return [_grown(code.box, CODE_MARGIN)]
    return [_grown(_whole_bars(pixels, code.box), CODE_MARGIN)]


def _grown(box: Box, share: float) -> Box:
    """The box with a margin on every side, as a share of its longer side."""
    corners = np.array(box, np.float64)
    along, down = corners[1] - corners[0], corners[3] - corners[0]
    length, height = max(float(np.linalg.norm(along)), 1.0), max(float(np.linalg.norm(down)), 1.0)
    margin = share * max(length, height)
    x, y = along / length * margin, down / height * margin
    return _as_box(corners + np.array([-x - y, x - y, x + y, y - x]))


def _whole_bars(pixels: Pixels, box: Box) -> Box:
    """A linear code from the upper to the lower ends of its bars.

    The surroundings are turned so that the bars stand upright; rows like the one in the middle belong to the code.
    """
    corners = np.array(box, np.float64)
    start, end = (corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2
    along = end - start
    across = np.array([-along[1], along[0]])  # as long as the code: bars are not longer than that
    source = np.array([start - across, end - across, start + across], np.float32)
    target = np.array([[0, 0], [_PROFILE_PX, 0], [0, 2 * _PROFILE_PX]], np.float32)
    turned = cv2.warpAffine(
        np.ascontiguousarray(pixels),
        cv2.getAffineTransform(source, target),
        (_PROFILE_PX, 2 * _PROFILE_PX),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )
    bars = cv2.cvtColor(turned, cv2.COLOR_RGB2GRAY).astype(np.float64)
    bars -= bars.mean(axis=1, keepdims=True)
    bars /= np.linalg.norm(bars, axis=1, keepdims=True) + 1e-9
    middle = bars[_PROFILE_PX - 2 : _PROFILE_PX + 3].mean(axis=0)
    alike = bars @ (middle / (np.linalg.norm(middle) + 1e-9)) > _BARS_ALIKE
    first = last = _PROFILE_PX
    while first > 0 and alike[max(0, first - 4) : first].any():  # a scratch across the bars does not end them
        first -= 1
    while last < len(alike) - 1 and alike[last + 1 : last + 5].any():
        last += 1
    up, down = across * ((first - _PROFILE_PX) / _PROFILE_PX), across * ((last - _PROFILE_PX) / _PROFILE_PX)
    return _as_box(np.concatenate([corners, [start + up, end + up, end + down, start + down]]))


def _as_box(points: npt.NDArray[np.float64]) -> Box:
    """Four corners as they are; of more points the smallest rectangle around them."""
    if len(points) != 4:
        points = np.asarray(cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))), np.float64)
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d
