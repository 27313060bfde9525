"""Words that sound alike: a phonetic key, and the distance between two keys.

Recognition writes "radar" for "Aadhaar" and "Ivan" for "IBAN". Their keys are equal or nearly so.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import groupby
from typing import Final

from models.redaction.lexicons.loader import word_tables

_DIGRAPHS: Final = (("tsch", "S"), ("sch", "S"), ("ch", "S"), ("sh", "S"), ("th", "T"), ("ph", "P"), ("ck", "K"))


class _Classes(dict[int, str | None]):
    """The sound of each letter, for ``str.translate``. Capitals are sounds, and other characters are not heard."""

    def __missing__(self, code: int) -> str | None:
        return chr(code) if chr(code).isupper() else None


_CLASSES: Final = _Classes(
    (ord(char), sound)
    for sound, chars in {"P": "bpfvw", "T": "dt", "K": "gkcqx", "S": "szjç", "N": "nmñ", "L": "l", "R": "r"}.items()
    for char in chars
)
_SPOKEN: Final = word_tables("en", "spoken")["numbers"]
_DIGITS: Final = str.maketrans({digit: names[0] for digit, names in _SPOKEN.items() if len(digit) == 1})
_SOFT: Final = re.compile(r"gh|c(?=[eiy])")
_SHORT_KEY: Final = 3
"""Sounds up to which a key is short; shorter ones must be equal."""

_SAME_LETTERS: Final = 0.4
_NEAR_LETTERS: Final = 0.55
"""Least share of letters in common, for equal keys and for keys that differ in one sound."""


def sound_of(word: str) -> str:
    """The phonetic key of one or more words: their consonants by class, and a mark for a vowel at the beginning."""
    spoken = unicodedata.normalize("NFKD", word.lower()).translate(_DIGITS)
    spoken = _SOFT.sub(lambda match: "s" if match.group() == "c" else "", spoken)
    for letters, sound in _DIGRAPHS:
        spoken = spoken.replace(letters, sound)
    key = "".join(sound for sound, _ in groupby(spoken.translate(_CLASSES)))
    return f"A{key}" if spoken[:1] in "aeiou" else key


@dataclass(frozen=True, slots=True)
class Sounding:
    """One or more words with their phonetic key."""

    word: str
    sound: str

    @classmethod
    def of(cls, word: str) -> Sounding:
        """Work the key out."""
        return cls(word, sound_of(word))


class SoundIndex:
    """Known words by sound. Keys that differ in one sound at most have a key in common that lacks a sound of each.

    Args:
        known: The words, each with what it stands for.
    """

    def __init__(self, known: Iterable[tuple[Sounding, str]]) -> None:
        self._near: dict[str, dict[tuple[Sounding, str], None]] = {}
        for entry in known:
            for key in _shortened(entry[0].sound):
                self._near.setdefault(key, {})[entry] = None

    def alike(self, words: str) -> str | None:
        """What the known word stands for that these words sound like; None if they sound like none."""
        heard = Sounding.of(words)
        near = {entry for key in _shortened(heard.sound) for entry in self._near.get(key, ())}
        found = [(letters_alike(words, known.word), kind) for known, kind in near if sounds_like(heard, known)]
        return max(found)[1] if found else None


def _shortened(sound: str) -> set[str]:
    """The key, and the key without each of its sounds."""
    return {sound, *(sound[:at] + sound[at + 1 :] for at in range(len(sound)))}


def sounds_like(one: Sounding, other: Sounding) -> bool:
    """Whether two words have the same sounds, or nearly the same sounds and letters.

    The keys of short words are alike by chance, so they need letters in common, too. Digits have no letters to compare.
    """
    word, heard, known, meant = one.word, one.sound, other.word, other.sound
    if heard == meant:
        return len(meant) > _SHORT_KEY or not word.isalpha() or letters_alike(word, known) >= _SAME_LETTERS
    near = len(meant) >= _SHORT_KEY and abs(len(heard) - len(meant)) <= 1 and _one_apart(heard, meant)
    return near and letters_alike(word, known) >= _NEAR_LETTERS


def letters_alike(one: str, other: str) -> float:
    """The share of letters that two words have in common, in order."""
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _one_apart(one: str, other: str) -> bool:
    """Whether one insertion, deletion or substitution turns one key into the other."""
    short, long = sorted((one, other), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]
