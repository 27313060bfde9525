from __future__ import annotations

import math

import pytest

from models.vision.geometry import page_slope, rows, stretch, text_height
from models.vision.types import Box, OcrLine
from tests.unit.vision.pictures import box, line


def _leaning(source: OcrLine, degrees: float) -> OcrLine:
    turn = math.radians(degrees)

    def move(point: tuple[float, float]) -> tuple[float, float]:
        x, y = point
        return x * math.cos(turn) - y * math.sin(turn), x * math.sin(turn) + y * math.cos(turn)

    a, b, c, d = (move(p) for p in source.box)
    return OcrLine(source.text, (a, b, c, d), source.score, source.words)


@pytest.mark.parametrize("degrees", [-8.0, -2.0, 0.0, 3.0, 8.0])
def test_rows_are_found_on_a_tilted_page(degrees: float) -> None:
    table = [[line(f"row {r} cell {c}", 60 + 400 * c, 100 + 60 * r) for c in range(4)] for r in range(5)]
    flat = [_leaning(cell, degrees) for row in table for cell in row]
    shuffled = sorted(range(20), key=lambda n: (n * 7) % 20)
    lines = [flat[n] for n in shuffled]
    found = [[lines[i].text.reveal() for i in row] for row in rows(lines)]
    assert found == [[f"row {r} cell {c}" for c in range(4)] for r in range(5)]
    assert page_slope(lines) == pytest.approx(math.tan(math.radians(degrees)), abs=1e-6)


def test_no_lines_no_rows() -> None:
    assert rows([]) == []
    assert page_slope([]) == 0.0


@pytest.mark.parametrize(
    ("whole", "start", "end", "part"),
    [
        (box(0, 0, 100), 0.25, 0.5, box(25, 0, 25)),
        (box(0, 0, 100), 0.0, 1.0, box(0, 0, 100)),
        # Text that runs downwards: its top left is the upper right corner.
        (((20, 0), (20, 100), (0, 100), (0, 0)), 0.5, 1.0, ((20, 50), (20, 100), (0, 100), (0, 50))),
    ],
)
def test_a_part_of_a_line_follows_its_characters(whole: Box, start: float, end: float, part: Box) -> None:
    assert stretch(whole, start, end) == part
    assert text_height(whole) == 20
