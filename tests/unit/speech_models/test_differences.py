"""How far two redacted texts differ."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.text import RedactedText
from server.speech_models.differences import differences, plain

WORDS = st.lists(st.sampled_from(["call", "Call", "me", "[REDACTED_NAME]", "[REDACTED_PHONE]", "at", "4", "don't"]))


def text(*words: str, **counts: int) -> RedactedText:
    return RedactedText.restore(" ".join(words), counts, safe_for_llm=True)


@pytest.mark.parametrize(
    ("one", "other", "words", "apart"),
    [
        ("Hello, it is me.", "hello it is me", 4, 0),
        ("The meter reads four.", "The metre reads for four", 4, 2),
        ("I am [REDACTED_NAME_1].", "I am [REDACTED_NAME]!", 3, 0),
        ("I am [REDACTED_NAME_1]", "I am [REDACTED_PHONE_1]", 3, 1),
        ("I am [REDACTED_CREDIT_CARD_12] now", "I am now", 4, 1),
        ("Call [REDACTED_NAME_0a1b2c3d]", "Call [REDACTED_NAME]", 2, 0),
        ("", "one two", 0, 2),
        ("STRASSE don't", "stra\u00dfe don\u2019t", 2, 1),
    ],
)
def test_words_are_compared_without_case_punctuation_and_numbers_of_tags(
    one: str, other: str, words: int, apart: int
) -> None:
    found = differences(text(one), text(other))
    assert (found.words, found.word_differences) == (words, apart)


@given(WORDS, WORDS, WORDS)
def test_the_distance_is_a_metric(a: list[str], b: list[str], c: list[str]) -> None:
    def apart(one: list[str], other: list[str]) -> int:
        return differences(text(*one), text(*other)).word_differences

    assert apart(a, a) == 0
    assert apart(a, b) == apart(b, a)
    assert apart(a, c) <= apart(a, b) + apart(b, c)
    assert abs(len(a) - len(b)) <= apart(a, b) <= max(len(a), len(b))
    assert (apart(a, b) == 0) == ([w.casefold() for w in a] == [w.casefold() for w in b])


def test_entities_are_compared_by_their_numbers() -> None:
    assert differences(text("x", NAME=1, PHONE=0), text("y", NAME=1)).entities_equal
    assert not differences(text("x", NAME=1), text("x", NAME=2)).entities_equal
    assert not differences(text("x", NAME=1), text("x", PHONE=1)).entities_equal


def test_only_numbers_of_tags_are_left_out() -> None:
    assert plain("[REDACTED_NAME_2] at 4_2 [x_1] [REDACTED_CREDIT_CARD]") == (
        "[REDACTED_NAME] at 4_2 [x_1] [REDACTED_CREDIT_CARD]"
    )
