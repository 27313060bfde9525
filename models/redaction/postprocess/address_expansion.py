"""Extends an address by adjacent parts: numbers before it; the town, the region and the country after it.

A postal address is more than its street, and the classifier and the patterns stop at words that they are not sure of.
Parts that directly touch an address are added to it. Must NOT be taken: the next sentence, a verb before the number,
weekdays.
"""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from models.redaction.itn.cardinals import Numeral, numerals
from models.redaction.recognizers.address.street_listed import street_words
from models.redaction.recognizers.address.street_spoken import AMOUNT
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

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
_FLOOR_AFTER = re.compile(rf"[, ]{{1,2}}\d{{1,2}}\.? ?(?:{street_words('floors')})\.?(?!\w)", re.IGNORECASE)
"""A floor, and in Denmark the side of the stairs: ", 2. tv"."""


def with_surroundings(text: str, found: Iterable[Entity]) -> Iterator[Entity]:
    """The extended addresses. They overlap the entities that they extend."""
    for entity in found:
        if entity.type == "ADDRESS" and (wide := _wide(text, entity)) is not entity:
            yield wide


_BEFORE_STREET = re.compile(r"[ ,]{1,2}(?:(?:bis|ter|quater|[a-z])[ ,]{1,2})?", re.IGNORECASE)
_BEHIND_STREET = re.compile(r",? (?:(?:haus)?nummer |nr\.? |número |numero |numéro )?", re.IGNORECASE)
_LETTER_BEHIND = re.compile(r" ?[a-h](?![\w'\u2019])", re.IGNORECASE)
_PIECES = 3
"""Most numbers in a spoken house number: "twelve forty four" has two."""

_NUMBER_FIRST_LANGUAGES = frozenset({"en", "fr"})
_ONE = "1"


def with_spoken_numbers(text: str, found: Iterable[Entity], context: RedactionContext) -> Iterator[Entity]:
    """Streets of a spoken text with the number words that touch them; they overlap what they were made of.

    Must NOT be taken: "one" before a street, which is seldom a number; amounts ("Hauptstraße acht Stunden").
    """
    streets = [e for e in found if e.type == "ADDRESS" and "street" in e.recognizer]
    if not streets or context.source is not TextSource.SPEECH:
        return
    spoken = [n for n in numerals(text, context.language) if n.form.isdigit()]
    for street in streets:
        start = _before_number(text, street.start, spoken)
        behind = context.language[:2].lower() not in _NUMBER_FIRST_LANGUAGES
        end = _behind_number(text, street.end, spoken) if behind else street.end
        if (start, end) != (street.start, street.end):
            yield replace(street, start=start, end=end)


def _before_number(text: str, start: int, spoken: Sequence[Numeral]) -> int:
    last = bisect_right(spoken, start, key=lambda n: n.end)
    for numeral in reversed(spoken[max(0, last - _PIECES) : last]):
        if numeral.form == _ONE or not _BEFORE_STREET.fullmatch(text, numeral.end, start):
            break
        start = numeral.start
    return start


def _behind_number(text: str, end: int, spoken: Sequence[Numeral]) -> int:
    first = bisect_left(spoken, end, key=lambda n: n.start)
    for numeral in spoken[first : first + 1]:
        if _BEHIND_STREET.fullmatch(text, end, numeral.start) and not AMOUNT.match(text, numeral.end):
            letter = _LETTER_BEHIND.match(text, numeral.end)
            return letter.end() if letter else numeral.end
    return end


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
