"""Phrases of a list in folded text."""

from __future__ import annotations

import pytest

from models.redaction.commands import any_of, folded, says


@pytest.mark.parametrize(
    ("phrase", "text", "found"),
    [
        ("बस", "बस, आगे", True),
        ("बस", "बसे हुए", False),  # a vowel sign makes another word
        ("बस", "किबस", False),
        ("no", "no, thanks", True),
        ("no", "nothing", False),
        ("no", "piano", False),
    ],
)
def test_a_phrase_is_found_as_a_whole_word(phrase: str, text: str, found: bool) -> None:
    assert (any_of([phrase]).search(folded(text)) is not None) == found


def test_an_empty_list_finds_nothing() -> None:
    assert any_of([]).search("anything") is None


@pytest.mark.parametrize(
    ("text", "language", "skips"),
    [
        ("कृपया छोड़ो", "hi", True),
        ("छोड़ोगे", "hi", False),
        ("Skip that, please!", "hi", True),
        ("skip it to 4", "en", False),
    ],
)
def test_a_command_says_nothing_else(text: str, language: str, skips: bool) -> None:
    assert says("skip", text, language) == skips
