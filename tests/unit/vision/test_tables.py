from __future__ import annotations

import pytest

from models.vision.geometry import rows
from models.vision.tables import personal_cells
from models.vision.types import OcrLine
from tests.unit.vision.pictures import line

HEADER = [line("Name", 0, 0), line("Phone No.", 300, 0), line("Time in", 600, 0)]


def _found(lines: list[OcrLine]) -> list[tuple[str, str]]:
    cells = personal_cells(lines, rows(lines))
    return [(lines[c.line].text.reveal()[c.start : c.end], c.type) for c in cells]


@pytest.mark.parametrize(
    ("below", "expected"),
    [
        ([line("Xq Zt", 0, 40)], [("Xq Zt", "NAME")]),
        ([line("Xq", 10, 40), line("0132", 290, 40), line("08:15", 610, 40)], [("Xq", "NAME"), ("0132", "PHONE")]),
        ([line("08:15", 600, 40)], []),
        ([line("-", 0, 40)], []),
        # The detector ran two columns together: each word goes to its own.
        (
            [line("Xq Zt                         5550132", 0, 40)],
            [("Xq", "NAME"), ("Zt", "NAME"), ("5550132", "PHONE")],
        ),
        # A footer far below is no row of the table.
        ([line("Xq", 0, 40), line("Zt", 0, 80), line("Page twelve", 0, 400)], [("Xq", "NAME"), ("Zt", "NAME")]),
    ],
)
def test_cells_have_the_type_of_their_header(below: list[OcrLine], expected: list[tuple[str, str]]) -> None:
    assert _found([*HEADER, *below]) == expected


def test_a_word_that_runs_into_a_personal_column_is_hidden_whole() -> None:
    header = [line("In", 0, 0), line("Name", 60, 0), line("Reason", 200, 0)]
    glued = [line("at 11:4BXq Zt", -20, 40), line("11:40", 0, 80), line("Audit", 200, 80)]
    assert _found([*header, *glued]) == [("11:4BXq", "NAME"), ("Zt", "NAME")]


def test_a_part_of_a_number_belongs_to_the_column_before_the_next_header() -> None:
    lines = [line("Phone", 0, 0), line("Date", 110, 0), line("030", 0, 40), line("222", 40, 40), line("333", 75, 40)]
    assert _found(lines) == [("030", "PHONE"), ("222", "PHONE"), ("333", "PHONE")]


@pytest.mark.parametrize(
    "lines",
    [
        [line("Name", 0, 0), line("something", 300, 0), line("Xq Zt", 0, 40)],  # one header alone may be a sentence
        [line("Date", 0, 0), line("Reading", 300, 0), line("24.11.", 0, 40), line("04821", 300, 40)],
        [line("WATER METER", 0, 0), line("04821 m3", 0, 40)],
        [],
    ],
)
def test_tables_without_personal_columns_are_ignored(lines: list[OcrLine]) -> None:
    assert _found(lines) == []


@pytest.mark.parametrize(
    ("title", "kind"),
    [
        ("Visitor's name", "NAME"),
        ("E-mail", "EMAIL"),
        ("ADDRESS", "ADDRESS"),
        ("Tel.", "PHONE"),
        ("Signature", "NAME"),
        ("Name of Visitor", "NAME"),
        ("Contact No.", "PHONE"),
        ("Whom to meet", "NAME"),
        ("Aadhaar No", "ID"),
        ("Straße", "ADDRESS"),
        ("Kfz-Kennzeichen", "PLATE"),
        ("Unterschrift", "NAME"),
        ("Prénom", "NAME"),
        ("Né(e) le", "DOB"),
        ("Téléphone", "PHONE"),
        ("Apellidos", "NAME"),
        ("Teléfono", "PHONE"),
        ("Matrícula", "PLATE"),
    ],
)
def test_misread_column_titles_are_still_recognized(title: str, kind: str) -> None:
    lines = [line("Date", 0, 0), line(title, 300, 0), line("24.11.", 0, 40), line("Xq", 300, 40)]
    assert _found(lines) == [("Xq", kind)]
