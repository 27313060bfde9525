"""Crops of lines that may hold the digits of a meter: level, and all of one size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels
from models.vision.types import Box

CROP_HEIGHT: Final = 32
CROP_WIDTH: Final = 256
# The detector marks the middle of a line. This factor of area over outline gives its edge (DB's unclip ratio).
_UNCLIP: Final = 1.6
_MIN_PROBABILITY: Final = 0.25  # meters score lower than print, because of the gaps between their windows
_MIN_ASPECT: Final = 2.2
_MAX_LINES: Final = 12
_MIN_LENGTH_PX: Final = 12
_MAX_SAMPLES: Final = 6  # samples for a crop pixel, in each direction


@dataclass(frozen=True, slots=True)
class Line:
    """A straight line of print.

    Attributes:
        x: Middle, in pixels of the picture.
        y: The same.
        angle: Direction of reading in radians, clockwise from the x axis.
        length: Along the line, pixels.
        height: Across the line, pixels.
    """

    x: float
    y: float
    angle: float
    length: float
    height: float

    def moved(self, along: float, across: float) -> Line:
        """Shifted along its direction and across it (downwards for upright print), in pixels."""
        cos, sin = math.cos(self.angle), math.sin(self.angle)
        return replace(self, x=self.x + along * cos - across * sin, y=self.y + along * sin + across * cos)

    def turned(self) -> Line:
        """Read from the other end."""
        return replace(self, angle=self.angle + math.pi)

    def on_its_side(self) -> Line:
        """Read downwards instead: length and height change places."""
        return replace(self, angle=self.angle + math.pi / 2, length=self.height, height=self.length)

    def box(self) -> Box:
        """Its corners, clockwise from the upper left of the text."""
        half_x, half_y = self.length / 2, self.height / 2
        ends = [
            self.moved(a, b) for a, b in ((-half_x, -half_y), (half_x, -half_y), (half_x, half_y), (-half_x, half_y))
        ]
        a, b, c, d = ((end.x, end.y) for end in ends)
        return a, b, c, d


def lines_from_map(probability: npt.NDArray[np.float32], width: int, height: int) -> list[Line]:
    """The largest long regions of a text detector's map, largest first.

    Args:
        probability: Of text, shape (map height, map width), in [0, 1].
        width: Of the picture that the map covers, in pixels.
        height: The same.
    """
    scale = np.array([width / probability.shape[1], height / probability.shape[0]], np.float32)
    marked = cv2.dilate((probability > _MIN_PROBABILITY).astype(np.uint8), np.ones((2, 2), np.uint8))
    outlines, _ = cv2.findContours(marked, cv2.RETR_LIST, cv2.CHAIN_APPROX_SIMPLE)
    lines = []
    for outline in outlines:
        if len(outline) < 3:
            continue
        (x, y), (length, across), degrees = cv2.minAreaRect(outline.reshape(-1, 2).astype(np.float32) * scale)
        angle = math.radians(degrees)
        if length < across:
            length, across, angle = across, length, angle + math.pi / 2
        if length < _MIN_LENGTH_PX * scale[0] or across <= 0:
            continue
        edge = _UNCLIP * length * across / (length + across)  # both edges together
        lines.append(Line(x, y, angle, length + edge, across + edge))
    return _largest_long(lines)


def lines_from_boxes(boxes: npt.NDArray[Any]) -> list[Line]:
    """The same from a detector's boxes.

    Args:
        boxes: Corners (x, y), clockwise, shape (n, 4, 2).
    """
    lines = []
    for corners in boxes.astype(np.float64):
        along, down = corners[1] - corners[0], corners[3] - corners[0]
        x, y = corners.mean(axis=0)
        lines.append(Line(x, y, math.atan2(along[1], along[0]), math.hypot(*along), math.hypot(*down)))
    upright = [line if line.length >= line.height else line.on_its_side() for line in lines]
    return _largest_long(upright)


def _largest_long(lines: Sequence[Line]) -> list[Line]:
    long = [line for line in lines if line.length > _MIN_ASPECT * line.height > 0]
    return sorted(long, key=lambda line: -line.length * line.height)[:_MAX_LINES]


def crop(image: Pixels, line: Line, band: float, squeeze: float = 1.0) -> Pixels:
    """The surroundings of a line, level, shape (``CROP_HEIGHT``, ``CROP_WIDTH``, 3).

    Args:
        image: Any channel order.
        line: Its middle becomes the middle of the crop. Beyond the picture its edge is repeated.
        band: Height of the crop in heights of the line.
        squeeze: How much the crop is shortened along the line.
    """
    step = line.height * band / CROP_HEIGHT  # picture pixels in a crop pixel
    samples = min(_MAX_SAMPLES, max(1, math.ceil(step)))
    cos, sin = math.cos(line.angle) * step / samples, math.sin(line.angle) * step / samples
    turn = np.array([[cos * squeeze, -sin], [sin * squeeze, cos]])
    middle = np.array([CROP_WIDTH * samples - 1, CROP_HEIGHT * samples - 1]) / 2
    to_picture = np.column_stack([turn, np.array([line.x, line.y]) - turn @ middle])
    sampled: Any = cv2.warpAffine(
        image,
        to_picture,
        (CROP_WIDTH * samples, CROP_HEIGHT * samples),
        flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    if samples == 1:
        return np.asarray(sampled, np.uint8)
    return np.asarray(cv2.resize(sampled, (CROP_WIDTH, CROP_HEIGHT), interpolation=cv2.INTER_AREA), np.uint8)


def to_input(crops: Sequence[Pixels], *, balanced: bool = False) -> npt.NDArray[np.float32]:
    """Crops as the net takes them, shape (n, 3, height, width): mean 0 and about unit contrast in any light.

    Args:
        crops: Of one size.
        balanced: Give each channel the mean 0, so that the colour of the light or of the ground is no contrast. In
            orange light the contrast of the digits would be small beside it.
    """
    values = np.stack(crops).astype(np.float32)
    centred = values - values.mean(axis=(1, 2) if balanced else (1, 2, 3), keepdims=True)
    spread = centred.std(axis=(1, 2, 3), keepdims=True, ddof=1)
    scaled: npt.NDArray[np.float32] = centred / (spread + 6)
    return np.ascontiguousarray(scaled.transpose(0, 3, 1, 2))
