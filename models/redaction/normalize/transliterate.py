"""Devanagari in Latin letters, word by word, so that a classifier which never saw it can judge names written in it.

The scheme is the everyday one (no diacritics), with the short a dropped where speakers drop it: at the end of a word
and
between two consonants that stand before a vowel.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

from models.redaction.normalize.view import TextView, TextViewBuilder

_CONSONANTS = dict(
    zip(
        "कखगघङचछजझञटठडढणतथदधनपफबभमयरलवशषसहळऴ",
        "k kh g gh n ch chh j jh n t th d dh n t th d dh n p ph b bh m y r l v sh sh s h l l".split(),
        strict=True,
    )
)
_NUKTA = {"k": "q", "kh": "kh", "g": "gh", "j": "z", "d": "r", "dh": "rh", "ph": "f"}
_VOWELS = dict(zip("अआइईउऊऋएऐओऔऑऍ", "a aa i ee u oo ri e ai o au o e".split(), strict=True))
_SIGNS = dict(zip("ािीुूृेैोौॉॅ", "a i i u u ri e ai o au o e".split(), strict=True))
_WORD = re.compile(r"[\u0900-\u097f\u200c\u200d]+")
_INNER_SCHWA = re.compile(r"([aeiouA]h?[bcdfghjklmnpqrstvyz])A(?=h?[bcdfghjklmnpqrstvyz][aeiouA])")
"""Applied to the reversed word, because the last of two short vowels is the one that is dropped (nikAlAna, nikalna)."""


@lru_cache(maxsize=8192)
def transliterate_word(word: str) -> str:
    """One word; characters outside the table are dropped."""
    pieces: list[str] = []
    pending = False  # a consonant whose inherent short a is still open, written as capital A
    for char in unicodedata.normalize("NFD", word):
        if char in _CONSONANTS:
            pieces.append(("A" if pending else "") + _CONSONANTS[char])
            pending = True
        elif char == "\u093c" and pieces:
            bare = pieces[-1].lstrip("A")
            pieces[-1] = pieces[-1][: len(pieces[-1]) - len(bare)] + _NUKTA.get(bare, bare)
        elif char in _SIGNS or char == "\u094d":
            pieces.append(_SIGNS.get(char, ""))
            pending = False
        elif char in _VOWELS:
            pieces.append(("A" if pending else "") + _VOWELS[char])
            pending = False
        elif char in "\u0902\u0901":
            pieces.append(("A" if pending else "") + "n")
            pending = False
        elif unicodedata.digit(char, None) is not None:
            pieces.append(str(unicodedata.digit(char)))
    return _INNER_SCHWA.sub(r"\1", "".join(pieces)[::-1])[::-1].lower()


def transliterated(text: str) -> TextView | None:
    """The text with its Devanagari words in Latin letters; None where it has none."""
    if not _WORD.search(text):
        return None
    builder, at, changed = TextViewBuilder(), 0, False
    for match in _WORD.finditer(text):
        latin = transliterate_word(match.group())
        builder.copy(text, at, match.start())
        if latin:
            builder.put(latin, match.start(), match.end())
            changed = True
        elif match.group() in "।॥":
            builder.put(".", match.start(), match.end())
        at = match.end()
    builder.copy(text, at, len(text))
    return builder.build("transliterated") if changed else None
