"""Whole and unfinished sentences."""

from __future__ import annotations

import pytest

from models.speech.endpointing.sentence_end import ends_sentence
from models.text import RawText

WHOLE = ["I am here to read the meter.", "Is it you?", "Stop it now!", 'He said "no."', "मैं ठीक हूँ।", "It is nine p.m. "]
OPEN = [
    "",
    "I am here to",
    "I am here,",
    "Well...",
    "Well…",
    "I am here -",
    "one two three",
    "The site:",
    "Hello.",
    "Yes, please.",
]


@pytest.mark.parametrize(("text", "whole"), [*((t, True) for t in WHOLE), *((t, False) for t in OPEN)])
def test_a_sentence_ends_with_one_mark(text: str, whole: bool) -> None:
    assert ends_sentence(RawText(text)) is whole
