"""Which lines of a page the redactor sees together."""

from __future__ import annotations

import pytest

from models.vision.geometry import rows
from models.vision.passages import passages
from models.vision.types import OcrLine
from tests.unit.vision.pictures import line


def _joined(lines: list[OcrLine], *, in_cells: bool) -> set[str]:
    return {p.text for p in passages(lines, rows(lines), in_cells=in_cells) if len(p.pieces) > 1}


NEAR = [line("Xq", 0, 0), line("Zt", 50, 0)]
FAR = [line("Gate 2", 0, 0), line("Sheet 9", 400, 0)]


@pytest.mark.parametrize(
    ("lines", "together", "in_cells"),
    [
        (NEAR, {"Xq Zt"}, False),
        (NEAR, {"Xq Zt"}, True),
        (FAR, {"Gate 2 Sheet 9"}, False),
        (FAR, set(), True),
        # A label for a person is seen with its value, however far, and what follows the value is not.
        ([line("Visited", 0, 0), line("Xq", 400, 0), line("Lot", 800, 0)], set(), True),
        ([line("Surname", 0, 0), line("Xq", 400, 0), line("Lot", 800, 0)], {"Surname Xq"}, True),
        ([line("Checked by:", 0, 0), line("Xq", 400, 0)], {"Checked by: Xq"}, True),
        ([line("Xq", 0, 0), line("Zt", 0, 25)], {"Xq Zt"}, True),
        ([line("Xq", 0, 0), line("Zt", 0, 60)], set(), True),
    ],
)
def test_near_cells_labels_with_values_and_the_next_line_are_seen_together(
    lines: list[OcrLine], together: set[str], in_cells: bool
) -> None:
    assert _joined(lines, in_cells=in_cells) == together


def test_every_line_is_also_seen_alone_and_its_piece_says_where_it_is() -> None:
    found = list(passages(NEAR, rows(NEAR), in_cells=True))
    assert [p.text for p in found if len(p.pieces) == 1] == ["Xq", "Zt"]
    both = next(p for p in found if len(p.pieces) == 2)
    assert [both.text[p.offset : p.offset + p.length] for p in both.pieces] == ["Xq", "Zt"]
    assert [p.touches(2, 4) for p in both.pieces] == [False, True]
