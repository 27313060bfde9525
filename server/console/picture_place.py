"""Where in a redacted picture a value stands, as SVG shows it: without a style of its own, which the policy forbids."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, Self

AROUND: Final = 0.1
"""How much of the picture is shown on each side of the box, as a share of the box's larger side."""
LEAST_SHARE: Final = 0.25
"""Least part of the picture's width that is shown, so that a small box is not blown up until nothing is recognised."""


class Box(Protocol):
    """``vestibule.v1.PictureBox``: shares of the picture, 0 to 1."""

    @property
    def left(self) -> float: ...  # noqa: D102
    @property
    def top(self) -> float: ...  # noqa: D102
    @property
    def width(self) -> float: ...  # noqa: D102
    @property
    def height(self) -> float: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class PicturePlace:
    """A picture and the part of it that is shown, in pixels.

    Attributes:
        address: Of the redacted picture.
        width: Of the whole picture.
        height: Of the whole picture.
        view: Left, top, width and height of the part that is shown.
        box: The same of the value; None if it was not found in the picture.
    """

    address: str
    width: int
    height: int
    view: tuple[int, int, int, int]
    box: tuple[int, int, int, int] | None = None

    @classmethod
    def of(cls, address: str, width: int, height: int, box: Box | None) -> Self:
        """The part around a box; the whole picture without one.

        Args:
            address: Of the redacted picture.
            width: Of the picture in pixels.
            height: Of the picture in pixels.
            box: Of the value.
        """
        if box is None or box.width <= 0 or box.height <= 0:
            return cls(address, width, height, (0, 0, width, height))
        left, top = box.left * width, box.top * height
        across, down = box.width * width, box.height * height
        margin = max(across, down) * AROUND
        shown_width = min(max(across + 2 * margin, LEAST_SHARE * width), width)
        shown_height = min(max(down + 2 * margin, shown_width / 3), height)
        view_left = min(max(left + across / 2 - shown_width / 2, 0), width - shown_width)
        view_top = min(max(top + down / 2 - shown_height / 2, 0), height - shown_height)
        view = tuple(map(round, (view_left, view_top, shown_width, shown_height)))
        place = tuple(map(round, (left, top, across, down)))
        return cls(address, width, height, view, place)  # type: ignore[arg-type]  # four numbers each
