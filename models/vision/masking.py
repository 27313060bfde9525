"""Paints over print, faces and barcodes, so that nothing of them is left."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.vision.barcodes import Barcode
from models.vision.geometry import stretch, text_height
from models.vision.types import Box, OcrLine

COLOUR: Final = (0, 0, 0)
MARGIN: Final = 0.12  # share of the height of the print, on every side
MIN_MARGIN_PX: Final = 2
FACE_MARGIN: Final = 0.15
"""Share of the longer side of a face's box, in addition to ``MARGIN``: it covers hair, ears and chin."""
BARCODE_MARGIN: Final = 0.04  # share of the barcode's longer side
_MIN_ROW_CORRELATION: Final = 0.5
"""Of a row across a linear barcode with the row that was read."""
_PROFILE_PX: Final = 256


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
    box = _whole_bars(pixels, barcode.box) if barcode.linear else barcode.box
    return [_grown(box, BARCODE_MARGIN)]


def _grown(box: Box, share: float) -> Box:
    """The box with a margin on every side, as a share of its longer side."""
    corners = np.array(box, np.float64)
    along, down = corners[1] - corners[0], corners[3] - corners[0]
    length, height = max(float(np.linalg.norm(along)), 1.0), max(float(np.linalg.norm(down)), 1.0)
    margin = share * max(length, height)
    x, y = along / length * margin, down / height * margin
    return _as_box(corners + np.array([-x - y, x - y, x + y, y - x]))


def _whole_bars(pixels: Pixels, box: Box) -> Box:
    """A linear barcode from the upper to the lower ends of its bars.

    The surroundings are turned so that the bars are vertical. Rows that correlate with the middle row belong to it.
    """
    corners = np.array(box, np.float64)
    start, end = (corners[0] + corners[3]) / 2, (corners[1] + corners[2]) / 2
    along = end - start
    across = np.array([-along[1], along[0]])  # bars are at most as long as the barcode
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
    alike = bars @ (middle / (np.linalg.norm(middle) + 1e-9)) > _MIN_ROW_CORRELATION
    first = last = _PROFILE_PX
    while first > 0 and alike[max(0, first - 4) : first].any():  # a scratch across the bars does not end them
        first -= 1
    while last < len(alike) - 1 and alike[last + 1 : last + 5].any():
        last += 1
    up, down = across * ((first - _PROFILE_PX) / _PROFILE_PX), across * ((last - _PROFILE_PX) / _PROFILE_PX)
    return _as_box(np.concatenate([corners, [start + up, end + up, end + down, start + down]]))


def _as_box(points: npt.NDArray[np.float64]) -> Box:
    """Four corners as they are, or the smallest rectangle around more points."""
    if len(points) != 4:
        points = np.asarray(cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))), np.float64)
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d
