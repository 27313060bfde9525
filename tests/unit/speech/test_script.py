"""Languages that the model has to be kept in."""

from __future__ import annotations

import pytest

from models.speech.whisper.hypothesis import compression_ratio
from models.speech.whisper.script import SCRIPTS, initial_prompt

HINDI = SCRIPTS["hi"]


@pytest.mark.parametrize(
    ("text", "foreign"),
    [("नमस्ते", False), ("मीटर 4821?", False), ("meter", True), ("میٹر", True), ("मी7r", True), ("\ufffd", False)],
)
def test_letters_outside_the_script_are_recognized(text: str, foreign: bool) -> None:
    assert HINDI.is_foreign(text) is foreign


def test_tokens_outside_the_script_are_suppressed() -> None:
    pieces = ["मी", "the", " ", "\ufffd", "7", "ट"]
    assert HINDI.foreign_tokens(len(pieces), lambda ids: pieces[ids[0]]) == [1]


def test_vocabulary_words_in_another_script_are_allowed() -> None:
    assert HINDI.allows(("पंप", "42"))
    assert not HINDI.allows(("पंप", "Riverside"))


def test_the_initial_prompt_has_the_script_hint_and_the_vocabulary() -> None:
    assert initial_prompt("en", ()) == ""
    assert initial_prompt(None, ("Riverside", "Alba")) == "Riverside, Alba"
    assert initial_prompt("hi", ("पंप",)) == f"{HINDI.hint} पंप"


def test_a_sentence_in_devanagari_is_not_a_loop() -> None:
    sentence = "मैं आज सुबह मीटर पढ़ने आया था लेकिन दरवाज़ा बंद था और पंप से आवाज़ आ रही थी"
    assert compression_ratio(sentence) < 1.6
    assert compression_ratio("मैं आज " * 12) > 2.0
