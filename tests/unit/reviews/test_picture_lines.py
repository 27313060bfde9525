"""Where the lines of a picture lie: stored without any text, and found again by a value."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from models.text import RedactedText
from models.vision.types import RedactedLine, RedactedPage
from server.ledger.picture_lines import PictureBox, PictureLine, lines_of, locate, rows_of
from tests.fakes.gateway import ONE_PIXEL_PNG, page, redacted

WIDTH, HEIGHT = 200, 400


def page_of(rows: list[list[str]]) -> RedactedPage:
    """A page with lines in rows, each a box of its own."""
    lines = [
        RedactedLine(
            redacted(text),
            ((x * 20.0, y * 10.0), (x * 20.0 + 18, y * 10.0), (x * 20.0 + 18, y * 10.0 + 8), (x * 20.0, y * 10.0 + 8)),
            0.9,
        )
        for y, row in enumerate(rows)
        for x, text in enumerate(row)
    ]
    texts = iter(line.text for line in lines)
    joined = [RedactedText.join((next(texts) for _ in row), " | ") for row in rows]
    text = RedactedText.join(joined, "\n")
    return RedactedPage(tuple(lines), text, ONE_PIXEL_PNG, "image/png", WIDTH, HEIGHT, painted=0, compute_s=0.0)


def place(x: int, y: int) -> PictureBox:
    sides = (x * 20 / WIDTH, y * 10 / HEIGHT, 18 / WIDTH, 8 / HEIGHT)
    return PictureBox(*(round(side, 4) for side in sides))


@pytest.mark.parametrize("seed", range(20))
def test_each_line_is_found_where_it_was_read(seed: int) -> None:
    chance = random.Random(seed)
    words = ["", "Name", "[REDACTED_NAME]", "08:15", "a | b", "Meter 4821", "x", "Pendlewick North"]
    rows = [[chance.choice(words) for _ in range(chance.randrange(1, 5))] for _ in range(chance.randrange(1, 12))]
    made = page_of(rows)
    lines = lines_of(made.text.value, rows_of(made))
    read = [(text, place(x, y)) for y, row in enumerate(rows) for x, text in enumerate(row) if text]
    if not any("|" in text for text, _ in read):
        assert [(line.text, line.box) for line in lines] == read
    for text, box in read:
        around = [
            line
            for line in lines
            if text in line.text
            and line.box.left <= box.left
            and line.box.top <= box.top
            and line.box.left + line.box.width >= box.left + box.width - 0.001
        ]
        assert around, "a row with a bar of its own is shown as a whole"


def test_a_page_whose_text_does_not_fit_its_lines_gives_no_place() -> None:
    made = page_of([["Name", "Time"], ["Pendlewick"]])
    assert rows_of(replace(made, text=redacted("Name\nPendlewick"))) == []
    assert rows_of(replace(made, text=redacted(""))) == [[]]


def test_a_text_that_was_redacted_again_keeps_its_places_while_its_rows_stay() -> None:
    rows = rows_of(page_of([["Name", "Maria"], ["Meter 4821"]]))
    assert [line.text for line in lines_of("Name | [REDACTED_NAME]\nMeter 4821", rows)] == [
        *("Name", "[REDACTED_NAME]", "Meter 4821")
    ]
    assert lines_of("Name | [REDACTED_NAME] Meter 4821", rows) == []
    [whole, last] = lines_of("[REDACTED_NAME]\nMeter 4821", rows)
    assert (whole.box.left, whole.box.width, last.box) == (0.0, 0.19, place(0, 1))


def test_corners_outside_the_picture_are_cut_off() -> None:
    line = RedactedLine(redacted("x"), ((-5.0, -5.0), (500.0, 2.0), (500.0, 900.0), (3.0, 900.0)), 0.9)
    made = replace(page("x"), lines=(line,), width=WIDTH, height=HEIGHT)
    assert rows_of(made) == [[PictureBox(0.0, 0.0, 1.0, 1.0)]]


@pytest.mark.parametrize(
    ("value", "found"),
    [
        ("4821", "Reading 4821 kWh"),
        ("04821", "Reading 4821 kWh"),
        ("4821,0", "Reading 4821 kWh"),
        ("482", None),
        ("pendlewick  NORTH", "Pendlewick North"),
        ("Pendle", None),
        ("17.5", "17,5 bar"),
        ("[REDACTED_NAME]", "[REDACTED_NAME]"),
        ("", None),
        ("yes", None),
    ],
)
def test_a_value_is_found_in_the_shortest_line_that_has_it(value: str, found: str | None) -> None:
    texts = ["Pendlewick North", "Reading 4821 kWh", "The reading of 4821 kWh was noted", "17,5 bar", "[REDACTED_NAME]"]
    lines = [PictureLine(text, place(0, n)) for n, text in enumerate(texts)]
    line = locate(value, lines)
    assert (line.text if line else None) == found
