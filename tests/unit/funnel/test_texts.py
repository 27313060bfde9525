"""The texts of the report: those of the package, and a file on top of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.reasons import Reason
from server.funnel.texts import load_texts

STEP = "{categories: [performance], effort: high, title: Buy a faster machine, action: Ask the operators.}"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "texts.yaml"


def test_a_file_replaces_what_it_has_and_leaves_the_rest(file: Path) -> None:
    file.write_text(f"steps:\n  AWAITING_APPROVAL: {STEP}\n", encoding="utf-8")
    own, changed = load_texts(), load_texts(file)
    assert changed.of_step("AWAITING_APPROVAL").title == "Buy a faster machine"
    assert changed.of_step("COMPLETED") == own.of_step("COMPLETED")


def test_an_empty_file_changes_nothing(file: Path) -> None:
    file.write_text("# nothing yet\n", encoding="utf-8")
    assert load_texts(file) == load_texts()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("steps: {COMPLETED: {title: Maria Lopez}}", "steps.COMPLETED.action (missing)"),
        ("steps: {SOLD: {title: Maria Lopez}}", "steps.SOLD"),
        (f"steps: {{COMPLETED: {STEP.replace('performance', 'Maria Lopez')}}}", "steps.COMPLETED.categories.0"),
        (f"steps: {{COMPLETED: {STEP.replace('high', 'Maria Lopez')}}}", "steps.COMPLETED.effort"),
        ("Maria: {Lopez: 1}", "Maria (extra_forbidden)"),
        ("[steps]", "mapping"),
        ("steps: [1]", "mapping"),
        ("steps: {", "line 1"),
        ("#" * 300_000, "256 KiB"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(file: Path, text: str, said: str) -> None:
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InvalidInput) as refused:
        load_texts(file)
    assert refused.value.reason is Reason.REPORT_TEXTS_INVALID
    assert said in refused.value.message
    assert "Maria Lopez" not in refused.value.message


def test_a_file_that_is_not_there_or_no_text_is_refused(file: Path) -> None:
    with pytest.raises(InvalidInput, match="No such file"):
        load_texts(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidInput, match="UTF-8"):
        load_texts(file)
