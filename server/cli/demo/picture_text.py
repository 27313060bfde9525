"""Reads a redacted picture again with the OCR, in this process and apart from the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.vision.types import OcrEngine


def read_print(picture: Path) -> str:
    """All print that can be read in the picture, one line for each.

    Raises:
        OSError: The file is not a picture.
    """
    import numpy as np
    from PIL import Image

    engine = _engine()
    with Image.open(picture) as opened:
        pixels = np.asarray(opened.convert("RGB"))
    return "\n".join(line.text.reveal() for line in engine.read(pixels))


@cache
def _engine() -> OcrEngine:
    from models.vision.ocr import RapidOcrEngine

    return RapidOcrEngine()
