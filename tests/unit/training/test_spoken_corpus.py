"""Sentences of the corpus for the slot tagger, and their labels."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from models.redaction.entities import LABELS
from models.training.spoken.composer import Composer
from models.training.spoken.confusions import default_model
from models.training.spoken.generate import rows
from models.training.spoken.grammar import LANGUAGES, SPLITS, build_grammar, entries_of, marks_of
from models.training.spoken.verbalize import DIGIT, PAUSE, Speaker, Style, Token

HARMLESS = {"READING", "PRICE", "TIME", "DATE_OF_THING", "COUNT", "THING_NUMBER", "BRAND"}


@pytest.fixture(scope="module")
def made() -> list[Mapping[str, Any]]:
    return list(rows(600, 3, default_model()))


def said(tokens: list[Token]) -> str:
    return " ".join(token.said for token in tokens)


def test_the_same_seed_gives_the_same_rows(made: list[Mapping[str, Any]]) -> None:
    assert list(rows(50, 3, default_model())) == made[:50]
    assert list(rows(50, 4, default_model())) != made[:50]


def test_spans_lie_in_the_text_on_whole_words_and_apart(made: list[Mapping[str, Any]]) -> None:
    for row in made:
        end = 0
        for span in row["spans"]:
            assert end <= span["start"] < span["end"] <= len(row["text"])
            assert span["label"] in LABELS | HARMLESS
            text = row["text"][span["start"] : span["end"]]
            assert text == text.strip(), row
            end = span["end"]


def test_words_cover_the_text(made: list[Mapping[str, Any]]) -> None:
    for row in made:
        assert [row["text"][start:end] for start, end, _ in row["words"]] == row["text"].split()
        assert all(0 <= confidence <= 1 for _, _, confidence in row["words"])


def test_every_shape_and_about_a_third_harmless(made: list[Mapping[str, Any]]) -> None:
    shapes = Counter(row["shape"] for row in made)
    assert {"plain", "after", "mixed", "corrected", "pause", "alone", "question", "several", "talk"} <= shapes.keys()
    assert 0.5 < shapes["uttered"] / shapes.total() < 0.7
    labels = Counter(span["label"] for row in made for span in row["spans"] if row["shape"] != "uttered")
    harmless = sum(labels[label] for label in HARMLESS) / labels.total()
    assert 0.25 < harmless < 0.45


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_split_has_frames_of_its_own_and_can_be_said(language: str) -> None:
    grammars = {split: build_grammar(language, split, random.Random(0)) for split in SPLITS}
    for split in ("dev", "held"):
        for name, kind in grammars[split].types.items():
            if "noun" in str(kind.before):
                assert set(kind.before) - set(grammars["train"].types[name].before), name
    for grammar in grammars.values():
        composer = Composer(grammar)
        assert all(composer.compose().said for _ in range(30))


def test_short_lists_belong_to_every_split_and_long_ones_are_shared_out() -> None:
    assert entries_of("a; b; c", "held") == ["a", "b", "c"]
    parts = [entries_of("a; b; c; d; e; f; g", split) for split in SPLITS]
    assert parts == [["a", "b", "c", "d", "g"], ["e"], ["f"]]


def test_codes_are_marked_by_kind_with_pauses_between_parts() -> None:
    assert marks_of("AB12 3-4") == "<l:AB> <d:12> | <d:3> <s:-> <d:4>"


@pytest.mark.parametrize(
    ("marked", "style", "words"),
    [
        ("<d:4055>", Style("single", False, "oh", "plain", ","), "four oh five five"),
        ("<d:4055>", Style("single", True, "oh", "plain", ","), "four oh double five"),
        ("<d:4055>", Style("pairs", False, "zero", "plain", ","), "forty fifty five"),
        ("<d:12> | <d:3>", Style("single", False, "zero", "plain", ","), "one two , three"),
        ("<l:BX>", Style("single", False, "zero", "code", ""), "bravo x-ray"),
        ("<y:1984> <y:2005>", Style("single", False, "zero", "plain", ""), "nineteen eighty four two thousand five"),
    ],
)
def test_numbers_and_letters_are_said_in_the_style_of_the_speaker(marked: str, style: Style, words: str) -> None:
    speaker = Speaker(build_grammar("en", "train", random.Random(5)), style)
    assert said(speaker.tokens(marked)).replace(" and", "") == words


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_digits_of_a_number_are_labelled_and_no_word_said_between_them(language: str) -> None:
    grammar = build_grammar(language, "train", random.Random(2))
    talk = {key: ["hello"] for key in ("opening", "tail", "talk", "check", "between")}
    phone = replace(grammar.types["phone"], values=["{d:### ####}"], nouns=["number"])
    thing = replace(phone, personal=False)
    composer = Composer(replace(grammar, lists={**grammar.lists, **talk}, types={"phone": phone, "thing": thing}))
    shapes = Counter[str]()
    for sentence in (composer.compose() for _ in range(150)):
        shapes[sentence.shape] += 1
        assert {sentence.labels[t.group] for t in sentence.tokens if t.group} <= {"PHONE"}
        for token in sentence.tokens:
            assert bool(token.group) == (token.kind == DIGIT) or token.kind == PAUSE, sentence.said
    assert min(shapes["corrected"], shapes["mixed"], shapes["pause"]) > 5


def test_talk_in_the_middle_of_a_value_parts_it() -> None:
    grammar = build_grammar("en", "train", random.Random(4))
    lists = {**grammar.lists, "hesitation": ["um"], "aside": ["the dog barks"], "tail": ["thanks"], "opening": ["so"]}
    phone = replace(grammar.types["phone"], values=["{d:### ####}"], nouns=["number"])
    thing = replace(phone, personal=False)
    composer = Composer(replace(grammar, lists=lists, types={"phone": phone, "thing": thing}))
    parted = [s for s in (composer.compose() for _ in range(400)) if "the dog barks" in s.said]
    assert parted
    for sentence in parted:
        at = next(n for n, token in enumerate(sentence.tokens) if token.said == "dog")
        before = {token.group for token in sentence.tokens[:at]} - {0}
        after = {token.group for token in sentence.tokens[at:]} - {0}
        assert before and after and not before & after
