"""How far two redacted texts of the same words differ."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from models.text import RedactedText

_TAG: Final = re.compile(r"(\[REDACTED_[A-Z_]*[A-Z])(?:_[0-9a-f]+)?\]")
_WORD: Final = re.compile(r"\[REDACTED_[A-Z_]+\]|\w+(?:['\u2019]\w+)*")


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs.

    Attributes:
        words: Words of the first text; a tag is a word.
        word_differences: Words to insert, delete or replace to get from one text to the other.
        entities_equal: Whether as many values of each entity were replaced in both.
    """

    words: int
    word_differences: int
    entities_equal: bool


def differences(text: RedactedText, other: RedactedText) -> Differences:
    """Compare two texts by their words, without case and punctuation. Numbers of tags do not count."""
    words, others = words_of(text), words_of(other)
    counts, other_counts = ({entity: n for entity, n in each.counts.items() if n} for each in (text, other))
    return Differences(len(words), _distance(words, others), counts == other_counts)


def plain(text: str) -> str:
    """A redacted text without the numbers in its tags."""
    return _TAG.sub(r"\1]", text)


def words_of(text: RedactedText) -> list[str]:
    """The words as they are compared."""
    return [word if word.startswith("[") else word.casefold() for word in _WORD.findall(plain(text.value))]


def _distance(words: list[str], others: list[str]) -> int:
    """Levenshtein's distance."""
    before = list(range(len(others) + 1))
    for number, word in enumerate(words, 1):
        now = [number]
        for place, other in enumerate(others):
            now.append(min(before[place + 1] + 1, now[place] + 1, before[place] + (word != other)))
        before = now
    return before[-1]
