"""Ages of objects and counts of things are not ages of people."""

from __future__ import annotations

import pytest

from models.text import TextSource
from tests.unit.redaction.helpers import found

THINGS = [
    ("en", "the wheel turned ninety four degrees"),
    ("en", "I turn ninety degrees to the left"),
    ("en", "turn ninety four pages"),
    ("en", "I'll be ninety five minutes late"),
    ("en", "she will be ninety kilos lighter"),
    ("en", "the pressure turned ninety six"),
    ("en", "this old boiler is almost ninety three years old"),
    ("en", "we closed because the bridge is a hundred and two years old"),
    ("en", "the meter age is ninety one"),
    ("de", "unser kessel ist zweiundneunzig jahre alt"),
    ("es", "la caldera tiene noventa y un años"),
    ("hi", "यह मकान पंचानबे साल का है"),
]
PEOPLE = [
    ("en", "the guard of the factory is ninety six years old", "ninety six"),
    ("en", "the man who bought the house is ninety one years old", "ninety one"),
    ("en", "at the school a ninety four year old woman waits", "ninety four"),
    ("en", "the school has a ninety four year old teacher", "ninety four"),
    ("en", "the boiler is cold and my aunt is ninety two years old", "ninety two"),
    ("en", "she turned ninety three two weeks ago", "ninety three"),
    ("en", "I turn ninety six in autumn", "ninety six"),
    ("en", "he will turn a hundred and one on Sunday", "a hundred and one"),
    ("en", "I'll be ninety two next week", "ninety two"),
    ("de", "ich werde vierundneunzig Jahre", "vierundneunzig"),
    ("fr", "j'aurai quatre-vingt-quatorze ans en mars", "quatre-vingt-quatorze"),
    ("es", "cumplo noventa y cuatro años en mayo", "noventa y cuatro"),
    ("it", "compio novantaquattro anni a maggio", "novantaquattro"),
    ("pt", "faço noventa e quatro anos em maio", "noventa e quatro"),
    ("en", "about a visit last week to somebody whom we saw there and who lives in that very small house is "
     "ninety seven years old", "ninety seven"),
    ("de", "die frau im haus ist zweiundneunzig jahre alt", "zweiundneunzig"),
    ("es", "el dueño de la casa tiene noventa y un años", "noventa y un"),
]  # fmt: skip


@pytest.mark.parametrize(("language", "text"), THINGS)
def test_the_age_of_an_object_is_kept(language: str, text: str) -> None:
    assert found(text, TextSource.SPEECH, language) == []


@pytest.mark.parametrize(("language", "text", "age"), PEOPLE)
def test_the_age_of_a_person_beside_an_object_is_redacted(language: str, text: str, age: str) -> None:
    assert found(text, TextSource.SPEECH, language) == [("AGE", age)]


def test_an_age_in_a_german_compound_is_redacted() -> None:
    assert found("Die Anruferin ist eine 94-jährige Dame.", language="de") == [("AGE", "94")]
