"""Traces a linear barcode: a reader marks only one scan line across its bars."""

from __future__ import annotations

from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.vision.types import Box

Grey = npt.NDArray[np.uint8]
"""Brightness, shape (height, width)."""

_MIN_ROW_CORRELATION: Final = 0.5
"""Of a row across a linear barcode with the row that was read."""
_PROFILE_PX: Final = 256


def whole_bars(grey: Grey, box: Box) -> Box:
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
        grey,
        cv2.getAffineTransform(source, target),
        (_PROFILE_PX, 2 * _PROFILE_PX),
        flags=cv2.INTER_AREA,
        borderMode=cv2.BORDER_REPLICATE,
    )
    bars = turned.astype(np.float64)
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
    return as_box(np.concatenate([corners, [start + up, end + up, end + down, start + down]]))


def as_box(points: npt.NDArray[np.float64]) -> Box:
    """Four corners as they are, or the smallest rectangle around more points."""
    if len(points) != 4:
        points = np.asarray(cv2.boxPoints(cv2.minAreaRect(points.astype(np.float32))), np.float64)
    a, b, c, d = ((float(x), float(y)) for x, y in points)
    return a, b, c, d
