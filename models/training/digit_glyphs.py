"""The digits of typefaces and of pens, as large masks."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.media.pixels import Pixels

DIGITS: Final = "0123456789"


@lru_cache(maxsize=4096)
def font(face: Path | None, size: int) -> Any:
    """A face of a size in pixels; None is the one that comes with Pillow."""
    return ImageFont.truetype(str(face), size) if face else ImageFont.load_default(size)


def font_digits(face: Path | None) -> list[Pixels]:
    """Ten digits of a face, all of one size, large."""
    typeface = font(face, 200)
    boxes = [typeface.getbbox(digit) for digit in DIGITS]
    top, bottom = int(min(b[1] for b in boxes)), int(max(b[3] for b in boxes))
    wide = int(max(b[2] - b[0] for b in boxes)) + 8
    glyphs = []
    for digit, (x0, _, x1, _) in zip(DIGITS, boxes, strict=True):
        glyph = Image.new("L", (wide, bottom - top + 8), 0)
        ImageDraw.Draw(glyph).text(((wide - (x1 - x0)) / 2 - x0, 4 - top), digit, 255, typeface)
        glyphs.append(np.asarray(glyph))
    return glyphs


def pen_digits() -> list[list[Pixels]]:
    """OpenCV's digits of one pen stroke, which look engraved, in three widths of pen."""
    found = []
    for face in (cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_DUPLEX, cv2.FONT_HERSHEY_COMPLEX):
        for pen in (10, 16, 22):
            glyphs = [np.zeros((220, 180), np.uint8) for _ in DIGITS]
            for digit, glyph in zip(DIGITS, glyphs, strict=True):
                cv2.putText(glyph, digit, (30, 180), face, 6, (255,), pen, cv2.LINE_AA)
            used = np.max(glyphs, axis=0) > 0
            rows, columns = np.flatnonzero(used.any(axis=1)), np.flatnonzero(used.any(axis=0))
            found.append([g[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1] for g in glyphs])
    return found
