"""Words of the lists without their accents, as many people type them."""

from __future__ import annotations

import re

import pytest

from models.redaction.lexicons.accents import with_optional_accents
from models.text import TextSource
from tests.unit.redaction.helpers import found, patterns_only


@pytest.mark.parametrize(
    ("expression", "matches", "other"),
    [
        ("código", ["código", "codigo"], ["códigos", "cdigo"]),
        ("(?:número|clave) nº", ["número nº", "numero nº", "clave nº"], ["numero no"]),
        ("schlüssel(?:code)?", ["schlüssel", "schlusselcode"], ["schlossel"]),
        (r"(?<!código )nº", ["nº"], ["no"]),
        ("née? le", ["né le", "née le"], ["ne le", "nee le"]),  # "ne" is another word
        ("n[ºé]+ t[íi]o", ["néº tío", "né tio"], ["ne tio"]),
        ("जन्मतिथि", ["जन्मतिथि"], []),
        (r"\bprénom\b", ["prénom", "prenom"], []),
    ],
)
def test_an_accent_of_a_longer_word_may_be_left_out(expression: str, matches: list[str], other: list[str]) -> None:
    compiled = re.compile(with_optional_accents(expression))
    assert [text for text in matches if not compiled.fullmatch(text)] == []
    assert [text for text in other if compiled.fullmatch(text)] == []


@pytest.mark.parametrize(
    ("language", "text", "value"),
    [
        ("es", "el codigo del portal es B2209", "B2209"),
        ("es", "cumpleanos 4/5/1990", "4/5/1990"),
        ("pt", "codigo do portao A7719", "A7719"),
        ("fr", "code d'entree : 19A42", "19A42"),
    ],
)
def test_values_are_found_after_words_without_accents(language: str, text: str, value: str) -> None:
    assert value in [word for _, word in found(text, TextSource.TYPED, language, patterns_only())]
