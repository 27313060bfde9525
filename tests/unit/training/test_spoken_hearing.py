"""Labels are projected onto heard texts, and the confusions of recognition are learned from them."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import asdict
from typing import Any

import numpy as np
import pytest

from models.media.samples import SAMPLE_RATE_HZ
from models.speech.types import Word
from models.text import RawText
from models.training.spoken.align import aligned, likeness, project
from models.training.spoken.confusions import ConfusionModel
from models.training.spoken.degrade import CONDITIONS, degraded
from models.training.spoken.fit_confusions import Statistics, quantiles
from models.training.spoken.grammar import build_grammar
from models.training.spoken.sentences import Sentence
from models.training.spoken.speak import spoken_text
from models.training.spoken.transcribe_clips import placed_words
from models.training.spoken.verbalize import Speaker, Style, Token

STYLE = Style("single", False, "oh", "plain", ",")


def tokens_of(*parts: tuple[str, int], language: str = "en") -> list[Token]:
    speaker = Speaker(build_grammar(language, "train", random.Random(0)), STYLE)
    return [
        Token(token.said, token.written, token.kind, group) for text, group in parts for token in speaker.tokens(text)
    ]


NUMBER = (("my number is", 0), ("<d:534948>", 1), ("thank you", 0))


@pytest.mark.parametrize(
    ("heard", "value"),
    [
        ("My number is 534948. Thank you.", "534948"),
        ("My number is 5-3-4, 9-4-8, thank you.", "5-3-4, 9-4-8"),
        ("My number is five three for nine 48 thank you", "five three for nine 48"),
        ("My number is 534. Nine, four, ate. Thank you.", "534. Nine, four, ate"),
        ("My number is 53498 thank you", "53498"),
        ("my lumber is $534,948, thank you", "534,948"),
    ],
)
def test_a_number_is_found_however_it_is_written(heard: str, value: str) -> None:
    [(start, end, label)] = project(tokens_of(*NUMBER), heard, {1: "PHONE"}, "en")
    assert (heard[start:end], label) == (value, "PHONE")


def test_a_correction_and_its_repair_words_are_one_span() -> None:
    tokens = tokens_of(("the code is", 0), ("<d:4471> , no wait , <d:4417>", 1), ("okay", 0))
    heard = "The code is 4471. No weight, 4417, okay?"
    assert [heard[start:end] for start, end, _ in project(tokens, heard, {1: "SECRET"}, "en")] == [
        "4471. No weight, 4417"
    ]


def test_two_values_keep_their_own_spans() -> None:
    tokens = tokens_of(("room", 0), ("<d:12>", 1), ("call", 0), ("<d:5550134>", 2))
    heard = "Room 12, call 555-0134."
    assert [(heard[s:e], label) for s, e, label in project(tokens, heard, {1: "THING_NUMBER", 2: "PHONE"}, "en")] == [
        ("12", "THING_NUMBER"),
        ("555-0134", "PHONE"),
    ]


def test_a_value_of_which_nothing_was_heard_has_no_span() -> None:
    assert project(tokens_of(*NUMBER), "", {1: "PHONE"}, "en") == []


@pytest.mark.parametrize(
    ("language", "heard"), [("de", "meine Nummer ist 534, neun vier acht"), ("es", "mi número es 534 nueve 48")]
)
def test_number_words_of_other_languages_count_as_digits(language: str, heard: str) -> None:
    carrier = {"de": "meine Nummer ist", "es": "mi número es"}[language]
    tokens = tokens_of((carrier, 0), ("<d:534948>", 1), language=language)
    [(start, _, _)] = project(tokens, heard, {1: "PHONE"}, language)
    assert heard[start:].startswith("534")


def test_a_span_never_cuts_a_word_of_hindi() -> None:
    tokens = tokens_of(("मेरी गाड़ी", 0), ("<d:12>", 1), ("में है", 0), language="hi")
    heard = "मेरी गाड़ी एक दौ में है"
    [(start, end, _)] = project(tokens, heard, {1: "PLATE"}, "hi")
    assert heard[start:end] == "एक दौ"


def test_likeness_is_one_for_the_same_words_and_low_for_others() -> None:
    tokens = tokens_of(*NUMBER)
    assert likeness(tokens, "My number is 534948, thank you.", "en") == 1
    assert likeness(tokens, "Is anybody at home tonight?", "en") < 0.4


def test_digits_and_capitals_can_be_aligned_one_by_one() -> None:
    words = aligned(tokens_of(("<l:AB> <d:12>", 1)), "AB12", "en", single=True)
    assert [word.token for word in words] == [0, 1, 2, 3]


def heard_row(text: str, tokens: list[Token]) -> dict[str, Any]:
    words = [(0, len(text), 0.5)]
    return {"tokens": [asdict(t) for t in tokens], "text": text, "lang": "en", "likeness": 1.0, "words": words}


def test_the_model_repeats_the_confusions_that_it_learned() -> None:
    statistics = Statistics()
    tokens = tokens_of(("it is", 0), ("<d:4>", 1))
    for heard in ("It is four.", "It is for.", "It is for.", "It is 4."):
        statistics.add(heard_row(heard, tokens))
    model = ConfusionModel(statistics.model())
    chance = random.Random(1)
    texts = Counter(model.corrupt(Sentence(tokens, {1: "SECRET"}), "en", chance).text for _ in range(400))
    assert set(texts) == {"It is four.", "It is for.", "It is 4."}
    assert 0.35 < texts["It is for."] / 400 < 0.65


def test_quantiles_go_from_the_lowest_to_the_highest() -> None:
    assert quantiles([0.5, 0.1, 0.9])[:: len(quantiles([])) - 1] == [0.1, 0.9]


@pytest.mark.parametrize("condition", CONDITIONS)
def test_degraded_clips_stay_within_range_and_are_as_long_as_the_speed_says(condition: str) -> None:
    noise = np.random.default_rng(0)
    tone = np.sin(np.arange(SAMPLE_RATE_HZ) / 8).astype(np.float32) * 0.5
    made = degraded(tone, condition, [tone[::-1]], noise)
    ratio = {"fast": (0.79, 0.94), "slow": (1.05, 1.26)}.get(condition, (1.0, 1.0))
    assert ratio[0] * len(tone) <= len(made) <= ratio[1] * len(tone)
    assert np.all(np.isfinite(made)) and np.max(np.abs(made)) <= 1
    assert condition == "clean" or not np.array_equal(made, tone)


def test_voices_read_a_lone_letter_as_its_name() -> None:
    tokens = tokens_of(("<l:A> <d:4>", 1), (", yes", 0))
    assert spoken_text(Sentence(tokens, {1: "ID"}), "en") == "eh four, yes"


def test_words_are_placed_in_the_text_in_order() -> None:
    words = [Word(RawText(text), 0, 0, 0.5) for text in ("no,", "no", "missing", "yes")]
    assert placed_words("no, no yes", words) == [(0, 3, 0.5), (4, 6, 0.5), (7, 10, 0.5)]
