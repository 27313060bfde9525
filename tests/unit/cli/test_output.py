"""Tables and JSON."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import click
import pytest

from server.cli.output import show_fields, show_json, show_table, table_text


def test_a_table_in_a_pipe_is_plain_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "number", "there"), [("one", 1, True), ("[red]two[/red]", 22, None)])
    out = capsys.readouterr().out
    assert "\x1b" not in out
    assert out.isascii()
    lines = [line for line in out.splitlines() if line.strip()]
    assert lines[0].startswith("| name ")
    assert any("[red]two[/red]" in line for line in lines), "markup in a value is text"
    assert any("yes" in line for line in lines)


def test_numbers_are_aligned_right(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("number",), [(1,), (2222,)])
    lines = capsys.readouterr().out.splitlines()
    one = next(line for line in lines if "1" in line)
    many = next(line for line in lines if "2222" in line)
    assert one.index("1") == many.index("2222") + 3


WIDE = (
    ("who", "what was said"),
    [("key:51694784872ab3c5", "I am here to read the meter of this house."), ("b", "No.")],
)


def in_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", str(columns))
    return click.unstyle(table_text(*WIDE))


@pytest.mark.parametrize("columns", [42, 50, 60, 75, 200])
def test_no_word_is_broken_in_a_terminal(columns: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = in_a_terminal(columns, monkeypatch)
    assert set(" ".join(cell for row in WIDE[1] for cell in row).split()) <= set(shown.split())
    assert max(map(len, shown.splitlines())) <= columns
    assert "who" in shown.splitlines()[0]
    assert "what was said" in shown.splitlines()[0]


def test_a_terminal_that_is_too_narrow_gets_the_rows_one_below_the_other(monkeypatch: pytest.MonkeyPatch) -> None:
    assert in_a_terminal(30, monkeypatch).splitlines() == [
        "who            key:51694784872ab3c5",
        "what was said  I am here to read the meter of this house.",
        "",
        "who            b",
        "what was said  No.",
    ]


def test_rows_one_below_the_other_leave_out_what_is_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdout.isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "12")
    assert table_text(("id", "label"), [("0123456789", None), ("1", "")]).splitlines() == [
        "id     0123456789",
        "",
        "id     1",
    ]


def test_a_row_in_a_pipe_is_one_line_however_long(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name", "text"), [("one", "word " * 100), ("two", "x" * 300)])
    assert len(capsys.readouterr().out.splitlines()) == 4


def test_an_empty_table_is_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    show_table(("name",), [], empty="There are none.")
    assert capsys.readouterr().out == "There are none.\n"


def test_fields_are_aligned(capsys: pytest.CaptureFixture[str]) -> None:
    show_fields((("a", 1), ("longer", 0.5), ("none", None)))
    assert capsys.readouterr().out.splitlines() == ["a       1", "longer  0.5", "none    "]


def test_json_has_no_nan(capsys: pytest.CaptureFixture[str]) -> None:
    show_json([{"total": float("nan"), "rates": (0.5, float("inf"))}, -float("inf")])
    assert json.loads(capsys.readouterr().out) == [{"total": None, "rates": [0.5, None]}, None]


def test_json_keeps_letters_and_writes_other_types_as_text(capsys: pytest.CaptureFixture[str]) -> None:
    show_json({"name": "Zoë", "at": datetime(2026, 1, 2, tzinfo=UTC), "path": Path("x")})
    out = capsys.readouterr().out
    assert "Zoë" in out
    assert json.loads(out) == {"name": "Zoë", "at": "2026-01-02T00:00:00Z", "path": "x"}
