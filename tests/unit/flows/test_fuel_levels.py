"""Options that share words: the longest phrase counts, and a part of it or a modified word decides nothing."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Final

import pytest

from models.text import RedactedText
from server.flows.fields import ChoiceField
from server.flows.loader import load_flow
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import read_choice

_FUEL: Final = load_flow(Path(__file__).parent / "car_return.yaml").fields["fuel"]


def fuel(language: str, text: str, *, asked: bool = True) -> str | None:
    assert isinstance(_FUEL, ChoiceField)
    material = AnswerText(RedactedText.literal(text), "text", language, date(2026, 11, 28))
    found = read_choice(_FUEL, material, asked=asked)
    return found and found.removeprefix("eighths_")


@pytest.mark.parametrize(
    ("language", "text", "eighths"),
    [
        ("de", "voll", "8"),
        ("de", "Der Tank ist ganz voll", "8"),
        ("de", "vollgetankt", "8"),
        ("de", "acht Achtel", "8"),
        ("de", "fast voll", "7"),
        ("de", "sieben Achtel voll", "7"),
        ("de", "7/8", "7"),
        ("de", "dreiviertel voll", "6"),
        ("de", "Der Tank ist dreiviertel voll", "6"),
        ("de", "zu drei Vierteln voll", "6"),
        ("de", "3/4 voll", "6"),
        ("de", "halb voll", "4"),
        ("de", "halb leer", "4"),
        ("de", "leer", "0"),
        ("en", "full", "8"),
        ("en", "It is a full tank", "8"),
        ("en", "nearly full", "7"),
        ("en", "seven eighths full", "7"),
        ("en", "three quarters full", "6"),
        ("en", "3/4 full", "6"),
        ("en", "half full", "4"),
        ("en", "half a tank", "4"),
        ("en", "a quarter full", "2"),
        ("en", "empty", "0"),
    ],
)
def test_the_longest_phrase_is_the_answer(language: str, text: str, eighths: str) -> None:
    assert fuel(language, text) == eighths


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "nahezu voll"),
        ("de", "beinahe ganz voll"),
        ("de", "ein Drittel voll"),
        ("de", "fast leer"),
        ("de", "mehr als halb voll"),
        ("de", "voll bis auf ein Achtel"),
        ("de", "halb oder ganz voll"),
        ("en", "almost full"),
        ("en", "almost completely full"),
        ("en", "nearly empty"),
        ("en", "two thirds full"),
        ("en", "less than half"),
        ("en", "full or nearly full"),
        ("en", "a quarter or half"),
    ],
)
def test_a_modified_word_and_two_options_are_asked_again(language: str, text: str) -> None:
    assert fuel(language, text) is None


@pytest.mark.parametrize(("language", "text"), [("de", "Der Tank ist dreiviertel voll"), ("en", "three quarters full")])
def test_the_label_in_a_longer_phrase_is_no_answer_to_another_question(language: str, text: str) -> None:
    assert fuel(language, text, asked=False) is None


@pytest.mark.parametrize(
    ("language", "text"),
    [
        ("de", "ungefähr drei vierte voll"),
        ("de", "noch zu 3-4 den voll"),
        ("de", "fünf neunte voll"),
        ("de", "drei vierte leer"),
        ("de", "die Anzeige sagt 3 zu 4 voll"),
        ("en", "three forths full"),
        ("en", "3-4 full"),
        ("en", "seven eights of the tank is full"),
        ("en", "three forth empty"),
    ],
)
def test_a_number_that_no_option_has_makes_a_shared_word_uncertain(language: str, text: str) -> None:
    assert fuel(language, text) is None


@pytest.mark.parametrize(
    ("language", "text", "eighths"),
    [
        ("de", "der Kilometerstand ist 48213 km und der Tank ist voll", "8"),
        ("de", "48213 Kilometer, voll", "8"),
        ("de", "ein bisschen mehr ging nicht, also voll", "8"),
        ("de", "Das ist ein voller Tank", "8"),
        ("en", "48213 kilometres and a full tank", "8"),
        ("en", "I would like to say it is full", "8"),
    ],
)
def test_a_number_of_something_else_leaves_the_option(language: str, text: str, eighths: str) -> None:
    assert fuel(language, text) == eighths
