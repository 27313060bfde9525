"""Turns a Pillow picture of any mode into RGB of a bounded size, without a second full copy of it in memory."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageChops

_WHITE: Final = 255
_BAND_ROWS: Final = 256
_WITH_ALPHA: Final = {"RGBA", "LA", "PA", "RGBa", "La"}


def fit(size: tuple[int, int], side: int) -> tuple[int, int]:
    """The size scaled down so that the longest side is at most ``side``."""
    scale = min(1.0, side / max(size))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def to_rgb(picture: Image.Image, side: int) -> Image.Image:
    """Convert any mode to RGB, and scale it down to the longest side. Transparent pixels become white, so that hidden
    colours do not show.
    """
    size = fit(picture.size, side)
    if picture.mode in {"F", "I"} or picture.mode.startswith("I;"):
        picture = Image.fromarray(_as_8_bit(picture))
    if picture.mode in _WITH_ALPHA or "transparency" in picture.info:
        return _without_alpha(picture.convert("RGBA") if picture.mode != "RGBA" else picture, size)
    if picture.mode not in {"RGB", "L"}:
        picture = picture.convert("RGB")
    picture = _resized(picture, size)
    return picture if picture.mode == "RGB" else picture.convert("RGB")  # converting RGB would copy it


def _resized(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    if size == picture.size:
        return picture
    return picture.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)


def _without_alpha(picture: Image.Image, size: tuple[int, int]) -> Image.Image:
    white = ImageChops.invert(picture.getchannel("A"))
    channels = []
    for name in ("R", "G", "B"):  # one at a time: three full copies of a large picture would not fit
        channel = picture.getchannel(name)
        channel.paste(_WHITE, (0, 0), white)
        channels.append(_resized(channel, size))
    return Image.merge("RGB", channels)


def _as_8_bit(picture: Image.Image) -> npt.NDArray[np.uint8]:
    """Grey values of 16 bits, or of any range, as 0 to 255, a band of rows at a time."""
    width, height = picture.size
    bands = [(top, min(top + _BAND_ROWS, height)) for top in range(0, height, _BAND_ROWS)]

    def values(top: int, bottom: int) -> npt.NDArray[np.float64]:
        band = np.asarray(picture.crop((0, top, width, bottom)), dtype=np.float64)
        return np.nan_to_num(band, nan=0.0, posinf=0.0, neginf=0.0)

    low = min(float(values(*band).min()) for band in bands)
    high = max(float(values(*band).max()) for band in bands)
    if low >= 0 and high <= 65_535:
        low, high = 0.0, 65_535.0 if high > 255 else 255.0
    scale = 255.0 / ((high - low) or 1.0)
    grey = np.empty((height, width), np.uint8)
    for top, bottom in bands:
        grey[top:bottom] = ((values(top, bottom) - low) * scale).round().clip(0, 255)
    return grey
