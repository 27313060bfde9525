"""Finds faces with YuNet, so that they can be painted over.

The model knows faces between about 10 and 300 pixels and tolerates a tilt of some 45 degrees. So the picture is
searched large once, which finds small faces, and small four times, one for each way up, which finds close-ups and faces
on documents that lie on their side. What any pass finds counts.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Protocol

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
"""Of the smaller box: two passes that share so much saw the same face."""
_STRIDES: Final = (8, 16, 32)
_GRID: Final = 32  # the network's sides are multiples of it

Found = npt.NDArray[np.float64]
"""Shape (n, 5): left, top, right, bottom in pixels of the picture, score."""


@dataclass(frozen=True, slots=True)
class Face:
    """A face: its upright box from the chin to the hair line, in pixels of the picture, and a score in [0, 1]."""

    box: Box
    score: float


class FaceDetector(Protocol):
    """Finds faces in pictures on local weights."""

    def find(self, pixels: Pixels) -> list[Face]:
        """Every face, the surest first."""
        ...


@dataclass(frozen=True, slots=True)
class FaceOptions:
    """How to look.

    Attributes:
        threads: Threads of ONNX Runtime; two are slower than one on pictures of this size.
        least_score: Geometric mean of the model's two probabilities. Low: on documents it sees no faces where none
            are, and a patch too many is better than a face.
        large_side: Longest side in pixels of the pass that finds small faces.
        small_side: Longest side in pixels of the passes that find large and turned faces.
    """

    threads: int = 1
    least_score: float = 0.5
    large_side: int = 800
    small_side: int = 352


class YunetFaceDetector:
    """YuNet of the OpenCV Zoo on ONNX Runtime. Safe to call from several threads.

    Args:
        cache: Root of the weights cache.
        options: How to look.

    Raises:
        WeightsError: The weights are not there.
    """

    def __init__(self, cache: Path, options: FaceOptions | None = None) -> None:
        self._options = options or FaceOptions()
        self._session = _session(locate(WEIGHTS, cache) / MODEL_FILE, self._options.threads)

    def find(self, pixels: Pixels) -> list[Face]:
        """See ``FaceDetector``.

        Raises:
            InternalError: ONNX Runtime failed.
        """
        height, width = pixels.shape[:2]
        large = _fit(pixels, self._options.large_side)
        small = _fit(large, self._options.small_side)
        found = [self._look(large) * _scale(large, width, height)]
        for turns in range(4):
            seen = self._look(np.rot90(small, turns))
            found.append(_turn_back(seen, turns, small.shape[1], small.shape[0]) * _scale(small, width, height))
        return [Face(_corners(row, width, height), float(row[4])) for row in _distinct(np.concatenate(found))]

    def _look(self, pixels: Pixels) -> Found:
        """One pass; boxes in pixels of what is given."""
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        height, width = pixels.shape[:2]
        padded = np.zeros((-(-height // _GRID) * _GRID, -(-width // _GRID) * _GRID, 3), np.uint8)
        padded[:height, :width] = pixels[..., ::-1]  # the model was trained on OpenCV's channel order
        tensor = np.ascontiguousarray(padded.transpose(2, 0, 1)[None], np.float32)
        outputs = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox")]
        try:
            raw = self._session.run(outputs, {"input": tensor})
        except RuntimeException as exc:
            raise InternalError("The face detector failed on this picture.") from exc
        levels = zip(_STRIDES, raw[0::3], raw[1::3], raw[2::3], strict=True)
        columns = padded.shape[1]
        return np.concatenate([self._decode(s, columns // s, cls[0], obj[0], box[0]) for s, cls, obj, box in levels])

    def _decode(self, stride: int, columns: int, cls: Any, obj: Any, boxes: Any) -> Found:
        """The anchors of one level that are sure enough; one anchor a cell, centre and log size in units of the stride.

        Args:
            stride: Pixels between cells.
            columns: Cells in a row.
            cls: Probability of a face rather than anything else, shape (cells, 1).
            obj: Probability that the box fits, shape (cells, 1).
            boxes: dx, dy, log w, log h, shape (cells, 4).
        """
        scores = np.sqrt(cls[:, 0].clip(0, 1) * obj[:, 0].clip(0, 1))
        (cells,) = np.nonzero(scores >= self._options.least_score)
        x = (cells % columns + boxes[cells, 0]) * stride
        y = (cells // columns + boxes[cells, 1]) * stride
        half_w, half_h = np.exp(boxes[cells, 2]) * stride / 2, np.exp(boxes[cells, 3]) * stride / 2
        return np.stack([x - half_w, y - half_h, x + half_w, y + half_h, scores[cells]], axis=1).astype(np.float64)


def _session(path: Path, threads: int) -> Any:
    """The model with free height and width; the file is exported for 640 x 640."""
    import onnx
    import onnxruntime

    model = onnx.load(path)
    for axis, name in ((2, "height"), (3, "width")):
        model.graph.input[0].type.tensor_type.shape.dim[axis].dim_param = name
    for output in model.graph.output:
        output.type.tensor_type.shape.dim[1].dim_param = f"cells_{output.name}"
    del model.graph.value_info[:]  # shapes of the exported size
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])


def _fit(pixels: Pixels, side: int) -> Pixels:
    """The picture scaled down so that its longest side is at most ``side``."""
    height, width = pixels.shape[:2]
    scale = side / max(height, width)
    if scale >= 1:
        return pixels
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    return np.asarray(cv2.resize(np.ascontiguousarray(pixels), size, interpolation=cv2.INTER_AREA), np.uint8)


def _scale(searched: Pixels, width: int, height: int) -> Found:
    """What brings boxes in the searched picture to pixels of the whole one; the score stays."""
    x, y = width / searched.shape[1], height / searched.shape[0]
    return np.array([x, y, x, y, 1.0])


def _turn_back(found: Found, turns: int, width: int, height: int) -> Found:
    """Boxes in a picture that was turned to the left ``turns`` times, in the picture before it was.

    Args:
        found: Boxes and scores.
        turns: Quarter turns, counter-clockwise.
        width: Of the picture before.
        height: Of the picture before.
    """
    left, top, right, bottom, score = found.T
    if turns == 1:
        left, top, right, bottom = width - bottom, left, width - top, right
    elif turns == 2:
        left, top, right, bottom = width - right, height - bottom, width - left, height - top
    elif turns == 3:
        left, top, right, bottom = top, height - right, bottom, height - left
    return np.stack([left, top, right, bottom, score], axis=1)


def _distinct(found: Found) -> list[Found]:
    """The surest box of each face, the surest face first."""
    kept: list[Found] = []
    for row in found[np.argsort(-found[:, 4])]:
        if all(_overlap(row, other) < SAME_FACE_OVERLAP for other in kept):
            kept.append(row)
    return kept


def _overlap(a: Found, b: Found) -> float:
    """Shared area as a share of the smaller box."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return 0.0
    smaller = min((a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1]))
    return float(width * height / smaller)


def _corners(row: Sequence[float] | Found, width: int, height: int) -> Box:
    left, top = max(0.0, float(row[0])), max(0.0, float(row[1]))
    right, bottom = min(float(width), float(row[2])), min(float(height), float(row[3]))
    return (left, top), (right, top), (right, bottom), (left, bottom)
