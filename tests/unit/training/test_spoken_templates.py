"""The template files of the corpus: what they refer to exists, and they are written as the grammar expects."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Iterator

import pytest

from models.training.spoken.grammar import LANGUAGES, SPLITS, Grammar, build_grammar, entries_of, read_templates

REFERENCE = re.compile(r"\{(\w+)(?::([^{}]*))?\}")
MAKERS = {"d", "int", "ordinal", "year", "spell", "sign"}
PARTS = {"V", "noun", "wrong", "right", "repair", "p1", "p2", "p3"}


def texts(language: str) -> Iterator[str]:
    """All entries of a file."""
    raw = read_templates(language)
    for lists in (raw["language"], raw["lists"], raw["shared"]):
        for entries in lists.values():
            yield from map(str, entries_of(entries, "all"))
    for kind in raw["types"].values():
        for part in ("values", "nouns", "before", "after"):
            yield from entries_of(kind.get(part, []), "all")


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def test_every_reference_is_a_list_a_maker_or_a_part(language: str) -> None:
    raw = read_templates(language)
    known = {*raw["language"], *raw["lists"]}
    for text in texts(language):
        for name, argument in REFERENCE.findall(text):
            assert name in (MAKERS if argument else known | PARTS), text
            assert name != "spell" or argument in known, text
        assert not set("{}") & set(REFERENCE.sub("", text)), text
        assert text.count("(") == text.count(")") and text.count("[") == text.count("]"), text


def test_a_frame_gives_its_value_once_and_is_written_once(language: str) -> None:
    grammar = build_grammar(language, "train", random.Random(0))
    for kind in grammar.types.values():
        assert kind.before, kind.name
        for frame in (*kind.before, *kind.after):
            assert frame.count("{V}") == 1, frame
            assert "{noun}" not in frame or kind.nouns, frame
    for kind in read_templates(language)["types"].values():
        for part in ("before", "after"):
            counts = Counter(entries_of(kind.get(part, []), "all"))
            assert not [frame for frame, count in counts.items() if count > 1]


def test_a_repair_takes_the_wrong_value_back_once(language: str) -> None:
    raw = read_templates(language)["lists"]
    for text in entries_of(raw["repair_whole"], "all"):
        assert text.count("{wrong}") == 1 and text.count("{right}") == 1, text
    for count in (2, 3):
        for text in entries_of(raw[f"mixed{count}"], "all"):
            assert sorted(re.findall(r"\{p(\d)\}", text)) == [str(n) for n in range(1, count + 1)], text


@pytest.mark.parametrize("split", SPLITS)
def test_signs_of_values_have_a_name(language: str, split: str) -> None:
    grammar: Grammar = build_grammar(language, split, random.Random(1))
    names = {entry.split("=", 1)[0] for entry in grammar.lists["sign_names"]}
    for kind in grammar.types.values():
        for value in kind.values:
            assert set(re.findall(r"<s:(.)>", grammar.expand(value))) <= names, value


def test_marks_stand_apart_so_that_a_value_can_be_cut(language: str) -> None:
    grammar = build_grammar(language, "train", random.Random(2))
    for kind in grammar.types.values():
        for value in kind.values:
            expanded = grammar.expand(value)
            assert not re.search(r">\S|\S<", expanded), (value, expanded)
