"""Which type a spoken value has: what announces it and what shape it has say more than the words around."""

from __future__ import annotations

import pytest

from models.redaction.redactor import LocalRedactor
from models.redaction.types import RedactionContext
from models.text import RawText, TextSource
from tests.fakes.classifier import WordListClassifier

SPEECH = RedactionContext(TextSource.SPEECH)


def types_of(text: str, value: str, guess: str) -> list[str]:
    """The types of a text in which the slot tagger takes the words of the value for one of the guessed type."""
    words = {word.strip(",.").lower(): (guess, 0.99) for word in value.split()}
    redaction = LocalRedactor(WordListClassifier(slots=words)).redact(RawText(text), SPEECH)
    return [entity.type for entity in redaction.entities]


@pytest.mark.parametrize(
    ("text", "value", "guess", "expected"),
    [
        ("my driving licence number is BV64 KWT", "BV64 KWT", "PLATE", "LICENCE"),
        ("BV64 KWT is my driving licence", "BV64 KWT", "PLATE", "LICENCE"),
        ("the driver's license, BV64KWT, thanks", "BV64KWT", "PLATE", "LICENCE"),
        ("my number plate is BV64 KWT", "BV64 KWT", "LICENCE", "PLATE"),
        ("our bank account number is 7703 4418", "7703 4418", "CC", "ACCOUNT"),
        ("my driving licence is B V 6 4 K W T", "B V", "PLATE", "LICENCE"),
        ("my passport number is 7703 4418 2", "7703 4418 2", "PHONE", "PASSPORT"),
    ],
)
def test_the_noun_that_announces_a_value_names_its_type(text: str, value: str, guess: str, expected: str) -> None:
    assert types_of(text, value, guess) == [expected]


@pytest.mark.parametrize(
    ("text", "value", "guess", "expected"),
    [
        ("please note 219 48 7731 for the file", "219 48 7731", "PHONE", "SSN"),
        ("please note 219-48-7731 for the file", "219-48-7731", "ID", "SSN"),
        ("please note 000-48-7731 for the file", "000-48-7731", "ID", "ID"),  # no such area
    ],
)
def test_a_shape_that_one_type_has_names_it(text: str, value: str, guess: str, expected: str) -> None:
    words = value.replace("-", " ")
    assert types_of(text, words, guess) == [expected]


@pytest.mark.parametrize(
    ("text", "value", "guess", "expected"),
    [
        ("that's B R U N D T dot", "B R U N D T dot", "EMAIL", "NAME"),
        ("that's B R U N D T dot O T T", "B R U N D T dot O T T", "EMAIL", "EMAIL"),
        ("that's B R U N D T at home dot net", "B R U N D T at home dot net", "EMAIL", "EMAIL"),
    ],
)
def test_a_spelled_name_is_an_address_only_with_a_sign_inside(text: str, value: str, guess: str, expected: str) -> None:
    assert types_of(text, value, guess) == [expected]


@pytest.mark.parametrize(
    ("text", "value", "guess"),
    [
        ("my number is 219 487 7312", "219 487 7312", "ID"),  # things have numbers, too
        ("the license says BV64 KWT", "BV64 KWT", "PLATE"),
        ("please note 219 487 7312 for the file", "219 487 7312", "MEDICAL_ID"),
    ],
)
def test_otherwise_the_words_around_decide(text: str, value: str, guess: str) -> None:
    assert types_of(text, value, guess) == [guess]


def test_a_part_of_a_value_does_not_name_the_type_of_all_of_it() -> None:
    assert types_of("219-48-7731 stroke 5501 stroke 8842 stroke 9903", "219 48 7731 5501 8842 9903 stroke", "ID") == [
        "ID"
    ]
