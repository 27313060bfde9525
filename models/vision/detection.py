"""Text detection before a picture is read: whether it shows a sheet of paper, and where print may be."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels

MAP_SIDE_PX: Final = 640
_MULTIPLE: Final = 32  # the detector's own grid
_THUMBNAIL: Final = 96
_MIN_PAPER: Final = 0.6
"""Share of bright, colourless ground in a picture of paper. Found in docs/evaluation/constants, "paper"."""
_GREY: Final = 40  # largest difference between the channels of paper


def is_paper(image: Pixels) -> bool:
    """Whether bright, colourless ground fills most of the picture, as in a scan or a page held to the camera."""
    small = cv2.resize(image, (_THUMBNAIL, _THUMBNAIL), interpolation=cv2.INTER_AREA).astype(np.int16)
    brightest, darkest = small.max(axis=2), small.min(axis=2)
    ground = (brightest > 0.8 * np.percentile(brightest, 95)) & (brightest - darkest < _GREY)
    return float(ground.mean()) > _MIN_PAPER


def text_map(ocr: Any, image: Pixels) -> npt.NDArray[np.float32]:
    """The detector's probability of print, on a picture scaled to ``MAP_SIDE_PX``, shape (map height, map width).

    Args:
        ocr: RapidOCR.
        image: BGR.
    """
    share = MAP_SIDE_PX / max(image.shape[:2])
    height, width = (max(_MULTIPLE, round(side * share / _MULTIPLE) * _MULTIPLE) for side in image.shape[:2])
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    scaled = small.astype(np.float32) / 127.5 - 1  # RapidOCR's: mean 0.5 and deviation 0.5 of [0, 1]
    probability: npt.NDArray[np.float32] = ocr.text_det.session(scaled.transpose(2, 0, 1)[None])[0, 0]
    return probability


def read_steps(
    ocr: Any, image: Pixels, record: dict[str, Any], scale: float, *, is_paper: bool
) -> tuple[Any, Any, Any]:
    """RapidOCR's three steps, with detection on a smaller picture.

    Args:
        ocr: RapidOCR.
        image: BGR, as ``preprocess_img`` gave it.
        record: What preprocessing did; the steps add to it.
        is_paper: Whether it is a sheet, on which no line alone is upside down. The classifier is often wrong there.
        scale: Factor of each side for detection. Lines are still cropped from the large picture.

    Returns:
        Boxes, turns and texts; boxes or texts are None when there is no print.
    """
    looked_at = image if scale == 1 else cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    found = ocr.text_det(looked_at)
    if found.boxes is None:
        return found, None, found
    found.boxes = found.boxes.astype(np.float32) / scale
    crops = ocr.crop_text_regions(image, found.boxes)
    upright, turned = ocr.cls_and_rotate(crops)
    if is_paper and _mostly_upright(crops, turned):
        upright, turned.cls_res = crops, [("0", 1.0)] * len(crops)
    return found, turned, ocr.recognize_txt(upright)


def _mostly_upright(crops: Sequence[Pixels], turned: Any) -> bool:
    """Whether most of the print of a page, by its length, was not turned by 180 degrees."""
    lengths = [(crop.shape[1], "180" in label) for crop, (label, _) in zip(crops, turned.cls_res, strict=True)]
    turned_length = sum(length for length, is_turned in lengths if is_turned)
    return bool(2 * turned_length < sum(length for length, _ in lengths))
