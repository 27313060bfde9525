"""Finds thin strokes on one ground colour, such as those of a signature.

A stroke has the same colour on both sides. The outline of a shape has not: it separates the shape from the ground.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

from models.media.pixels import Pixels

_HEIGHT: Final = 120  # pixels; the region is made smaller for the search
_WIDEST: Final = 0.25
"""Of a stroke, as a share of the height of the region."""
_WIDEST_INSIDE: Final = 0.15
"""The same on a colour that does not reach the edge of the region, such as a tyre around its rim."""
_SHORTEST: Final = 0.3
"""Of a stroke, as a share of the height of the region. The corners of shapes are shorter."""
_LEAST_GROUND: Final = 0.05  # share of the region
_FLAT: Final = 0.9
"""Share of the region that a few colours have. Other regions are not judged by their strokes: they count as strokes."""
_MOST_COLOURS: Final = 12
_SHADES: Final = 16  # of a channel, when the most common colours are looked for

Mask = npt.NDArray[np.uint8]


def has_pen_stroke(region: Pixels, tolerance: int) -> bool:
    """Whether a region has a long thin stroke with the same colour on both sides.

    Args:
        region: Upright, RGB, shape (height, width, 3).
        tolerance: Largest difference of a channel within one colour, 1 to 255.

    Returns:
        True also where the region has too many colours to say.
    """
    grounds = list(_grounds(region, tolerance))
    if not grounds or np.mean(np.any(grounds, axis=0)) < _FLAT:
        return True
    return any(_has_stroke(ground) for ground in grounds if ground.mean() >= _LEAST_GROUND)


def _grounds(region: Pixels, tolerance: int) -> Iterator[Mask]:
    """The most common colours as masks of 0 and 1, most common first."""
    values = region.astype(np.int16)
    shades = (region // _SHADES).astype(np.int32) @ np.array([_SHADES**2, _SHADES, 1], np.int32)
    left = np.ones(shades.shape, bool)
    for _ in range(_MOST_COLOURS):
        if left.mean() < (1 - _FLAT) / 2:
            return
        most = np.bincount(shades[left]).argmax()
        colour = np.median(values[left & (shades == most)], axis=0)
        ground = np.abs(values - colour).max(axis=2) <= tolerance
        left &= ~ground & (shades != most)
        yield ground.astype(np.uint8)


def _has_stroke(ground: Mask) -> bool:
    # A pixel of the smaller mask is ground if all its pixels are, so that thin strokes last.
    scale = min(1.0, _HEIGHT / len(ground))
    size = (max(1, round(ground.shape[1] * scale)), max(1, round(len(ground) * scale)))
    whole = (cv2.resize(ground * 255, size, interpolation=cv2.INTER_AREA) == 255).astype(np.uint8)
    edge = np.concatenate([whole[0], whole[-1], whole[:, 0], whole[:, -1]])
    widest = _WIDEST if edge.mean() >= _LEAST_GROUND else _WIDEST_INSIDE
    reach = max(1, round(widest * len(whole) / 2))
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1,) * 2)
    wide = cv2.copyMakeBorder(whole, *(2 * reach,) * 4, cv2.BORDER_REPLICATE)
    closed = cv2.morphologyEx(wide, cv2.MORPH_CLOSE, kernel)[2 * reach : -2 * reach, 2 * reach : -2 * reach]
    thin = closed & ~whole
    _, _, parts, _ = cv2.connectedComponentsWithStats(thin, connectivity=8)
    return bool((np.hypot(parts[1:, cv2.CC_STAT_WIDTH], parts[1:, cv2.CC_STAT_HEIGHT]) >= _SHORTEST * len(whole)).any())
