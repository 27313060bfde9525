"""Loops, doubt and silence."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from models.speech.whisper.hypothesis import (
    Hypothesis,
    better,
    cut_loops,
    doubtful,
    doubtful_spelling,
    recognized,
    silent,
)
from models.text import RecognizedWord

LOOPS = [
    ("state state state state state state state state state state", "state"),
    ("So. " + "I want to go. " * 7, "So. I want to go."),
    ("four one four one four one four one", "four one four one four one four one"),
    ("well, hahahahahahahahahahahahahahahahaha", "well, ha"),
    ("1. 1. 1. 1. 1. 1. 1. 1. 1. 1. ", "1."),
    ("my number is 555 5555 0000", "my number is 555 5555 0000"),
    ("five five five five oh one", "five five five five oh one"),
    ("no, no, no, no", "no, no, no, no"),
    ("it was very very very far", "it was very very very far"),
    ("4111 1111 1111 1111", "4111 1111 1111 1111"),
    ("", ""),
]


@pytest.mark.parametrize(("text", "expected"), LOOPS)
def test_loops_are_removed_and_repeated_digits_are_kept(text: str, expected: str) -> None:
    assert cut_loops(text).rstrip(" .") == expected.rstrip(" .")


def hypothesis(text: str, mean_logprob: float = -0.3, no_speech: float = 0.0) -> Hypothesis:
    return Hypothesis(text, "en", mean_logprob, no_speech)


@pytest.mark.parametrize(
    ("hypothesis", "loudest", "expected"),
    [
        (hypothesis("hello"), 0.9, False),
        (hypothesis(""), 0.9, True),
        (hypothesis(" ... "), 0.9, True),
        (hypothesis("thank you", -1.2, 0.7), 0.7, True),
        (hypothesis("S C H M I D T", -1.2, 0.7), 0.9, False),  # the detector is sure that somebody speaks
        (hypothesis("thank you", -1.4, 0.7), 0.9, True),
        (hypothesis("thank you", -0.5, 0.7), 0.9, False),  # sure of its words
        (hypothesis("thank you", -1.2, 0.3), 0.9, False),  # sure that somebody speaks
        (hypothesis("thank you", -1.0, 0.3), 0.4, True),  # neither the detector nor the model is sure
        (hypothesis("thank you", -0.5, 0.3), 0.4, False),
    ],
)
def test_silence_is_recognized_by_probability_and_loudness(
    hypothesis: Hypothesis, loudest: float, expected: bool
) -> None:
    assert silent(hypothesis, loudest) is expected


def test_loops_and_unlikely_hypotheses_are_doubtful_and_the_better_one_wins() -> None:
    loop, likely, unlikely = hypothesis("state " * 30, -0.1), hypothesis("a state", -0.5), hypothesis("estate", -1.4)
    assert doubtful(loop)
    assert doubtful(unlikely)
    assert not doubtful(likely)
    assert better(loop, unlikely) is unlikely
    assert better(likely, unlikely) is likely


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("J-E-F-F", True),
        ("SCHMIDT", True),
        ("K u and T zoo.", True),
        ("Ä, Ö.", True),
        ("412 422", True),
        ("", False),
        ("I think I'm 42, and Ann said I'd be late.", False),
        ("Vitamin C", False),
        ("मेरा नाम", False),
    ],
)
def test_spelled_names_and_numbers_are_doubtful_sooner_than_sentences(text: str, expected: bool) -> None:
    assert doubtful_spelling(hypothesis(text, -0.5)) is expected
    assert not doubtful_spelling(hypothesis(text, -0.3))


def test_a_hypothesis_does_not_print_its_text() -> None:
    assert "secret" not in repr(hypothesis("secret"))


def test_a_recognized_text_has_its_words_and_the_texts_of_other_passes() -> None:
    words = (RecognizedWord(0, 1, 0.9), RecognizedWord(2, 7, 0.3))
    found = recognized(replace(hypothesis("a state", -0.5), rated=words, others=("estate " * 30,)))
    assert found.recognition.words == words
    assert found.recognition.confidence == math.exp(-0.5)
    assert [other.reveal() for other in found.recognition.alternatives] == ["estate"]


def test_words_after_a_loop_are_not_rated() -> None:
    text = "well, no no no no no no no no no, bye"
    words = tuple(RecognizedWord(at, at + 2, 0.5) for at in (0, 6, 9, len(text) - 3))
    found = recognized(replace(hypothesis(text), rated=words))
    assert found.reveal() == "well, no, bye"
    assert [word.start for word in found.recognition.words] == [0, 6]
