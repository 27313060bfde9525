"""Small pictures and page layouts for the tests of this folder."""

from __future__ import annotations

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.media.pixels import Pixels
from models.text import RawText
from models.vision.types import Box, OcrLine, OcrWord

DATA = Path(__file__).parents[2] / "data"


def corners() -> Image.Image:
    """40 x 20, red in the upper left quarter, blue elsewhere: shows which way up it is."""
    picture = Image.new("RGB", (40, 20), (0, 0, 255))
    picture.paste((255, 0, 0), (0, 0, 20, 10))
    return picture


def encoded(picture: Image.Image, kind: str, **options: object) -> bytes:
    """The picture as a file."""
    out = io.BytesIO()
    picture.save(out, kind, **options)
    return out.getvalue()


def red_corner(pixels: Pixels) -> str:
    """Where the red quarter is: ``upper left`` and so on."""
    height, width = pixels.shape[:2]
    red = np.argwhere((pixels[..., 0] > 128) & (pixels[..., 2] < 128))
    y, x = red.mean(axis=0)
    return f"{'upper' if y < height / 2 else 'lower'} {'left' if x < width / 2 else 'right'}"


def box(left: float, top: float, width: float, height: float = 20) -> Box:
    """An upright box."""
    return (left, top), (left + width, top), (left + width, top + height), (left, top + height)


def line(text: str, left: float, top: float, scores: Sequence[float] = ()) -> OcrLine:
    """A line of print, ten pixels a character; words score 0.95 unless told."""
    words, position = [], 0
    for n, word in enumerate(text.split()):
        start = text.index(word, position)
        position = start + len(word)
        score = scores[n] if scores else 0.95
        words.append(OcrWord(RawText(word), box(left + 10 * start, top, 10 * len(word)), score))
    return OcrLine(RawText(text), box(left, top, 10 * len(text)), 0.95, tuple(words))
