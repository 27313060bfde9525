"""Splits lines of print where a column of a table starts, because the OCR reads cells that nearly touch as one line.

A column starts at an x at which several rows begin a cell. A row may also show it inside of a line: by a gap, or where
two cells are glued together, as in "NguyenBolt" and "11:39Ana". Places that only one row shows are left alone.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median
from typing import Final

from models.text import RawText
from models.vision.geometry import centre, page_slope, rows, stretch, text_height
from models.vision.tables import is_header
from models.vision.types import OcrLine, OcrWord

_NEAR: Final = 0.25
"""How far the starts of two cells of a column may be apart, in heights of the print."""
_MIN_ROWS: Final = 3
"""Rows that must show the start of a column."""
_MIN_CLEAR: Final = 2
"""Rows of them that must show it by a cell of its own or by glued cells; a gap may be in the middle of a value."""
_MIN_CLEAR_SHARE: Final = 0.2
"""The same as a share, unless one of them is a known header."""
_MAX_DISTANCE: Final = 1.6
"""Of a row to the nearest row that shows a column, in usual distances of rows."""
_MAX_LEAN: Final = 0.06
"""Difference of the slope of a line from that of the page."""
_MAX_HEADERS_LENGTH: Final = 40
"""Of two headers that are glued together."""

_CAPITAL: Final = "A-ZÀ-ÖØ-ÞĀĂĄĆČĎĐĘĚĞİŁŃŇŐŘŚŞŠŤŮŰŹŻŽ"
_GLUED: Final = re.compile(
    rf"(?<=[^\W\d_{_CAPITAL}]{{2}})(?=[{_CAPITAL}](?:[^\W\d_]|\.))"  # NguyenBolt
    rf"|(?<=[^\W\d_]{{3}})(?=\d\d)"  # Interview0151
    rf"|(?<=\d)(?=[{_CAPITAL}](?:[^\W\d_]{{2}}|\.))|(?<=\d\d)(?=[^\W\d_]{{3}})"  # 2026Ana, 2026ana
    r"|(?<=\d\d:\d\d)(?=\w)|(?<=\d)(?=\d\d:\d\d(?!\d))"  # 11:390151, 015111:39
    r"|(?<=\d\d[./-]\d\d[./-]\d{4})(?=\w)|(?<=\d)(?=\d\d[./-]\d\d[./-]\d{4})"
    r"|(?<=\w)(?=[(+]\d)|(?<=\|)(?=[\w(+])"
)
"""Where one cell may end and the next one begin without a gap."""
_CHANGE: Final = re.compile(r"(?<=[^\W\d_])(?=\d)|(?<=\d)(?=[^\W\d_])")
"""Where a cell may begin in a column that is known."""


@dataclass(frozen=True, slots=True)
class _Mark:
    """A place in a line at which a cell may start."""

    line: int
    x: float
    clear: bool
    header: bool


@dataclass(frozen=True, slots=True)
class _ColumnStart:
    """The start of a column.

    Attributes:
        ys: The rows that show it.
        reach: How far other rows of the table are from them.
        near: How far from it a cell may start.
    """

    x: float
    ys: tuple[float, ...]
    reach: float
    near: float

    def crosses(self, level: _Level) -> bool:
        """Whether a line of the table lies on both sides."""
        return level.covers(self.x, 2 * self.near) and any(abs(y - level.y) <= self.reach for y in self.ys)


class _Level:
    """A line in the coordinates of the upright page.

    Attributes:
        y: Of its middle.
        marks: Places after its start at which a cell may start: character, x, whether it is clear, whether it is a
            known header.
        changes: The same where the kind of character changes: character and x.
    """

    def __init__(self, line: OcrLine, slope: float) -> None:
        self.text = line.text.reveal()
        self.height = text_height(line.box)
        x, y = centre(line.box)
        self.y = y - slope * x
        ends = (stretch(line.box, share, share) for share in (0.0, 1.0))
        self._left, self._right = ((x0 + x1 + slope * (y0 + y1)) / 2 for (x0, y0), _, _, (x1, y1) in ends)
        self._middles = line.middles
        steps = [after - before for before, after in pairwise(line.middles)]
        self._half = median(steps) / 2 if steps else 0.5
        self.marks = [(at, self.start_of(at), clear, header) for at, clear, header in _marks(self.text)]
        glued = (match.start() for pattern in (_GLUED, _CHANGE) for match in pattern.finditer(self.text))
        self.changes = [(at, self.start_of(at)) for at in glued]

    def start_of(self, index: int) -> float:
        """Where a character starts. Characters are taken to be of one width."""
        return self._left + (self._middles[index] - self._half) * (self._right - self._left)

    def covers(self, x: float, margin: float) -> bool:
        """Whether the line lies on both sides of an x."""
        return self._left + margin < x < self._right - margin


def _marks(text: str) -> Iterator[tuple[int, bool, bool]]:
    starts = [match.start() for match in re.finditer(r"\S+", text)]
    headers = _headers(text)
    for start in starts[1:]:
        yield start, start in headers, start in headers
    for match in _GLUED.finditer(text):
        yield match.start(), True, False
    for start in headers - set(starts):
        yield start, True, True


def _headers(text: str) -> set[int]:
    """Where headers start in a line of nothing but known headers, glued or not: "In Name", "VONNAME"; else nothing."""
    found: set[int] = set()
    for match in re.finditer(r"\S+", text):
        word = match.group()
        if len(word) > _MAX_HEADERS_LENGTH:
            return set()
        cut = next((n for n in range(2, len(word) - 1) if is_header(word[:n]) and is_header(word[n:])), 0)
        if not cut and not is_header(word):
            return set()
        found |= {match.start(), match.start() + cut}
    return found


def split_at_columns(lines: Sequence[OcrLine]) -> list[OcrLine]:
    """The lines, each cut where a column of a table starts.

    Args:
        lines: All lines of the page.
    """
    slope = page_slope(lines)
    levels = {n: _Level(line, slope) for n, line in enumerate(lines) if _is_level(line, slope)}
    edges = _edges(lines, levels)
    split = (_parts(line, levels[n], edges) if n in levels else [line] for n, line in enumerate(lines))
    return [part for parts in split for part in parts]


def _is_level(line: OcrLine, slope: float) -> bool:
    (x0, y0), (x1, y1), _, _ = line.box
    text = line.text.reveal()
    return x1 - x0 > 0 and len(line.middles) == len(text) > 0 and abs((y1 - y0) / (x1 - x0) - slope) < _MAX_LEAN


def _edges(lines: Sequence[OcrLine], levels: dict[int, _Level]) -> list[_ColumnStart]:
    """The starts of columns, from left to right."""
    row_of: dict[int, int] = {}
    marks: list[_Mark] = []
    for number, row in enumerate(rows(lines)):
        row_of |= dict.fromkeys(row, number)
        for place, index in enumerate(row):
            if level := levels.get(index):
                if place:
                    marks.append(_Mark(index, level.start_of(0), True, is_header(level.text.rstrip(" :"))))
                marks += [_Mark(index, x, clear, header) for _, x, clear, header in level.marks]
    marks.sort(key=lambda mark: mark.x)
    usual = _usual_distance(levels)
    found = (_edge(group, levels, row_of, usual) for group in _groups(marks, levels))
    return [edge for edge in found if edge is not None]


def _usual_distance(levels: dict[int, _Level]) -> float:
    """Between two rows."""
    by_y = sorted(levels.values(), key=lambda level: level.y)
    steps = [b.y - a.y for a, b in pairwise(by_y) if b.y - a.y > 0.5 * a.height]
    return median(steps) if steps else 0.0


def _groups(marks: Sequence[_Mark], levels: dict[int, _Level]) -> Iterator[list[_Mark]]:
    """Marks at one x. The clear ones say where that is."""
    xs = [mark.x for mark in marks]
    clear = [mark.x for mark in marks if mark.clear]
    nears = [_NEAR * levels[mark.line].height for mark in marks if mark.clear]
    start = 0
    while start < len(clear):
        near = nears[start]
        ends = {
            n: bisect_right(clear, clear[n] + 2 * near)
            for n in range(start, bisect_right(clear, clear[start] + 2 * near))
        }
        best = max(ends, key=lambda n: ends[n] - n)
        x = median(clear[best : ends[best]])
        yield list(marks[bisect_left(xs, x - near) : bisect_right(xs, x + near)])
        start = max(ends[best], bisect_right(clear, x + near))


def _edge(
    group: Sequence[_Mark], levels: dict[int, _Level], row_of: dict[int, int], usual: float
) -> _ColumnStart | None:
    """The column that a group of marks shows, unless too many rows run through it."""
    shown = {row_of[m.line]: levels[m.line].y for m in group}
    clear = {row_of[m.line]: levels[m.line].y for m in group if m.clear}
    few = len(clear) < max(_MIN_CLEAR, _MIN_CLEAR_SHARE * len(shown))
    if len(shown) < _MIN_ROWS or (few and not any(m.header for m in group)):
        return None
    reach = _MAX_DISTANCE * usual
    ys = _reached(clear.values(), shown.values(), reach)
    near = _NEAR * median(levels[m.line].height for m in group)
    edge = _ColumnStart(median(m.x for m in group if m.clear), ys, reach, near)
    through = {row_of[n] for n, level in levels.items() if edge.crosses(level) and _place(level, edge) is None}
    return edge if 2 * len(through - set(shown)) <= len(shown) else None


def _reached(clear: Iterable[float], shown: Iterable[float], reach: float) -> tuple[float, ...]:
    """The rows that show a column, from those that show it clearly on from row to row."""
    known = set(clear)
    runs: list[list[float]] = []
    for y in sorted({*known, *shown}):
        if runs and y - runs[-1][-1] <= reach:
            runs[-1].append(y)
        else:
            runs.append([y])
    return tuple(y for run in runs if not known.isdisjoint(run) for y in run)


def _parts(line: OcrLine, level: _Level, edges: Sequence[_ColumnStart]) -> list[OcrLine]:
    """The line, cut at the columns that it crosses."""
    places = {place for edge in edges if edge.crosses(level) and (place := _place(level, edge))}
    ends = sorted({0, *places, len(level.text)})
    if any(_share(line, after) <= _share(line, before) for before, after in pairwise(ends)):
        return [line]
    return [part for start, end in pairwise(ends) if (part := _part(line, start, end))] if places else [line]


def _place(level: _Level, edge: _ColumnStart) -> int | None:
    """The character with which the cell at a column starts: where the kind of character changes, or after a gap."""
    gaps = [(abs(x - edge.x), at) for at, x, *_ in level.marks if abs(x - edge.x) <= 1.5 * edge.near]
    changes = [(abs(x - edge.x), at) for at, x in level.changes if abs(x - edge.x) <= 3 * edge.near]
    return min([*gaps, *changes], default=(0.0, None))[1]


def _part(line: OcrLine, start: int, end: int) -> OcrLine | None:
    """A part of a line as a line of its own; None if it is blank."""
    text = line.text.reveal()
    end -= len(text[start:end]) - len(text[start:end].rstrip())
    start += len(text[start:end]) - len(text[start:end].lstrip())
    if start >= end:
        return None
    left, right = _share(line, start), _share(line, end)
    if start and text[start - 1].isspace():  # words reach to the middle of the space around them
        left = (left + _share(line, start - 1)) / 2
    if end < len(text) and text[end].isspace():
        right = (right + _share(line, end + 1)) / 2
    words, position = [], 0
    for word in line.words:
        first = text.index(word.text.reveal(), position)
        position = first + len(word.text)
        if first < end and start < position:
            words.append(_part_of_word(line, word, (first, position), (start, end)))
    middles = tuple((middle - left) / (right - left) for middle in line.middles[start:end])
    score = fmean(word.score for word in words) if words else line.score
    return OcrLine(RawText(text[start:end]), stretch(line.box, left, right), score, tuple(words), middles)


def _part_of_word(line: OcrLine, word: OcrWord, span: tuple[int, int], part: tuple[int, int]) -> OcrWord:
    """The part of a word that lies in a part of its line."""
    start, end = max(span[0], part[0]), min(span[1], part[1])
    if (start, end) == span:
        return word
    text = line.text.reveal()[start:end]
    return OcrWord(RawText(text), stretch(line.box, _share(line, start), _share(line, end)), word.score)


def _share(line: OcrLine, index: int) -> float:
    """Where a character starts, as a share of the line: halfway from the middle of the one before."""
    if index in (0, len(line.middles)):
        return float(index > 0)
    return (line.middles[index - 1] + line.middles[index]) / 2
