"""Words as people type them who leave accents out: "codigo", "telefono", "Tuercode", "Strasse"."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LEAST_LETTERS: Final = 5
"""Shorter words are others without their accent: "né" and "ne", "él" and "el", "más" and "mas"."""

_WORD: Final = re.compile(r"\\.|\[(?:\\.|[^]\\])*]|[^\W\d_]+")
"""A word of an expression; an escape or a class of characters is passed over."""

_SPELLED_OUT: Final = {"ä": "(?:ä|ae)", "ö": "(?:ö|oe)", "ü": "(?:ü|ue)", "ß": "(?:ß|ss)"}


def with_optional_accents(expression: str) -> str:
    """An expression that also matches its longer words without accents. Only Latin letters are changed."""
    return expression if expression.isascii() else _WORD.sub(_optional, expression)


def _optional(match: re.Match[str]) -> str:
    word = match.group()
    return "".join(map(_letter, word)) if len(word) >= _LEAST_LETTERS and word[0] not in "[\\" else word


def _letter(letter: str) -> str:
    plain = unicodedata.normalize("NFD", letter)[0]
    return _SPELLED_OUT.get(letter) or (f"[{plain}{letter}]" if plain != letter and plain.isascii() else letter)
