"""National, tax, bank, health and customer numbers of people.

The label is ``ID`` unless a finer one exists; the recognizer's name says the country. Must NOT match: reference numbers
of objects (see ``quantity_context``). A bare number counts if its checksum is right and long enough to exclude chance,
or if a word introduces it.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.countries.loader import Identifier, countries
from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.patterns.checksums import checksum
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, context_words, words
from models.redaction.recognizers.contact.phone import EXTENSIONS
from models.redaction.recognizers.filters.quantity_context import introduced_as, is_amount, is_harmless

_NOUNS: Final = {"PLATE": "plate", "LICENCE": "licence", "PASSPORT": "passport"}
"""Lists of context words of a kind of identifier, beside those of the country."""


def _national(country: str, identifier: Identifier) -> PatternRecognizer:
    """A recognizer of a country's identifier. Without context a match counts only if the checksum holds."""
    check = checksum(identifier.checksum)
    return PatternRecognizer(
        entity=identifier.entity,
        name=f"{country}-{identifier.name}",
        needs="0",
        patterns=(Pattern(re.compile(rf"(?<![\w.-])(?:{identifier.pattern})(?![\w-])"), identifier.score),),
        check=(lambda text: None if check(text) else False) if check else None,
        context=words(*identifier.context, *across("contexts", _NOUNS.get(identifier.entity, ""))),
        unless=_is_of_a_thing if check else is_harmless,
    )


def _is_of_a_thing(view: TextView, start: int, end: int) -> bool:
    """Whether plain digits are a reference number of an object. One number in ten has a right check digit by chance."""
    return introduced_as(view, start) == "harmless" and not _LETTER.search(view.text, start, end)


_LETTER = re.compile(r"[^\W\d_]")

NATIONAL = tuple(
    _national(code, identifier) for code, country in countries().items() for identifier in country.identifiers
)
"""The identifiers of all countries that have a file in ``models/redaction/countries``."""

_GROUPS = r"\d[^\W_]{0,64}(?:[-./ _]\d[^\W_]{0,64}){0,5}"
_VALUE = rf"(?P<value>(?:[A-Za-z]{{1,4}}[- ]?|-)?{_GROUPS}|[A-Za-z]{{1,4}}(?:[- ]?\d){{4,18}}[A-Za-z]?)"
_NAMED_VALUE = rf"(?P<value>(?:(?-i:[A-Z]{{1,4}})[- ]|[A-Za-z]{{1,4}}-?)?{_GROUPS})"
"""Small letters and a space before it are a word: "my BVN na 22148213957"."""
_SUBJECT: Final = "identifiers"
_IS: Final = alternatives("function_words", "copulas")
_NUMBER: Final = alternatives(_SUBJECT, "number")
_LINK: Final = (
    rf"(?:\s{{0,2}}(?:{_NUMBER}|#|№))?\.?(?:\s{{1,2}}(?:{alternatives(_SUBJECT, 'link')}))?[\s:#|=(*]{{0,30}}"
)


_NUMBER_OF: Final = alternatives("number_cues", "number_of")
_AFTER_NAME: Final = rf"\.?(?:\s{{1,2}}(?:{alternatives(_SUBJECT, 'link')}))?[\s:#|=(*]{{0,30}}"
_NAMED: Final = 0.96
"""Score of a value after the whole name of its number. More than that of a telephone number by its grouping."""


def _introduced(entity: str, name: str, score: float = 0.8, names: str = "") -> PatternRecognizer:
    """A value right after a word that says what it is, surely so after the whole name of its number: "account number".

    ``names`` are more such names, as alternatives of an expression.
    """
    labels = alternatives(_SUBJECT, name.replace("-", "_"))

    def after(words: str, value: str, score: float, kind: str = "") -> Pattern:
        regex = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W\d_]){_LINK}{value}(?![^\W_])", re.IGNORECASE)
        return Pattern(regex, score, group="value", name=kind)

    patterns = (after(labels, _VALUE, score), *([after(names, _NAMED_VALUE, _NAMED, "named")] if names else []))
    named = re.compile(
        rf"(?:(?:{_NUMBER}|{alternatives(_SUBJECT, 'long_number')}|#|№)|(?:{_NUMBER_OF})(?:{labels})){_AFTER_NAME}$"
    )
    return PatternRecognizer(entity, name, patterns, needs="0", check=_long_enough, named=named, named_score=_NAMED)


def _long_enough(text: str) -> bool | None:
    """Whether the value has more than three digits; shorter ones are a page or a room."""
    return None if sum(c.isdigit() for c in text) >= 4 else False


INTRODUCED = (
    _introduced("MEDICAL_ID", "medical-record"),
    _introduced("MEDICAL_ID", "provider"),
    _introduced("LICENCE", "licence"),
    _introduced("PASSPORT", "passport"),
    _introduced("ACCOUNT", "account"),
    _introduced("SSN", "ssn", score=0.95),
    _introduced("ID", "personal-number", names=alternatives(_SUBJECT, "named_number")),
    _introduced("PLATE", "plate"),
)

_PHONE: Final = alternatives(_SUBJECT, "telephone")
_TO: Final = rf"(?:\.?\s?(?:{_NUMBER}|{alternatives(_SUBJECT, 'long_number')}))?\.?(?:\s(?:{_IS}))?[\s:#=]{{1,3}}"
SHORT_PHONE = PatternRecognizer(
    entity="PHONE",
    name="short-phone",
    needs="0",
    # Must NOT match: years ("phone 2024"), amounts, longer numbers.
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![^\W_])(?:{EXTENSIONS}|(?:{_PHONE})(?!\D{{1,20}}(?:19|20)\d\d(?!\d))){_TO}(?P<value>\d{{4,5}})"
                r"(?![\w%]|[.,:/-]\d| \d)",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
        ),
    ),
    unless=is_amount,
)

CODED = PatternRecognizer(
    entity="ID",
    name="coded",
    needs="0",
    # A letter or two and seven or more digits: licences, passports, members. Must NOT match part and meter numbers,
    # which context clears.
    patterns=(Pattern(re.compile(r"(?<![\w/.-])(?:[A-Z]\d{7,13}|[A-Z]{2}\d{6,12}|\d{8,12}[A-Z])(?![\w/-])"), 0.5),),
)

_FILE = r"(?:\d{2,6}\s?/\s?\d{2,4}|\d{1,6}\s?/\s?(?:19|20)\d{2}|\d{1,6}(?:\s?/\s?\d{1,4}){2,3})"
"""A file number and its year, in either order, or in three or four parts."""

_FILES: Final = alternatives(_SUBJECT, "file")

CASE_NUMBER = PatternRecognizer(
    entity="ID",
    name="case-number",
    needs="/",
    # "no 71204 / 03", "n° 1234/56", "sumario 12/2003": files of courts and offices lead to the parties. Must NOT match:
    # fractions, dates (12/05), laws.
    patterns=(
        Pattern(
            re.compile(
                rf"(?<!\w)(?:{_FILES})\s?\.?:?\s{{0,2}}(?P<value>{_FILE})(?![\w/])",
                re.IGNORECASE,
            ),
            0.7,
            group="value",
        ),
        Pattern(  # the others of a row: "nos 50317/99, 50318/99 and 50322/99"
            re.compile(r"(?<![\w/.,-])(?P<value>\d{4,6}\s?/\s?\d{2,4})(?![\w/])"), 0.3, group="value", name="row"
        ),
    ),
    context=context_words("case_number"),
)
