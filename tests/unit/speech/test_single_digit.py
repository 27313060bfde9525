"""A single spoken digit is told by the first token."""

from __future__ import annotations

import numpy as np
import pytest

from models.speech.whisper.hypothesis import Hypothesis
from models.speech.whisper.single_digit import DigitTokens, as_digit

VOCABULARY = {
    text: n for n, text in enumerate(["five", "Five", "5", " five", "5 ", "nine", "9", "neun", "bye", "sept"])
}


def ids(text: str) -> list[int]:
    return [VOCABULARY[text]] if text in VOCABULARY else [90, 91]


def hypothesis(text: str, **probabilities: float) -> Hypothesis:
    first = np.zeros(100, np.float32)
    for word, share in probabilities.items():
        first[VOCABULARY[word]] = share
    return Hypothesis(text, "en", -1.5, 0.1, first_token=first)


TOKENS = DigitTokens.of_language("en", ids)


@pytest.mark.parametrize(
    ("text", "length_s", "probabilities", "expected"),
    [
        ("Bye.", 0.4, {"five": 0.02, "Five": 0.01, "bye": 0.9}, "5"),
        ("Bye.", 0.4, {"five": 0.01, "bye": 0.9}, "Bye."),
        ("9 9", 0.5, {"nine": 0.5, "9": 0.3, "five": 0.1}, "9"),
        ("I'm nine", 1.2, {"nine": 0.5}, "I'm nine"),
        ("Nine.", 1.2, {"nine": 0.5}, "9"),
        ("Nine.", 1.6, {"nine": 0.5}, "Nine."),
        ("9 5", 0.7, {"9": 0.9}, "9 5"),
        ("95", 0.7, {"9": 0.9}, "95"),
    ],
)
def test_clips_of_single_digits_are_recognized(
    text: str, length_s: float, probabilities: dict[str, float], expected: str
) -> None:
    assert as_digit(hypothesis(text, **probabilities), length_s, TOKENS).text == expected


def test_a_hypothesis_without_probabilities_is_unchanged() -> None:
    plain = Hypothesis("Bye.", "en", -1.5, 0.1)
    assert as_digit(plain, 0.4, TOKENS) is plain


def test_a_replacing_digit_raises_the_mean_log_probability() -> None:
    assert as_digit(hypothesis("Bye.", five=0.5, nine=0.01), 0.4, TOKENS).mean_logprob > -0.1


def test_digits_are_words_in_known_languages_and_figures_in_others() -> None:
    assert VOCABULARY["neun"] in DigitTokens.of_language("de", ids).of[9]
    assert VOCABULARY["sept"] in DigitTokens.of_language("fr", ids).of[7]
    assert DigitTokens.of_language("fi", ids).of[5] == (VOCABULARY["5"],)


def test_a_replacing_digit_is_rated() -> None:
    found = as_digit(hypothesis("Bye.", five=0.15, nine=0.05), 0.4, TOKENS)
    (word,) = found.rated
    assert (word.start, word.end) == (0, 1)
    assert word.confidence == pytest.approx(0.75)
