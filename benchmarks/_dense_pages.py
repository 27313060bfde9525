"""Pages of dense print, as PNG: columns of 8-point print as in a newspaper, and words without end."""

from __future__ import annotations

import io
import math
import random
from typing import Final

from PIL import Image, ImageDraw, ImageFont

from benchmarks._drawn_pages import FONTS

A4_AT_300_DPI: Final = (2480, 3508)
POINT_PX: Final = 300 / 72
_WORDS: Final = ("valve", "gauge", "house", "river", "light", "north", "paper", "copper", "seven", "total", "4711")
_SHORT_WORDS: Final = ("ab", "cat", "4711", "no", "ox")
_MARGIN_PX: Final = 80
_LINE_SPACING: Final = 1.2


def columns(number: int, points: float = 8.0, seed: int = 1) -> bytes:
    """A page of A4 at 300 dpi, full of print in so many columns."""
    chance = random.Random(seed)
    page, canvas, font, height = _page(points)
    width = (A4_AT_300_DPI[0] - 2 * _MARGIN_PX) // number
    for top in range(_MARGIN_PX, A4_AT_300_DPI[1] - _MARGIN_PX - height, round(height * _LINE_SPACING)):
        for column in range(number):
            text = ""
            while font.getlength(longer := f"{text} {chance.choice(_WORDS)}".strip()) < width - 2 * height:
                text = longer
            canvas.text((_MARGIN_PX + column * width, top), text, fill=0, font=font)
    return _png(page)


def words(number: int, points: float = 5.0, seed: int = 1) -> bytes:
    """A page of A4 at 300 dpi with so many short words, each apart from the others."""
    chance = random.Random(seed)
    page, canvas, font, _ = _page(points)
    width, height = A4_AT_300_DPI
    across = round(math.sqrt(number * width / height / 3))
    down = -(-number // across)
    for n in range(number):
        place = n % across * width / across, n // across * height / down
        canvas.text(place, chance.choice(_SHORT_WORDS), fill=0, font=font)
    return _png(page)


def _page(points: float) -> tuple[Image.Image, ImageDraw.ImageDraw, ImageFont.FreeTypeFont, int]:
    height = round(points * POINT_PX)
    page = Image.new("L", A4_AT_300_DPI, 255)
    return page, ImageDraw.Draw(page), ImageFont.truetype(str(FONTS / "DejaVuSans.ttf"), height), height


def _png(page: Image.Image) -> bytes:
    out = io.BytesIO()
    page.save(out, "PNG")
    return out.getvalue()
