"""docs/reference/ says what the code says, and the code documents everything that it lists."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs import generate


def test_reference_pages_match_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    status = generate.main(["--check"])
    assert status == 0, capsys.readouterr().out


def test_a_page_that_differs_is_shown_as_a_diff(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert generate.main([], tmp_path) == 0
    assert generate.main(["--check"], tmp_path) == 0
    page = tmp_path / "reference" / "settings.md"
    page.write_text(page.read_text(encoding="utf-8").replace("`4.0`", "`5.0`"), encoding="utf-8")
    assert generate.main(["--check"], tmp_path) == 1
    shown = capsys.readouterr().out
    assert "-| `VESTIBULE_DRAIN_S` | `5.0`" in shown
    assert "+| `VESTIBULE_DRAIN_S` | `4.0`" in shown
