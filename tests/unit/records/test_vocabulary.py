"""The words that an app expects are encrypted in the ledger."""

from __future__ import annotations

import pytest

from models.errors import InternalError
from server.records.vocabulary import VocabularySealer

WORDS = ("Riverside", "Maria Lopez")


def test_words_come_back_under_the_same_key_only() -> None:
    sealed = VocabularySealer(bytes(32)).seal(WORDS)
    assert VocabularySealer(bytes(32)).open(sealed) == WORDS
    assert "Lopez" not in sealed
    for broken in (sealed[:-4], "no base64!", sealed.swapcase()):
        with pytest.raises(InternalError):
            VocabularySealer(bytes(32)).open(broken)
    with pytest.raises(InternalError):
        VocabularySealer(bytes(range(32))).open(sealed)


def test_no_words_take_no_room() -> None:
    assert VocabularySealer(bytes(32)).seal(()) == ""
    assert VocabularySealer(bytes(32)).open("") == ()
