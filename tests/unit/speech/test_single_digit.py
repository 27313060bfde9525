"""A single spoken digit is told by the first token."""

from __future__ import annotations

import numpy as np
import pytest

from models.speech.whisper.hypothesis import Hypothesis
from models.speech.whisper.single_digit import DigitTokens, as_digit, averaged, copies, undecided

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


@pytest.mark.parametrize(
    ("length_s", "probability", "expected"),
    [(0.4, 0.0005, False), (0.4, 0.004, True), (0.4, 0.03, True), (0.4, 0.4, False), (1.2, 0.004, False)],
    ids=["no digit", "doubtful", "likely", "certain", "longer than a word"],
)
def test_copies_are_wanted_where_one_decode_does_not_tell(length_s: float, probability: float, expected: bool) -> None:
    assert undecided(hypothesis("Bye.", five=probability, bye=0.8), length_s, TOKENS) is expected


def test_a_hypothesis_without_probabilities_is_decided() -> None:
    assert not undecided(Hypothesis("Bye.", "en", -1.5, 0.1), 0.4, TOKENS)


def test_copies_hold_the_clip_with_other_edges() -> None:
    clip = np.where(np.arange(6_400) % 2, 0.5, -0.5).astype(np.float32)
    faded, noisy = copies(clip)
    assert faded[0] == faded[-1] == 0.0
    assert np.all(np.abs(faded) <= np.abs(clip))
    assert np.array_equal(faded[240:-240], clip[240:-240])
    begins = 16_000 * 3 // 10
    assert np.array_equal(noisy[begins:-8_000], clip)
    around = np.concatenate([noisy[:begins], noisy[-8_000:]])
    assert np.sqrt(np.mean(around**2)) == pytest.approx(0.5 * 10 ** (-35 / 20), rel=0.05)


@pytest.mark.parametrize("samples", [0, 1, 2])
def test_the_shortest_clips_have_copies(samples: int) -> None:
    faded, noisy = copies(np.full(samples, 0.5, np.float32))
    assert np.isfinite(faded).all()
    assert np.isfinite(noisy).all()


def test_copies_are_always_the_same() -> None:
    clip = np.sin(np.arange(4_000, dtype=np.float32))
    assert all(np.array_equal(one, other) for one, other in zip(copies(clip), copies(clip), strict=True))


def test_probabilities_of_copies_are_averaged() -> None:
    plain = hypothesis("Bye.", five=0.003, bye=0.9)
    mean = averaged(plain, [hypothesis("Hi", five=0.03, bye=0.6), Hypothesis("", "en", -1.0, 0.0)])
    assert mean.text == "Bye."
    assert mean.first_token is not None
    assert TOKENS.probabilities(mean.first_token)[5] == pytest.approx(0.0165)
    assert averaged(Hypothesis("Bye.", "en", -1.5, 0.1), []).first_token is None


@pytest.mark.parametrize(("least", "expected"), [(0.02, "Bye."), (0.007, "5")])
def test_the_bar_of_a_digit_can_be_lower(least: float, expected: str) -> None:
    assert as_digit(hypothesis("Bye.", five=0.01, bye=0.9), 0.4, TOKENS, least).text == expected
