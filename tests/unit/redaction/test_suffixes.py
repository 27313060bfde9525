"""Suffixes that names do not have, and names that are exceptions."""

from __future__ import annotations

import pytest

from models.redaction.ner.suffixes import ends_like_no_name


@pytest.mark.parametrize(
    ("language", "word", "small", "no_name"),
    [
        ("de", "regenrinne", False, False),  # Katherinne
        ("de", "abwasserrohr", False, True),
        ("de", "klingelanlage", False, True),
        ("de", "messgeräte", False, True),
        ("de", "kabel", False, False),  # nothing in front of it
        ("de", "hiestand", False, False),
        ("de", "niebuhr", False, False),
        ("de", "goldwasser", False, False),
        ("de", "verkalkt", True, True),
        ("de", "verkalkt", False, False),
        ("de", "gerrit", True, False),
        ("de", "vermeulen", True, False),
        ("es", "reclamaciones", False, True),
        ("es", "concepción", False, False),
        ("es", "sarmiento", False, False),
        ("es", "atascada", True, False),
        ("es", "estrada", True, False),
        ("es", "mercado", False, False),
        ("fr", "canalisation", False, True),
        ("fr", "ventilateur", False, True),
        ("fr", "trempée", True, False),
        ("fr", "andré", True, False),
        ("fr", "levasseur", True, False),
        ("fr", "couvreur", False, False),
        ("en", "station", True, False),
    ],
)
def test_suffixes_that_no_name_has_are_recognized(language: str, word: str, small: bool, no_name: bool) -> None:
    assert ends_like_no_name(word, language, small=small) is no_name
