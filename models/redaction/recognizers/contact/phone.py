"""Phone numbers by region, written or assembled from speech.

Must NOT match: meter readings and serials, prices, dates (``24.11.2026``), times, IP addresses, versions. Digits
outside every numbering plan are still a phone number after words that introduce one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import phonenumbers

from models.redaction.countries.loader import phone_regions
from models.redaction.lexicons.loader import alternatives
from models.redaction.normalize.dates_times import DAY, NOT_AN_HOUR, is_date_time
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import context_words, digits_of, near
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.types import RedactionContext
from models.text import Entity

EXTENSIONS: Final = alternatives("identifiers", "extension")
"""Words before an extension, as alternatives of an expression."""

_EXTENSION = (
    rf"[ ,;]{{0,3}}(?:x|#|p\.|(?:{EXTENSIONS}|{alternatives('identifiers', 'extension_after_number')})\.?)"
    r"[ .:=]{0,2}\d{1,6}(?!\d)"
)
_CANDIDATE = re.compile(
    r"(?<![\w/])(?<!\d[.,:])(?P<number>(?:\+\s?|\(\+?|00)?\d(?:[ ()./~–‐-]{0,3}\d){5,16})"
    rf"(?:{_EXTENSION}|(?!\w)(?!\.\d){NOT_AN_HOUR})",
    re.IGNORECASE,
)
"""Six to seventeen digits with the separators that people put between them, and an extension."""

_INTERNATIONAL = re.compile(
    rf"(?P<number>\+\d(?:[ ()./~–‐·•∙_,|:*-]{{0,2}}\d){{7,14}})(?:{_EXTENSION}|(?!\w)(?![.,]\d))", re.IGNORECASE
)
"""The same after a plus, with separators that only a numbering plan tells from a list or an amount."""

_DATE = re.compile(r"\d{1,2}([./-])\d{1,2}\1(?:\d{4}|\d{2})|\d{4}([./-])\d{1,2}\2\d{1,2}")
_GROUPED = re.compile(
    r"(?:\+\s?\d{1,3}[ .-]{0,2})?(?:\(\d{2,5}\)|\d{2,5})[ .-]{1,3}\d{2,4}[ .-]{1,3}\d{2,5}(?:[ .-]{1,3}\d{2,5})*"
)
_DASHED = re.compile(r"(?:\+?\d{1,3}[ .-])?(?:\(\d{2,5}\)\s?|\d{2,5}-)\d{2,4}-\d{3,5}")
_SEVERAL = re.compile(r"(?<![\d-])(?:\+?\d{1,3}[ .-])?(?:\(\d{3}\) ?|\d{3}-)\d{3}-\d{4}(?![\d-])")
"""Several numbers in a row, which together are too long for one."""

_LONGEST_DIGITS = 13
_THOUSANDS = re.compile(r"\d{1,3}([ .,])\d{3}(?:\1\d{3})*")

_CONTEXT = context_words("phone")

_SURELY_A_PHONE = context_words("phone_surely")

_DEFAULT_REGIONS = ("US",)


def is_known_number(text: str, language: str) -> bool:
    """Whether a numbering plan of the language's regions has this number."""
    for region in (None,) if text.lstrip("( ").startswith("+") else phone_regions(language) or _DEFAULT_REGIONS:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(text, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


_LOCAL_DIGITS = 7
"""A shorter number is a phone number only after a word that says so."""
_AREA_CODE_DIGITS = 10


def _candidates(text: str) -> Iterator[re.Match[str]]:
    """Digits that may be a phone number. Digits around a date are tried without the date."""
    for match in _CANDIDATE.finditer(text):
        start = match.start()
        for day in DAY.finditer(text, start, match.end()):
            yield from _CANDIDATE.finditer(text, start, day.start())
            start = day.end()
        if start == match.start():
            yield match
        else:
            yield from _CANDIDATE.finditer(text, start, match.end())


class PhoneRecognizer:
    """Candidates by shape, then context, then the numbering plans."""

    name = "phone"
    context = _CONTEXT
    least_digits = 6

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if view.digits < self.least_digits:
            return
        for match in _INTERNATIONAL.finditer(view.text) if "+" in view.text else ():
            if is_known_number(f"+{digits_of(match['number'])}", context.language):
                yield Entity("PHONE", match.start(), match.end(), 0.9, f"{self.name}:international")
        for match in _candidates(view.text):
            score = self._score(view, match, context)
            if score:
                yield Entity("PHONE", match.start(), match.end(), score, self.name)
            elif len(digits_of(match.group())) > _LONGEST_DIGITS:
                # The last number may continue after the digits of this match.
                for part in _SEVERAL.finditer(view.text, match.start(), match.end() + _LONGEST_DIGITS):
                    if part.start() >= match.end():
                        break
                    yield Entity("PHONE", part.start(), part.end(), 0.75, f"{self.name}:several")

    def _score(self, view: TextView, match: re.Match[str], context: RedactionContext) -> float:
        text, digits = match["number"], digits_of(match["number"])
        if (
            _DATE.fullmatch(text)
            or is_date_time(text)
            or (_THOUSANDS.fullmatch(text) and len(digits) < _AREA_CODE_DIGITS)
        ):
            return 0.0
        # This grouping (415-555-0132) is never a reading or a price, whatever the words beside it.
        if not (_DASHED.fullmatch(text) and len(digits) >= 9) and is_harmless(view, match.start(), match.end()):
            return 0.0
        if text.startswith(("+", "(+")):
            return 0.95 if len(digits) >= _LOCAL_DIGITS else 0.6
        if len(digits) < _LOCAL_DIGITS:
            return 0.6 if near(view, match.start(), match.end(), _SURELY_A_PHONE, after=0) else 0.0
        if near(view, match.start(), match.end(), _CONTEXT, after=12) or "PHONE" in context.asked_for:
            return 0.9
        extended = match.end() > match.end("number")  # only a telephone number has an extension
        return 0.75 if extended else self._unintroduced(text, len(digits), context.language)

    def _unintroduced(self, text: str, count: int, language: str) -> float:
        """The score of a number without context: by its grouping, then by the numbering plans."""
        if _GROUPED.fullmatch(text) and 9 <= count <= 13:
            return 0.75
        # The look-up is slow, and no numbering plan has longer numbers.
        likely = 9 <= count <= _LONGEST_DIGITS or text.startswith("00")
        return 0.65 if likely and is_known_number(text, language) else 0.0


PHONE = PhoneRecognizer()
