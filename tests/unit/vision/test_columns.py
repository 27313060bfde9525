from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from models.text import RawText
from models.vision.columns import split_at_columns
from models.vision.geometry import span_x
from models.vision.types import OcrLine
from tests.unit.vision.pictures import box, line


def _read(text: str, left: float, top: float) -> OcrLine:
    """A line as the OCR reads it, ten pixels a character."""
    return replace(line(text, left, top), middles=tuple((n + 0.5) / len(text) for n in range(len(text))))


def _texts(lines: list[OcrLine]) -> list[str]:
    return [part.text.reveal() for part in split_at_columns(lines)]


def _table(*last: OcrLine) -> list[OcrLine]:
    """Three rows with a column at 100, and more lines."""
    rows = [("Name", "Company"), ("Xq Zt", "Acme Ltd"), ("Yv Wk", "Granary")]
    return [_read(text, 100 * n, 40 * top) for top, row in enumerate(rows) for n, text in enumerate(row)] + list(last)


@pytest.mark.parametrize(
    ("glued", "parts"),
    [
        ("Mai NguyenBolt GmbH", ["Mai Nguyen", "Bolt GmbH"]),
        ("Mai Nguye Bolt GmbH", ["Mai Nguye", "Bolt GmbH"]),
        ("0151 23456Bolt GmbH", ["0151 23456", "Bolt GmbH"]),
        ("an@mail.deBolt GmbH", ["an@mail.de", "Bolt GmbH"]),
        ("Mai Nguyen08:15", ["Mai Nguyen", "08:15"]),
        ("012345678908:15", ["0123456789", "08:15"]),
        ("Mai Nguyen(030) 12", ["Mai Nguyen", "(030) 12"]),
        ("Mai Nguyen24.12.2026", ["Mai Nguyen", "24.12.2026"]),
        # The OCR took the last digit for a letter, so the change is one character early.
        ("aaaa 07:0BMai Ho", ["aaaa 07:0", "BMai Ho"]),
        # Nothing says where a cell of capitals, or a number, ends.
        ("MAI NGUYENBOLT GMBH", ["MAI NGUYENBOLT GMBH"]),
        ("0151 234567890123", ["0151 234567890123"]),
        ("A remark over both", ["A remark over both"]),
    ],
)
def test_a_line_is_cut_where_the_other_rows_begin_a_cell(glued: str, parts: list[str]) -> None:
    assert _texts(_table(_read(glued, 0, 120)))[6:] == parts


def test_a_part_has_its_own_words_and_places() -> None:
    name, company = split_at_columns(_table(_read("Mai NguyenBolt GmbH", 0, 120)))[6:]
    assert [word.text.reveal() for word in name.words] == ["Mai", "Nguyen"]
    assert [word.text.reveal() for word in company.words] == ["Bolt", "GmbH"]
    assert span_x(name.box) == pytest.approx((0, 100))
    assert span_x(name.words[1].box) == pytest.approx((40, 100))
    assert span_x(company.box) == pytest.approx((100, 190))
    assert company.middles == pytest.approx([(n + 0.5) / 9 for n in range(9)])


def test_a_column_of_glued_cells_alone_is_found() -> None:
    glued = [_read(text, 0, 40 * n) for n, text in enumerate(("10:11Mai Nguyen", "10:12Ana Ho", "11:40B. Pike"))]
    assert _texts(glued) == ["10:11", "Mai Nguyen", "10:12", "Ana Ho", "11:40", "B. Pike"]


def test_a_header_shows_a_column_of_which_every_row_has_a_gap() -> None:
    lines = [_read("Date Name", 0, 0), _read("2401 Xq Zt", 0, 40), _read("2402 Yv Wk", 0, 80)]
    assert _texts(lines) == ["Date", "Name", "2401", "Xq Zt", "2402", "Yv Wk"]
    assert _texts(lines[1:]) == ["2401 Xq Zt", "2402 Yv Wk"]


def test_headers_that_are_glued_are_cut() -> None:
    lines = [_read("VONNAME", 0, 0), _read("0815Mai Nguyen", -10, 40), _read("0816Ana Ho", -10, 80)]
    assert _texts(lines) == ["VON", "NAME", "0815", "Mai Nguyen", "0816", "Ana Ho"]


@pytest.mark.parametrize(
    "texts",
    [
        ["It was a cold day and", "the McDonald family sat", "in the old house again"],
        ["+49 151 2345678", "+49 152 8765432", "+49 153 1122334", "+49 154 9988776"],
        ["C12345678", "C23456789", "D34567890", "F45678901"],
        [],
    ],
)
def test_what_is_no_table_is_left_alone(texts: list[str]) -> None:
    assert _texts([_read(text, 0, 40 * n) for n, text in enumerate(texts)]) == texts


def test_a_column_ends_with_its_table() -> None:
    far = _read("Mai Nguye Bolt GmbH", 0, 800)
    assert _texts(_table(far))[6:] == ["Mai Nguye Bolt GmbH"]


@pytest.mark.parametrize("degrees", [-1.5, 1.5])
def test_a_page_may_lean(degrees: float) -> None:
    turn = math.radians(degrees)
    matrix = np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])

    def leaning(one: OcrLine) -> OcrLine:
        a, b, c, d = ((float(x), float(y)) for x, y in np.array(one.box) @ matrix.T)
        return replace(one, box=(a, b, c, d))

    lines = _table(_read("Mai NguyenBolt GmbH", 0, 120), _read("A remark that is long", 0, 160))
    assert _texts([leaning(one) for one in lines])[6:8] == ["Mai Nguyen", "Bolt GmbH"]


def test_lines_without_places_of_characters_are_left_alone() -> None:
    bare = OcrLine(RawText("Mai NguyenBolt GmbH"), box(0, 120, 190), 0.9)
    assert _texts(_table(bare))[6:] == ["Mai NguyenBolt GmbH"]
