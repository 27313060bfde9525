"""What the slot tagger changes in typed texts."""

from __future__ import annotations

import pytest

from models.redaction.policy.policy import Policies, RedactionPolicy
from models.redaction.redactor import LocalRedactor
from models.redaction.slots.typed_texts import DEFAULT_BARS, TypedBars, is_no_name, typed_values
from models.redaction.slots.types import SlotWord
from models.redaction.types import RedactionContext
from models.text import Entity, RawText, TextSource
from tests.fakes.classifier import WordListClassifier
from tests.unit.redaction.helpers import found

BARS = TypedBars(name=0.8, value=0.9, beside=0.3, kept=0.1, likely=0.02)


def slots(*words: tuple[str, float]) -> list[SlotWord]:
    """Words of five characters with a space between."""
    return [SlotWord(6 * n, 6 * n + 5, kind, personal) for n, (kind, personal) in enumerate(words)]


REST = [("NAME", 0.0)] * 2
"""What stands before the name."""


@pytest.mark.parametrize(
    ("entity", "words", "dropped"),
    [
        (Entity("NAME", 12, 17, 0.4, "ner:surname"), [*REST, ("NAME", 0.09)], True),
        (Entity("NAME", 12, 17, 0.4, "ner:surname"), [*REST, ("NAME", 0.1)], False),
        (Entity("NAME", 12, 17, 0.5, "ner:surname"), [*REST, ("NAME", 0.03)], False),  # even odds
        (Entity("NAME", 12, 17, 0.5, "ner:surname"), [*REST, ("NAME", 0.01)], True),
        (Entity("NAME", 0, 5, 0.4, "ner:surname"), [("NAME", 0.03), *REST], False),  # begins the text
        (Entity("NAME", 0, 5, 0.4, "ner:surname"), [("NAME", 0.01), *REST], True),
        (Entity("NAME", 6, 11, 0.4, "ner:surname"), [*REST[:1], ("NAME", 0.03)], False),  # hardly a word beside it
        (Entity("NAME", 12, 17, 0.95, "ner:surname"), [*REST, ("NAME", 0.0)], False),
        (Entity("NAME", 12, 17, 0.4, "introduced_name"), [*REST, ("NAME", 0.0)], False),
        (Entity("ADDRESS", 12, 17, 0.4, "ner:city"), [*REST, ("NAME", 0.0)], False),
        (Entity("NAME", 12, 23, 0.4, "ner:surname"), [*REST, ("NAME", 0.01), ("ID", 0.2)], False),
        (Entity("NAME", 12, 17, 0.4, "ner:surname"), [], False),
    ],
)
def test_a_name_that_both_doubt_is_dropped(entity: Entity, words: list[tuple[str, float]], dropped: bool) -> None:
    assert is_no_name(entity, slots(*words), BARS) is dropped


def test_the_tagger_adds_values_of_which_it_is_sure() -> None:
    words = slots(
        ("NAME", 0.9), ("NAME", 0.4), ("NAME", 0.1), ("PHONE", 0.95), ("NAME", 0.1), ("NAME", 0.7), ("ID", 0.8)
    )
    assert [(e.type, e.start, e.end) for e in typed_values(words, [], BARS)] == [("NAME", 0, 11), ("PHONE", 18, 23)]


def test_a_name_right_beside_a_number_is_found() -> None:
    words = slots(("NAME", 0.9), ("PHONE", 0.99), ("PHONE", 0.99), ("PHONE", 0.99))
    assert [(e.type, e.start, e.end) for e in typed_values(words, [], BARS)] == [("NAME", 0, 5), ("PHONE", 6, 23)]


def test_a_word_beside_a_name_that_was_found_is_part_of_it() -> None:
    words = slots(("NAME", 0.4), ("NAME", 0.4), ("NAME", 0.2), ("NAME", 0.4))
    name = Entity("NAME", 6, 11, 0.5, "ner:surname")
    assert [(e.start, e.end) for e in typed_values(words, [name], BARS)] == [(0, 11)]


def test_a_name_does_not_grow_into_what_others_found() -> None:
    words = slots(("NAME", 0.9), ("NAME", 0.9), ("NAME", 0.9), ("NAME", 0.9))
    email = Entity("EMAIL", 12, 23, 1.0, "email")
    assert [(e.start, e.end) for e in typed_values(words, [email], BARS)] == [(0, 11)]


SURE, UNSURE = DEFAULT_BARS.name, DEFAULT_BARS.likely / 2


@pytest.mark.parametrize(
    ("source", "expected"),
    [(TextSource.TYPED, [("NAME", "detlef")]), (TextSource.OCR, [("NAME", "Klingel")])],
)
def test_typed_texts_are_judged_and_printed_ones_are_not(source: TextSource, expected: list[tuple[str, str]]) -> None:
    tagger = WordListClassifier(
        {"klingel": "SURNAME"}, {"klingel": ("NAME", UNSURE), "detlef": ("NAME", SURE)}, score=0.8
    )
    assert found("Die Klingel hat detlef repariert", source, redactor=LocalRedactor(tagger)) == expected


@pytest.mark.parametrize(("personal", "expected"), [(0.99, [("ID", "4821")]), (0.7, [])])
def test_a_number_that_the_tagger_takes_for_a_value_is_hidden(personal: float, expected: list[tuple[str, str]]) -> None:
    tagger = WordListClassifier(slots={"4821": ("ID", personal)})
    assert found("The thing was 4821 again", TextSource.TYPED, redactor=LocalRedactor(tagger)) == expected


@pytest.mark.parametrize(
    ("language", "hidden"), [("de", False), ("DE", False), ("hi", True), ("HI", True), ("pl", True)]
)
def test_names_are_cleared_in_the_languages_that_the_tagger_learned(language: str, hidden: bool) -> None:
    tagger = WordListClassifier({"klingel": "SURNAME"}, {"klingel": ("NAME", 0.0)}, score=0.8)
    seen = found("Die Klingel ist es heute", TextSource.TYPED, language, LocalRedactor(tagger))
    assert seen == ([("NAME", "Klingel")] if hidden else [])


def test_what_answers_a_question_stays_hidden() -> None:
    tagger = WordListClassifier({"klingel": "SURNAME"}, {"klingel": ("NAME", 0.0)}, score=0.8)
    text = "Die Klingel ist es heute"
    assert found(text, TextSource.TYPED, redactor=LocalRedactor(tagger)) == []
    context = RedactionContext(TextSource.TYPED, asked_for=("NAME",))
    entities = LocalRedactor(tagger).redact(RawText(text), context).entities
    assert "Klingel" in [text[e.start : e.end] for e in entities]


def test_a_policy_that_asks_for_more_names_keeps_them() -> None:
    tagger = WordListClassifier({"klingel": "SURNAME"}, {"klingel": ("NAME", 0.0)}, score=0.8)
    policy = Policies(RedactionPolicy(thresholds={"NAME": 0.1}))
    text = "Die Klingel ist es heute"
    for source in (TextSource.TYPED, TextSource.SPEECH):
        assert found(text, source, redactor=LocalRedactor(tagger)) == []
        assert found(text, source, redactor=LocalRedactor(tagger, policies=policy)) == [("NAME", "Klingel")]
