"""A second look at a redacted picture with the OCR, in this process and apart from the server."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from models.vision.types import OcrEngine


def read_print(picture: Path) -> str:
    """Everything that can still be read, one line of print a line.

    Raises:
        OSError: It is no picture.
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
