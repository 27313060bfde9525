"""Tables: what stands under a header is what the header says.

A register often holds names that no classifier knows and numbers too short for any pattern; the column tells.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from models.vision.geometry import centre, span_x, text_height
from models.vision.types import Box, OcrLine

# Header, folded to lower-case letters -> entity type of its cells; None is a column that identifies nobody.
_HEADERS: Final[dict[str, str | None]] = {
    **dict.fromkeys(
        ("name", "names", "full name", "first name", "last name", "surname", "family name", "print name", "your name"),
        "NAME",
    ),
    **dict.fromkeys(
        ("visitor", "visitors", "visitor name", "visitors name", "guest", "guest name", "host", "host name"), "NAME"
    ),
    **dict.fromkeys(("customer", "customer name", "contact", "visiting", "to see", "person visited"), "NAME"),
    **dict.fromkeys(("signature", "signed", "sign", "initials"), "NAME"),
    **dict.fromkeys(
        ("phone", "phone no", "phone number", "telephone", "tel", "tel no", "mobile", "mobile no", "cell"), "PHONE"
    ),
    **dict.fromkeys(("email", "e mail", "mail", "email address", "e mail address"), "EMAIL"),
    **dict.fromkeys(("address", "home address", "street", "street address", "residence"), "ADDRESS"),
    **dict.fromkeys(("date of birth", "dob", "birth date", "born"), "DOB"),
    **dict.fromkeys(("plate", "plate no", "vehicle", "vehicle no", "car", "registration", "license plate"), "PLATE"),
    **dict.fromkeys(("passport", "passport no", "passport number"), "PASSPORT"),
    **dict.fromkeys(("id", "id no", "id number", "identity no"), "ID"),
    **dict.fromkeys(("time", "time in", "time out", "in", "out", "arrival", "departure", "date"), None),
    **dict.fromkeys(
        ("purpose", "reason", "company", "badge", "badge no", "no", "nr", "reading", "meter", "notes"), None
    ),
}
# Rows further apart than this many usual distances belong to something else, a footer perhaps.
_LARGEST_GAP: Final = 2.5


@dataclass(frozen=True, slots=True)
class Cell:
    """A stretch of a line that is personal by its column; offsets in code points of the line."""

    line: int
    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class _Header:
    box: Box
    type: str | None


def personal_cells(lines: Sequence[OcrLine], rows: Sequence[Sequence[int]]) -> list[Cell]:
    """Find what stands under personal headers.

    Args:
        lines: All lines of the page.
        rows: Indices into them, row by row, left to right (``geometry.rows``).
    """
    headers: list[_Header] = []
    cells: list[Cell] = []
    distances: list[float] = []
    above = 0.0
    for row in rows:
        here = median(centre(lines[i].box)[1] for i in row)
        if found := _headers(lines, row):
            headers, distances = found, []
        elif headers:
            usual = median(distances) if distances else 3 * median(text_height(h.box) for h in headers)
            if here - above > _LARGEST_GAP * usual:
                headers = []
                continue
            distances.append(here - above)
            cells += [cell for i in row for cell in _cells(i, lines[i], headers)]
        above = here
    return cells


def _headers(lines: Sequence[OcrLine], row: Sequence[int]) -> list[_Header]:
    """The headers of a row, or nothing when it is no header row: two known ones at least, one of them personal."""
    known = [(lines[i].box, _fold(lines[i].text.reveal())) for i in row]
    headers = [_Header(box, _HEADERS.get(text)) for box, text in known]
    count = sum(text in _HEADERS for _, text in known)
    return headers if count >= 2 and any(h.type for h in headers) else []


def _fold(text: str) -> str:
    return " ".join(re.findall(r"[a-z]+", text.lower().replace("'", "")))


def _cells(index: int, line: OcrLine, headers: Sequence[_Header]) -> list[Cell]:
    text = line.text.reveal()
    if not any(c.isalnum() for c in text):
        return []
    left, right = span_x(line.box)
    covered = [h for h in headers if left < centre(h.box)[0] < right]
    if len(covered) < 2 or not line.words:
        kind = _column(line.box, headers).type
        return [Cell(index, 0, len(text), kind)] if kind else []
    cells, position = [], 0  # the detector ran two columns together
    for word in line.words:
        start = text.index(word.text.reveal(), position)
        position = start + len(word.text)
        if kind := _column(word.box, headers).type:
            cells.append(Cell(index, start, position, kind))
    return cells


def _column(box: Box, headers: Sequence[_Header]) -> _Header:
    """The header that a cell belongs to: aligned on the left or centred, whichever fits better."""

    def distance(header: _Header) -> float:
        return min(abs(span_x(box)[0] - span_x(header.box)[0]), abs(centre(box)[0] - centre(header.box)[0]))

    return min(headers, key=distance)
