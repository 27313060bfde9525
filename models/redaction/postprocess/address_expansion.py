"""Extends an address by adjacent parts: numbers before it; the town, the region and the country after it.

A postal address is more than its street, and the classifier and the patterns stop at words that they are not sure of.
Parts that directly touch an address are added to it. Must NOT be taken: the next sentence, a verb before the number,
weekdays.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace

from models.redaction.recognizers.address.street import kinds_of
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.text import Entity

_NUMBER_BEFORE = re.compile(r"(?<![\w.,:/$€£-])\d{1,5}[A-Za-z]?,? {1,2}$")
_WORD_AND_NUMBER_BEFORE = re.compile(r"(?<![\w.'-])([^\W\d_a-zß-ÿ][^\W\d_]{3,24}) {1,2}$")
_NUMBER_FIRST = re.compile(r"\d{1,4}[A-Za-z]?\s")
_NUMBER_REACH, _WORD_REACH = 9, 32
_GOES_ON = re.compile(r"[^\W\d_A-Z][ ]$|,\s$|\n$")
"""Not at the beginning of a sentence, where every word has a capital."""


_COUNTRIES = (
    "afghanistan albania algeria andorra angola argentina armenia australia austria azerbaijan bahamas bahrain "
    "bangladesh barbados belarus belgium belize benin bhutan bolivia bosnia botswana brazil brunei bulgaria "
    "burundi cambodia cameroon canada chad chile china colombia congo croatia cuba cyprus denmark djibouti "
    "dominica ecuador egypt eritrea estonia ethiopia fiji finland france gabon gambia georgia germany ghana "
    "greece greenland grenada guatemala guinea guyana haiti honduras hungary iceland india indonesia iran iraq "
    "ireland israel italy jamaica japan jordan kazakhstan kenya kosovo kuwait kyrgyzstan laos latvia lebanon "
    "lesotho liberia libya liechtenstein lithuania luxembourg madagascar malawi malaysia maldives mali malta "
    "mauritania mauritius mexico moldova monaco mongolia montenegro morocco mozambique myanmar namibia nepal "
    "netherlands nicaragua niger nigeria norway oman pakistan panama paraguay peru philippines poland portugal "
    "qatar romania russia rwanda samoa senegal serbia seychelles singapore slovakia slovenia somalia spain sudan "
    "suriname sweden switzerland syria taiwan tajikistan tanzania thailand togo tonga tunisia turkey turkmenistan "
    "uganda ukraine uruguay uzbekistan vanuatu venezuela vietnam yemen zambia zimbabwe usa uk uae england "
    "scotland wales deutschland österreich schweiz españa france italia polska sverige norge danmark suomi "
    "nederland belgique méxico brasil "
).split()
_COUNTRY_AFTER = re.compile(
    rf"[ \t]?[,\n][ \t\n]{{0,3}}(?:{'|'.join(_COUNTRIES)}|united (?:states|kingdom|arab emirates)|new zealand"
    r"|south africa|south korea|saudi arabia|costa rica|czech republic|sri lanka|puerto rico|el salvador)(?![^\W_])",
    re.IGNORECASE,
)
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
    for pattern in (_FLOOR_AFTER, _REGION_AFTER, _COUNTRY_AFTER, _POSTCODE_AFTER):
        if match := pattern.match(text, end):
            end = match.end()
    return replace(entity, start=start, end=end) if (start, end) != (entity.start, entity.end) else entity


def _start_of(text: str, start: int) -> int:
    """The start of an address with a second number before it, or with the street name before its number."""
    before = text[max(0, start - _NUMBER_REACH) : start]
    if match := _NUMBER_BEFORE.search(before):
        return start - len(before) + match.start()
    if _NUMBER_FIRST.match(text, start):
        before = text[max(0, start - _WORD_REACH) : start]
        match = _WORD_AND_NUMBER_BEFORE.search(before)
        if match and match.group(1).lower() not in NOT_NAMES and _GOES_ON.search(before, 0, match.start()):
            return start - len(before) + match.start()
    return start
