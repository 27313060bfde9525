"""Extends an address by adjacent parts: numbers before it; the town, the region and the country after it.

A postal address is more than its street, and the classifier and the patterns stop at words that they are not sure of.
Parts that directly touch an address are added to it. Must NOT be taken: the next sentence, a verb before the number,
weekdays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from models.redaction.lexicons.countries import COUNTRY_NAMES
from models.redaction.lexicons.loader import ANY, languages, words
from models.redaction.normalize.words import WORD
from models.redaction.recognizers.address.street import kinds_of
from models.text import Entity

_NUMBER_BEFORE = re.compile(r"(?<![\w.,:/$€£-])\d{1,5}[A-Za-z]?,? {1,2}$")
_WORD_AND_NUMBER_BEFORE = re.compile(r"(?<![\w.'-])([^\W\d_a-zß-ÿ][^\W\d_]{3,24}) {1,2}$")
_NUMBER_FIRST = re.compile(r"\d{1,4}[A-Za-z]?\s")
_NUMBER_REACH, _WORD_REACH = 9, 32
_GOES_ON = re.compile(r"[^\W\d_A-Z][ ]$|,\s$|\n$")
"""Not at the beginning of a sentence, where every word has a capital."""


_LANGUAGES: Final = languages("streets")
_COUNTRIES: Final = frozenset(
    (names[name[1:]] if name.startswith("*") else name).casefold()  # "*de" is the name in that language
    for names in COUNTRY_NAMES.values()
    for code, name in names.items()
    if code in ("aa", *_LANGUAGES)
) | words(ANY, "countries")
"""Names of countries in the languages that have a list of streets, with short forms; "aa" is English."""
_LONGEST_COUNTRY: Final = max(map(len, _COUNTRIES))
_COMMA_AFTER = re.compile(r"[ \t]?[,\n][ \t\n]{0,3}")
_REGION_AFTER = re.compile(r"[ \t]?[,\n][ \t\n]{0,3}[A-Z]{2,3},? \d{4,6}(?:-\d{3,4})?(?![\w-])")
_POSTCODE_AFTER = re.compile(r"[ \t]?[,\n ][ \t\n]{0,3}\d{5}(?:-\d{4})?(?![\w-]|[.,]\d)")
_FLOOR_AFTER = re.compile(rf"[, ]{{1,2}}\d{{1,2}}\.? ?(?:{kinds_of('floors')})\.?(?!\w)", re.IGNORECASE)
"""A floor, and in Denmark the side of the stairs: ", 2. tv"."""


def with_surroundings(text: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The extended addresses. They overlap the entities that they extend."""
    for entity in found:
        if entity.type == "ADDRESS" and (wide := _wide(text, entity)) is not entity:
            yield wide


def _wide(text: str, entity: Entity) -> Entity:
    start, end = _start_of(text, entity.start), entity.end
    for pattern in (_FLOOR_AFTER, _REGION_AFTER):
        end = _end_after(pattern, text, end)
    end = _end_after(_POSTCODE_AFTER, text, _country_after(text, end))
    return replace(entity, start=start, end=end) if (start, end) != (entity.start, entity.end) else entity


def _end_after(pattern: re.Pattern[str], text: str, end: int) -> int:
    return match.end() if (match := pattern.match(text, end)) else end


def _country_after(text: str, end: int) -> int:
    """The end of the name of a country after ``end``; ``end`` if there is none."""
    start = _end_after(_COMMA_AFTER, text, end)
    ends = [word.end() for word in WORD.finditer(text, start, start + _LONGEST_COUNTRY)] if start > end else []
    return next((at for at in reversed(ends) if text[start:at].casefold() in _COUNTRIES), end)


def _start_of(text: str, start: int) -> int:
    """The start of an address with a second number before it, or with the street name before its number."""
    before = text[max(0, start - _NUMBER_REACH) : start]
    if match := _NUMBER_BEFORE.search(before):
        return start - len(before) + match.start()
    if _NUMBER_FIRST.match(text, start):
        before = text[max(0, start - _WORD_REACH) : start]
        match = _WORD_AND_NUMBER_BEFORE.search(before)
        if match and _GOES_ON.search(before, 0, match.start()):
            return start - len(before) + match.start()
    return start
