"""The words that an app expects are encrypted in the ledger."""

from __future__ import annotations

import pytest

from models.errors import InternalError
from server.records.vocabulary import VocabularySealer

WORDS = ("Riverside", "Maria Lopez")


def test_words_are_decrypted_only_with_the_same_key() -> None:
    sealed = VocabularySealer(bytes(32)).seal(WORDS)
    assert VocabularySealer(bytes(32)).open(sealed) == WORDS
    assert "Lopez" not in sealed
    for broken in (sealed[:-4], "no base64!", sealed.swapcase()):
        with pytest.raises(InternalError):
            VocabularySealer(bytes(32)).open(broken)
    with pytest.raises(InternalError):
        VocabularySealer(bytes(range(32))).open(sealed)


def test_an_empty_vocabulary_is_an_empty_string() -> None:
    assert VocabularySealer(bytes(32)).seal(()) == ""
    assert VocabularySealer(bytes(32)).open("") == ()
