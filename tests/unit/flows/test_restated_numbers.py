"""A number that was answered before is changed by a text that names it, or says nothing but it with its unit."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import pytest

from models.text import RedactedText
from server.flows.dialogue import answers_in
from server.flows.loader import load_flow
from server.flows.progress import Answer, progress_of
from server.flows.reading.answer_text import AnswerText

_FLOW: Final = load_flow(Path(__file__).parent / "car_return.yaml")


def mileage_after(language: str, *texts: str) -> str:
    rows: list[Answer] = []
    for number, text in enumerate(texts):
        material = AnswerText(RedactedText.literal(text), "text", language, date(2026, 11, 28))
        rows += answers_in(progress_of(_FLOW, {}, rows), material, asked=True, source_id=f"turn-{number}")
    [mileage] = [one for one in progress_of(_FLOW, {}, rows).fields if one.field.name == "mileage"]
    return mileage.value.value


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "nein, 48213"),
        ("de", "der Kilometerstand ist 48213"),
        ("de", "es sind 48.213 Kilometer"),
        ("de", "Das sind genau 48 213 km."),
        ("de", "48213 km"),
        ("en", "sorry, 48213"),
        ("en", "the mileage is 48213"),
        ("en", "It's 48,213 kilometres."),
        ("en", "48213 km"),
    ],
)
def test_a_number_is_stated_again(language: str, text: str) -> None:
    assert mileage_after(language, "47800", text) == "48213"


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "Ich fahre 20 Kilometer zur Arbeit"),
        ("de", "halb voll, nach 300 Kilometern"),
        ("de", "Sind es 48213 Kilometer?"),
        ("de", "3/4"),
        ("en", "I drove 300 kilometres today"),
        ("en", "it is 300 kilometres to my home"),
    ],
)
def test_a_number_of_something_else_changes_nothing(language: str, text: str) -> None:
    assert mileage_after(language, "47800", text) == "47800"


def test_only_the_number_that_was_answered_last_is_meant() -> None:
    assert mileage_after("de", "47800", "halb voll", "48213 km") == "47800"
