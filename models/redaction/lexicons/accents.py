"""Words as people type them who leave accents out: "codigo", "telefono", "cumpleanos"."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_LEAST_LETTERS: Final = 5
"""Shorter words are others without their accent: "né" and "ne", "él" and "el", "más" and "mas"."""

_WORD: Final = re.compile(r"\\.|\[(?:\\.|[^]\\])*]|[^\W\d_]+")
"""A word of an expression; an escape or a class of characters is passed over."""


def with_optional_accents(expression: str) -> str:
    """An expression that also matches its longer words without accents.

    What it matches keeps its length, so it may stand in a look-behind. Only Latin letters are changed.
    """
    return expression if expression.isascii() else _WORD.sub(_optional, expression)


def _optional(match: re.Match[str]) -> str:
    word = match.group()
    return "".join(map(_letter, word)) if len(word) >= _LEAST_LETTERS and word[0] not in "[\\" else word


def _letter(letter: str) -> str:
    plain = unicodedata.normalize("NFD", letter)[0]
    return f"[{plain}{letter}]" if plain != letter and plain.isascii() else letter
