"""Tables: the header of a column says what its cells hold.

A visitor register often holds names that no classifier knows and numbers too short for any pattern.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from models.redaction.lexicons.loader import languages, word_lists
from models.vision.geometry import centre, page_slope, span_x, text_height
from models.vision.types import Box, OcrLine

_SUBJECT: Final = "labels"
_TYPES: Final = ("NAME", "PHONE", "EMAIL", "ADDRESS", "DOB", "PLATE", "PASSPORT", "ID")
COMPANY: Final = "COMPANY"
"""Stands for a column of companies; it is no entity type."""
_HEADERS: Final[dict[str, str | None]] = {
    label: kind
    for name, kind in [("column", None), ("company", COMPANY), *((kind, kind) for kind in _TYPES)]
    for language in languages(_SUBJECT)
    for label in word_lists(language, _SUBJECT).get(name, ())
}
"""Header to entity type of its cells; None for a column that identifies nobody."""

_MIN_REGISTER_HEADERS: Final = 3
_ON_FORMS: Final = frozenset({"date", "datum", "fecha"})
"""Headers beside a signature on any form."""
# A row that is further from the last one than this many median distances is not part of the table.
_MAX_GAP: Final = 2.5


@dataclass(frozen=True, slots=True)
class Cell:
    """A part of a line that is personal because of its column; offsets in code points of the line."""

    line: int
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class _Header:
    box: Box
    type: str | None


def header_type(text: str) -> str | None:
    """The entity type that a label or header stands for; None if it is not known, or identifies nobody."""
    kind = _HEADERS.get(folded(text))
    return kind if kind != COMPANY else None


def is_header(text: str) -> bool:
    """Whether a text is a known label or header."""
    return folded(text) in _HEADERS


def is_register(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]]) -> bool:
    """Whether a page has the header row of a register: three known headers, one for a person, and one for a visit."""
    return any(_is_register_row([folded(lines[i].text.reveal()) for i in row]) for row in rows)


def _is_register_row(titles: Sequence[str]) -> bool:
    kinds = {title: _HEADERS[title] for title in titles if title in _HEADERS}
    visits = [title for title, kind in kinds.items() if kind != "NAME" and title not in _ON_FORMS]
    return len(kinds) >= _MIN_REGISTER_HEADERS and "NAME" in kinds.values() and bool(visits)


def personal_cells(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]], *, aligned: bool = False) -> list[Cell]:
    """Find the cells under personal headers.

    Args:
        lines: All lines of the page.
        rows: Indices into them, row by row, left to right (``geometry.rows``).
        aligned: Whether only cells right below a header belong to it, as on a form, whose tables end without a mark.
    """
    return [cell for cell in _cells_under_headers(lines, rows, aligned=aligned) if cell.type != COMPANY]


def company_cells(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]]) -> list[Cell]:
    """Find the cells of the column in which a register names companies."""
    return [cell for cell in _cells_under_headers(lines, rows, aligned=False) if cell.type == COMPANY]


def _cells_under_headers(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]], *, aligned: bool) -> list[Cell]:
    headers: list[_Header] = []
    cells: list[Cell] = []
    distances: list[float] = []
    above, slope = 0.0, page_slope(lines)
    for row in rows:
        here = median(centre(lines[i].box)[1] for i in row)
        if found := _headers(lines, row):
            headers, distances = found, []
        elif headers:
            usual = median(distances) if distances else 3 * median(text_height(h.box) for h in headers)
            if here - above > _MAX_GAP * usual:
                headers = []
                continue
            distances.append(here - above)
            below = [i for i in row if not aligned or _below(lines[i], headers)]
            cells += [cell for i in below for cell in _cells(i, lines[i], headers, slope)]
        above = here
    return cells


def _headers(lines: Sequence[OcrLine], row: Sequence[int]) -> list[_Header]:
    """The headers of a header row, else nothing. It has two known headers or more, one of them personal."""
    known = [(lines[i].box, folded(lines[i].text.reveal())) for i in row]
    headers = [_Header(box, _HEADERS.get(text)) for box, text in known]
    count = sum(text in _HEADERS for _, text in known)
    return headers if count >= 2 and any(h.type not in (None, COMPANY) for h in headers) else []


def folded(text: str) -> str:
    """Lower-case words without diacritics: "Prénom(s)" and "PRENOM" are the same; an ß is two letters."""
    plain = unicodedata.normalize("NFKD", text.casefold().replace("'", ""))
    return " ".join(re.findall(r"[a-z]+", "".join(c for c in plain if not unicodedata.combining(c))))


def _cells(index: int, line: OcrLine, headers: Sequence[_Header], slope: float) -> list[Cell]:
    text = line.text.reveal()
    if not any(c.isalnum() for c in text):
        return []
    left, right = span_x(line.box)
    words = list(_spans(line))
    covered = [h for h in headers if left < centre(h.box)[0] < right]
    kind = _column(line.box, headers).type
    is_entered = kind in (None, COMPANY) and any(_entered(box, headers, slope) for _, _, box in words)
    if not words or not (len(covered) > 1 or is_entered):
        return [Cell(index, 0, len(text), kind)] if kind else []
    kinds = ((start, end, _entered(box, headers, slope) or _column(box, headers).type) for start, end, box in words)
    return [Cell(index, start, end, kind) for start, end, kind in kinds if kind]


def _spans(line: OcrLine) -> Iterator[tuple[int, int, Box]]:
    """Start and end of each word, and its box."""
    text, position = line.text.reveal(), 0
    for word in line.words:
        start = text.index(word.text.reveal(), position)
        position = start + len(word.text)
        yield start, position, word.box


def _entered(box: Box, headers: Sequence[_Header], slope: float) -> str | None:
    """The type of the personal column into which a word runs from the left, as in "10:1Ana"."""
    left, right = span_x(box)
    margin = text_height(box) / 2
    for header in headers:
        starts = span_x(header.box)[0] + slope * (centre(header.box)[1] - centre(box)[1])
        if header.type not in (None, COMPANY) and left < starts - margin and starts + margin < right:
            return header.type
    return None


def _below(line: OcrLine, headers: Sequence[_Header]) -> bool:
    """Whether a line lies below its own header, and is no label."""
    left, right = span_x(_column(line.box, headers).box)
    start, end = span_x(line.box)
    text = line.text.reveal()
    return start < right and left < end and not is_header(text) and not text.rstrip().endswith(":")


def _column(box: Box, headers: Sequence[_Header]) -> _Header:
    """The header of a cell: the nearest by left edge or by centre.

    A cell that ends before a harmless header starts may also be the end of the personal column before it.
    """

    def distance(header: _Header) -> float:
        return min(abs(span_x(box)[0] - span_x(header.box)[0]), abs(centre(box)[0] - centre(header.box)[0]))

    nearest = min(headers, key=distance)
    begun = [h for h in headers if span_x(h.box)[0] < span_x(box)[1]]
    return min(begun, key=distance) if nearest.type in (None, COMPANY) and begun else nearest
