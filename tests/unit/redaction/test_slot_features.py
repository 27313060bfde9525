"""What the slot tagger reads of words."""

from __future__ import annotations

import numpy as np
import pytest

from models.redaction.normalize.words import WORD
from models.redaction.slots import features
from models.redaction.slots.features import (
    CONFIDENCE_COLUMNS,
    FEATURES,
    LANGUAGE_COLUMNS,
    LANGUAGES,
    QUESTION_COLUMNS,
    QUESTIONS,
    Floats,
    SlotContext,
    slot_features,
)
from models.text import RecognizedWord


def rows_of(text: str, context: SlotContext | None = None) -> Floats:
    spans = [match.span() for match in WORD.finditer(text)]
    return slot_features(text, spans, np.full(len(spans), 0.5, np.float32), context or SlotContext())


def test_there_is_one_row_for_each_word() -> None:
    assert rows_of("Call 555-0132, please.").shape == (4, FEATURES)
    assert rows_of("... ?").shape == (0, FEATURES)


def test_the_lowest_confidence_over_a_word_counts_and_an_unknown_one_is_marked() -> None:
    text = "my pin is 4821"
    rated = ((0, 2, 0.9), (3, 6, 0.8), (10, 12, 0.7), (12, 14, 0.25))
    rows = rows_of(text, SlotContext(words=[RecognizedWord(*one) for one in rated]))
    assert rows[:, CONFIDENCE_COLUMNS].tolist() == pytest.approx(np.array([[1, 0.9], [1, 0.8], [0, 0], [1, 0.25]]))


def test_language_and_question_are_the_same_for_every_word() -> None:
    rows = rows_of("null acht", SlotContext("de-AT", ("PHONE", "READING")))
    for row in rows:
        assert [code for code, mark in zip(LANGUAGES, row[LANGUAGE_COLUMNS], strict=True) if mark] == ["de"]
        assert [kind for kind, mark in zip(QUESTIONS, row[QUESTION_COLUMNS], strict=True) if mark] == [
            "PHONE",
            "READING",
        ]


def test_an_unknown_language_has_no_mark() -> None:
    assert not rows_of("hallo", SlotContext("nl"))[:, LANGUAGE_COLUMNS].any()


def same_row(first: str, second: str, language: str) -> bool:
    return bool(np.array_equal(rows_of(first, SlotContext(language)), rows_of(second, SlotContext(language))))


def test_words_of_one_meaning_look_alike_and_others_do_not() -> None:
    assert same_row("zwei", "drei", "de")
    assert not same_row("zwei", "frei", "de")
    assert not same_row("1984", "4981", "en")
    assert not same_row("a b", "a, b", "en")
    assert not same_row("b", "b.", "en")


def test_each_end_of_the_text_is_marked_once() -> None:
    text = "one two three four"
    alone, longer = rows_of(text), rows_of(f"well {text} then")
    assert not np.array_equal(alone[0], longer[1])
    assert not np.array_equal(alone[-1], longer[-2])


@pytest.mark.parametrize("text", ["the area is 5² here", "①", "²", "٣ ५"])
def test_digits_of_every_kind_have_a_row(text: str) -> None:
    assert rows_of(text).shape == (len(WORD.findall(text)), FEATURES)


@pytest.mark.parametrize("language", LANGUAGES)
def test_listed_meanings_are_those_of_the_word(language: str) -> None:
    said = "vierundneunzig zweiter ottantadue maria 0132 schmidt fourth nachname sieben तीन cuatro underscore"
    for word in [*said.split(), *sorted(features._vocabulary(language))[::50]]:
        assert features._listed_meanings(word, language).tolist() == [*features._meanings(word, language)]


@pytest.mark.parametrize("word", ["a", "on", "maria", "x" * 40])
def test_plain_words_have_the_shape_of_any_word(word: str) -> None:
    assert features._word(word, "en")[0].tolist() == features._row(features._shape(word)).tolist()
