"""Finds faces with YuNet, so that they can be painted over.

YuNet finds faces between about 10 and 300 pixels high, with a tilt of up to 45 degrees. So it searches the picture once
at a large size, which finds small faces, and four times at a small size, once for each way up, which finds close-ups
and faces on documents that lie on their side. The results of all passes count.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

import cv2
import numpy as np
import numpy.typing as npt

from models.errors import InternalError
from models.media.pixels import Pixels
from models.vision.types import Box
from models.weights.store import locate

WEIGHTS: Final = "yunet-faces"
MODEL_FILE: Final = "face_detection_yunet_2023mar.onnx"
SAME_FACE_OVERLAP: Final = 0.3
"""Share of the smaller box: two boxes that overlap by this much are one face."""
_MAX_FACES: Final = 5_000
"""Candidates in one pass."""
_SCORE_COLUMN: Final = 14
"""OpenCV's rows are left, top, width, height, five landmarks and the score."""

Detections = npt.NDArray[np.float64]
"""Shape (n, 5): left, top, right, bottom in pixels of the picture, score."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its upright box from the chin to the hair line, in pixels of the picture, and a score in [0, 1]."""

    box: Box
    score: float


class FaceDetector(Protocol):
    """Finds faces in pictures on local weights."""

    def detect(self, pixels: Pixels) -> list[Face]:
        """Every face, the highest score first."""
        ...


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How to detect faces.

    Attributes:
        min_score: Lowest score of a face. It is low, because painting over too much is better than showing a face.
        large_side: Longest side in pixels of the pass that finds small faces.
        small_side: Longest side in pixels of the passes that find large and turned faces.
    """

    min_score: float = 0.5
    large_side: int = 800
    small_side: int = 352


class YunetFaceDetector:
    """YuNet of the OpenCV Zoo, on OpenCV. Safe to call from several threads; passes run one after the other.

    Args:
        cache: Root of the weights cache.
        options: How to detect faces.

    Raises:
        WeightsError: The weights are not there.
    """

    def __init__(self, cache: Path, options: FaceOptions | None = None) -> None:
        self._options = options or FaceOptions()
        model = str(locate(WEIGHTS, cache) / MODEL_FILE)
        # OpenCV warns on stderr that its new engine knows no targets; it uses the CPU all the same.
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._yunet = cv2.FaceDetectorYN.create(
                model, "", (320, 320), self._options.min_score, SAME_FACE_OVERLAP, _MAX_FACES
            )
        finally:
            cv2.utils.logging.setLogLevel(level)
        self._lock = threading.Lock()

    def detect(self, pixels: Pixels) -> list[Face]:
        """See ``FaceDetector``.

        Raises:
            InternalError: OpenCV failed.
        """
        height, width = pixels.shape[:2]
        large = _fit(pixels, self._options.large_side)
        small = _fit(large, self._options.small_side)
        found = [self._pass(large) * _scale(large, width, height)]
        for turns in range(4):
            turned = self._pass(np.rot90(small, turns))
            found.append(_turn_back(turned, turns, small.shape[1], small.shape[0]) * _scale(small, width, height))
        return [Face(_corners(row, width, height), float(row[4])) for row in _distinct(np.concatenate(found))]

    def _pass(self, pixels: Pixels) -> Detections:
        """One pass; boxes in pixels of the picture that is passed."""
        bgr = np.ascontiguousarray(pixels[..., ::-1])
        try:
            with self._lock:
                self._yunet.setInputSize((bgr.shape[1], bgr.shape[0]))
                _, rows = self._yunet.detect(bgr)
        except cv2.error as exc:
            raise InternalError("The face detector failed on this picture.") from exc
        if rows is None:
            return np.zeros((0, 5))
        left, top, width, height = (np.asarray(rows[:, n], np.float64) for n in range(4))
        return np.stack([left, top, left + width, top + height, rows[:, _SCORE_COLUMN]], axis=1)


def _fit(pixels: Pixels, side: int) -> Pixels:
    """The picture scaled down so that its longest side is at most ``side``."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)


def _scale(scaled: Pixels, width: int, height: int) -> Detections:
    """Factors from boxes in a scaled picture to pixels of the whole one; the score stays."""
    x, y = width / scaled.shape[1], height / scaled.shape[0]
    return np.array([x, y, x, y, 1.0])


def _turn_back(found: Detections, turns: int, width: int, height: int) -> Detections:
    """Boxes of a turned picture, as boxes of the picture before it was turned.

    Args:
        found: Boxes and scores in the turned picture.
        turns: Quarter turns, counter-clockwise.
        width: Of the picture before it was turned.
        height: Likewise.
    """
    left, top, right, bottom, score = found.T
    if turns == 1:
        left, top, right, bottom = width - bottom, left, width - top, right
    elif turns == 2:
        left, top, right, bottom = width - right, height - bottom, width - left, height - top
    elif turns == 3:
        left, top, right, bottom = top, height - right, bottom, height - left
    return np.stack([left, top, right, bottom, score], axis=1)


def _distinct(found: Detections) -> list[Detections]:
    """The box with the highest score of each face, sorted by score."""
    kept: list[Detections] = []
    for row in found[np.argsort(-found[:, 4])]:
        if all(_overlap(row, other) < SAME_FACE_OVERLAP for other in kept):
            kept.append(row)
    return kept


def _overlap(a: Detections, b: Detections) -> float:
    """Shared area as a share of the smaller box."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return float(width * height / smaller)


def _corners(row: Sequence[float] | Detections, width: int, height: int) -> Box:
    left, top = max(0.0, float(row[0])), max(0.0, float(row[1]))
    right, bottom = min(float(width), float(row[2])), min(float(height), float(row[3]))
    return (left, top), (right, top), (right, bottom), (left, bottom)
