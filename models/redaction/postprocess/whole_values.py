"""Typed values to their ends: what is glued to a number, a code or a password belongs to it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from models.text import Entity

_WHOLE: Final = frozenset({"NAME", "ADDRESS", "EMAIL", "URL"})
"""Types of values that end with a word. What is glued to them is another word: "Meier-Straße"."""

_PIECE: Final = re.compile(r"[-/]?[^\W_]+")
_PIECE_OF_SECRET: Final = re.compile(r"[-/!#$%&*+=_~^]*[^\W_]+|[!#$%&*]+(?=\s|$)")
"""What may follow: letters or digits, with a sign before them. A password may have any sign, and end with one."""

_OF_CODES: Final = re.compile(r"\d+|[^\W\d_]{1,2}|(?=[A-Z]*\d)[A-Z\d]+")
"""A piece of a number: digits, one or two letters as in "FO-2019" and "290-X", or capitals and digits. Anything else is
a word or a unit: "0170 1234567/privat", "415-555-0132-9am".
"""


def whole_values(text: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The entities, those of numbers, codes and passwords with what is glued to them."""
    for entity in found:
        if entity.type in _WHOLE:
            yield entity
            continue
        start = _start_of(text, entity.start) if text[entity.start].isalnum() else entity.start
        end = _end_of(text, entity) if text[entity.end - 1].isalnum() else entity.end
        yield replace(entity, start=start, end=end) if (start, end) != (entity.start, entity.end) else entity


def _end_of(text: str, entity: Entity) -> int:
    is_secret, end = entity.type == "SECRET", entity.end
    piece = _PIECE_OF_SECRET if is_secret else _PIECE
    while (match := piece.match(text, end)) and (is_secret or _belongs(match.group())):
        end = match.end()
    return end


def _start_of(text: str, start: int) -> int:
    while True:
        end = start - 1 if start and text[start - 1] in "-/" else start
        begin = end
        while begin and text[begin - 1].isalnum():
            begin -= 1
        if begin == end or not _belongs(text[begin:end]):
            return start
        start = begin


def _belongs(piece: str) -> bool:
    return _OF_CODES.fullmatch(piece.lstrip("-/")) is not None
