"""Typed values to their ends: what is glued to a number, a code or a password belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from models.redaction.patterns.pattern_recognizer import has_digit
from models.text import Entity

_IN_WORDS: Final = frozenset({"NAME", "ADDRESS"})
"""Types of values that end with a word. What is glued to them is another word: "Meier-Straße"."""

_AFTER: Final = re.compile(r"(?:[-/!#$%&*+=_~^]*[^\W_]+)+[!#$%&*]?(?=[\s.,;:?!)\]]|$)")
_BEFORE: Final = re.compile(r"(?<![^\s(\[])(?:[^\W_]+[-/!#$%&*+=_~^]*)+\Z")
_MOST_LETTERS: Final = 2
"""Letters of a prefix or suffix, as in "FO-2019" and "290-X". More of them are a word: "0170 1234567/privat"."""

_REACH: Final = 24
"""Characters beside a value that are looked at."""


def whole_values(text: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The entities, those of numbers, codes and passwords with what is glued to them."""
    for entity in found:
        if entity.type in _IN_WORDS:
            yield entity
            continue
        after = _AFTER.match(text, entity.end, entity.end + _REACH) if text[entity.end - 1].isalnum() else None
        first = max(0, entity.start - _REACH)
        before = _BEFORE.search(text[first : entity.start]) if text[entity.start].isalnum() else None
        end = after.end() if after and _belongs(entity, after.group()) else entity.end
        start = first + before.start() if before and _belongs(entity, before.group()) else entity.start
        yield replace(entity, start=start, end=end) if (start, end) != (entity.start, entity.end) else entity


def _belongs(entity: Entity, glued: str) -> bool:
    return entity.type == "SECRET" or has_digit(glued) or sum(map(str.isalpha, glued)) <= _MOST_LETTERS
