"""The texts of the report: those of the package, and a file on top of them."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from models.errors import InvalidInput
from models.reasons import Reason
from server.funnel import texts
from server.funnel.recommendations import condition_text
from server.funnel.texts import load_all_texts, load_texts
from server.funnel.types import Condition
from server.languages.texts import LANGUAGES

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


def test_each_language_has_each_text_of_advice() -> None:
    english, *others = load_all_texts().values()
    for other in others:
        assert other.language != english.language
        for name, text in english.causes.items():
            assert (other.causes[name].category, other.causes[name].effort) == (text.category, text.effort)
            assert other.causes[name].action != text.action
            assert bool(other.causes[name].label) == bool(text.label)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda entry: entry.pop("action"), "causes.refusal.action"),
        (lambda entry: entry.update(title="Ohne Bedingung"), "causes.refusal.title condition"),
    ],
)
def test_a_language_that_lacks_a_text_is_refused(
    monkeypatch: pytest.MonkeyPatch, change: Callable[[dict[str, str]], object], said: str
) -> None:
    read = texts._package_file

    def changed(name: str) -> Any:
        document = read(name)
        if name == "texts.de.yaml":
            change(document["causes"]["refusal"])
        return document

    monkeypatch.setattr(texts, "_package_file", changed)
    texts._of_package.cache_clear()
    try:
        with pytest.raises(InvalidInput, match=re.escape(said)):
            load_texts(language="de")
    finally:
        texts._of_package.cache_clear()


def test_a_file_in_one_language_is_taken_for_all(file: Path) -> None:
    file.write_text(f"steps:\n  AWAITING_APPROVAL: {STEP}\n", encoding="utf-8")
    for language in LANGUAGES:
        found = load_texts(file, language)
        assert found.of_step("AWAITING_APPROVAL").title == "Buy a faster machine"
        assert found.of_step("COMPLETED") == load_texts(language=language).of_step("COMPLETED")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("{en: Faster, de: Schneller}", {"en": "Faster", "de": "Schneller", "es": "Faster"}),
        ("{de: Schneller}", {"en": "Schneller", "de": "Schneller", "es": "Schneller"}),
    ],
)
def test_a_file_may_have_a_text_for_each_language(file: Path, given: str, told: dict[str, str]) -> None:
    file.write_text(f"steps: {{COMPLETED: {STEP.replace('Buy a faster machine', given)}}}", encoding="utf-8")
    assert {language: found.of_step("COMPLETED").title for language, found in load_all_texts(file).items()} == told


def test_a_language_that_there_is_not_is_refused(file: Path) -> None:
    file.write_text(f"steps: {{COMPLETED: {STEP.replace('Buy a faster machine', '{fr: Vite}')}}}", encoding="utf-8")
    with pytest.raises(InvalidInput, match=re.escape("steps.COMPLETED.title (string_type)")):
        load_texts(file)


@pytest.mark.parametrize(
    ("condition", "said"),
    [
        (Condition("wait_for_reply_s", ">", 4.75), "Sekunden bis zur ersten Antwort > 4,75"),
        (Condition("wait_for_reply_s", "in", (1.5, 2.0)), "Sekunden bis zur ersten Antwort > 1,5 und <= 2"),
        (Condition("app.upload_ms", ">", 6123.4), "upload_ms > 6.123"),
        (Condition("app.upload_ms", "in", (6000.0, 8250.0)), "upload_ms > 6.000 und <= 8.250"),
        (Condition("app.amount", "<=", 2_500_000.5), "amount <= 2.500.000"),
        (Condition("app.share", "<=", 0.00012), "share <= 0,00012"),
        (Condition("app.attempts", "=", 3.0), "attempts = 3"),
        (Condition("weekday", "=", "Monday"), "Wochentag (UTC) = Montag"),
        (Condition("app.day", "=", "Monday"), "day = Monday"),
        (Condition("document", "=", None), "Art der ersten Datei = unbekannt"),
        (Condition("app.hint", "not"), "hint = nein"),
    ],
)
def test_a_condition_is_in_the_language_of_the_texts(condition: Condition, said: str) -> None:
    assert condition_text(condition, load_texts(language="de")) == said


def test_that_a_thing_did_not_happen_has_no_text_against_the_thing(file: Path) -> None:
    cause = '{label: a hint, effort: low, title: "Show it where {condition}", action: Show the hint.}'
    file.write_text(f"causes:\n  app.hint: {cause}\n", encoding="utf-8")
    own = load_texts(file)
    assert own.of_cause(["upload_refused"], opposite=True) == own.causes["property"] != own.of_cause(["upload_refused"])
    assert own.of_cause(["app.hint"], opposite=True).action == "Show the hint."
    assert own.of_cause(["app.hint", "upload_refused"], opposite=True) == own.causes["together"]
