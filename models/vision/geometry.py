"""Geometry of text boxes: parts of a line, and rows of a page."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

from models.vision.types import Box, OcrLine

Point = tuple[float, float]


def stretch(box: Box, start: float, end: float) -> Box:
    """The part of a line's box between two shares of its length: 0 is the start of the text, 1 its end."""
    top_left, top_right, bottom_right, bottom_left = box
    return (
        _between(top_left, top_right, start),
        _between(top_left, top_right, end),
        _between(bottom_left, bottom_right, end),
        _between(bottom_left, bottom_right, start),
    )


def _between(a: Point, b: Point, share: float) -> Point:
    return a[0] + (b[0] - a[0]) * share, a[1] + (b[1] - a[1]) * share


def span_x(box: Box) -> tuple[float, float]:
    """Leftmost and rightmost x."""
    xs = [x for x, _ in box]
    return min(xs), max(xs)


def span_y(box: Box) -> tuple[float, float]:
    """Topmost and lowest y."""
    ys = [y for _, y in box]
    return min(ys), max(ys)


def centre(box: Box) -> Point:
    """Mean of the corners."""
    return sum(x for x, _ in box) / 4, sum(y for _, y in box) / 4


def text_height(box: Box) -> float:
    """Height of the print in pixels, whichever way the line runs."""
    (x0, y0), _, _, (x3, y3) = box
    return float(((x3 - x0) ** 2 + (y3 - y0) ** 2) ** 0.5)


def lies_in(inner: Box, outer: Box) -> bool:
    """Whether the centre of a box lies in another box, which may be turned."""
    x, y = centre(inner)
    edges = zip(outer, (*outer[1:], outer[0]), strict=True)
    return all((x1 - x0) * (y - y0) - (y1 - y0) * (x - x0) >= 0 for (x0, y0), (x1, y1) in edges)


def rows(lines: Sequence[OcrLine]) -> list[list[int]]:
    """Indices of the lines in each row of the page, rows from top to bottom, lines from left to right.

    A photographed page leans, so the page's slope is subtracted first. Perspective leaves some slope, so each
    line is compared with the one just above it.
    """
    slope = page_slope(lines)
    level = [_level(line.box, slope) for line in lines]
    found: list[list[int]] = []
    for i in sorted(range(len(lines)), key=lambda n: level[n]):
        height = text_height(lines[i].box)
        row = found[-1] if found else []
        if row and abs(level[i] - level[row[-1]]) < 0.6 * min(height, text_height(lines[row[-1]].box)):
            row.append(i)
        else:
            found.append([i])
    return [sorted(row, key=lambda n: span_x(lines[n].box)[0]) for row in found]


def page_slope(lines: Sequence[OcrLine]) -> float:
    """Median dy/dx of the long lines; 0 when there is none, or when the page lies on its side."""
    slopes = []
    for line in lines:
        (x0, y0), (x1, y1), _, _ = line.box
        if abs(x1 - x0) > 3 * text_height(line.box):
            slopes.append((y1 - y0) / (x1 - x0))
    return median(slopes) if slopes else 0.0


def _level(box: Box, slope: float) -> float:
    """Vertical position of a box after the slope is subtracted."""
    x, y = centre(box)
    return y - slope * x
