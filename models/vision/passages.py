"""Passages of a page: lines that the redactor sees together, because OCR splits a value wherever there is a gap."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from models.vision.geometry import centre, span_x, span_y, text_height
from models.vision.layout import asks_for_a_person
from models.vision.tables import is_header
from models.vision.types import Box, OcrLine

_WIDE_GAP: Final = 2.0
"""Between cells, in heights of the print; OCR also splits a number at its spaces."""
_NEXT_LINE: Final = 0.6
"""Between the middles of two lines, in heights of the print."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Where one line is in the text of a passage."""

    line: int
    offset: int
    length: int

    def touches(self, start: int, end: int) -> bool:
        """Whether [start, end) of the passage has a part of this line."""
        return self.offset < end and start < self.offset + self.length


@dataclass(frozen=True, slots=True)
class Passage:
    """One or more lines that the redactor sees together."""

    text: str
    pieces: tuple[Piece, ...]


def passages(lines: Sequence[OcrLine], row_indices: Sequence[Sequence[int]], *, in_cells: bool) -> Iterator[Passage]:
    """Each line alone, with the other cells of its row, and with the line below it.

    Args:
        lines: All lines of the page.
        row_indices: Indices into them, row by row, left to right (``geometry.rows``).
        in_cells: Whether cells of a row may have nothing to do with each other, as on a form. Only near cells, and a
            label for a person with its value, are then seen together.
    """
    for index in range(len(lines)):
        yield _passage(lines, (index,))
    for row in row_indices:
        for part in _near_cells(lines, row) if in_cells else (row,):
            if len(part) > 1:
                yield _passage(lines, part)
    for index, line in enumerate(lines):
        if (below := _line_below(lines, line)) is not None:
            yield _passage(lines, (index, below))


def are_far(before: Box, after: Box) -> bool:
    """Whether two cells are in different lines, or have a wide gap between them."""
    height = text_height(before)
    below = centre(after)[1] - centre(before)[1] > _NEXT_LINE * height
    return below or span_x(after)[0] - span_x(before)[1] > _WIDE_GAP * height


def _near_cells(lines: Sequence[OcrLine], row: Sequence[int]) -> Iterator[Sequence[int]]:
    """The parts of a row between its wide gaps; a label for a person stays with its value."""
    start = 0
    for place, (left, right) in enumerate(pairwise(row), 1):
        gap = span_x(lines[right].box)[0] - span_x(lines[left].box)[1]
        if gap > _WIDE_GAP * text_height(lines[left].box) and not asks_for_a_person(lines[left].text.reveal()):
            yield row[start:place]
            start = place
    yield row[start:]


def _passage(lines: Sequence[OcrLine], members: Sequence[int]) -> Passage:
    pieces, parts, offset = [], [], 0
    for index in members:
        text = lines[index].text.reveal()
        pieces.append(Piece(index, offset, len(text)))
        parts.append(text)
        offset += len(text) + 1
    return Passage(" ".join(parts), tuple(pieces))


def _line_below(lines: Sequence[OcrLine], line: OcrLine) -> int | None:
    """The nearest line that may continue this one: less than its height below it, and within its width.

    The value below a label may be in larger print; then the height of the value counts.
    """
    height = text_height(line.box)
    is_label = is_header(line.text.reveal())
    left, right = span_x(line.box)
    best: tuple[float, int] | None = None
    for index, other in enumerate(lines):
        step = centre(other.box)[1] - centre(line.box)[1]
        start, end = span_x(other.box)
        reach = max(height, text_height(other.box)) if is_label else height
        near = span_y(other.box)[0] - span_y(line.box)[1] < reach
        if _NEXT_LINE * height < step and near and start < right and left < end:
            best = min(best or (step, index), (step, index))
    return best[1] if best else None
