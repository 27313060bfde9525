"""Numbers that identify nobody: readings, prices, times, dates, meter and order numbers.

Every recognizer of bare digits asks ``is_harmless`` first. Must NOT be called harmless: a number that a personal word
introduces ("my number is").
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import alternatives, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import MARKS
from models.redaction.recognizers.filters.reference_numbers import is_reference_number

_UNITS: Final = "units"
_NOT_WITHIN: Final = rf"(?![^\W_]|[{MARKS}])"
_SYMBOL_AFTER: Final = re.compile(
    r"\s{0,2}(?:m3|m\^3|m³|%|°|[$€£₹]|[hkM]?Pa\b|(?:[kM]?[VW]|kVA)"
    rf"(?=\s{{0,2}}(?:[,.;)/]|$)| (?:{alternatives(_UNITS, 'and')}) \d))",
)
"""V and W count only where no number plate or street can go on."""
_UNIT_AFTER: Final = re.compile(
    rf"\s{{0,2}}(?:{alternatives(_UNITS, 'after')}|{alternatives(_UNITS, 'money')}){_NOT_WITHIN}", re.IGNORECASE
)
_MONEY_BEFORE: Final = re.compile(rf"(?:[$€£₹]|\b(?:{alternatives(_UNITS, 'money_before')}))\s{{0,2}}$", re.IGNORECASE)

_CUES = re.compile(
    r"(?<![^\W_])(?:"
    rf"(?P<harmless>{alternatives('number_cues', 'of_things')})"
    rf"|(?P<personal>{alternatives('number_cues', 'of_people')})"
    r")(?![^\W_])"
)
_SENTENCE_END = re.compile(r"(?<!\bno)(?<!\bnr)[.!?]\s|\n")

_REACH = 45
"""Characters back to look for the word that introduces a number."""


def introduced_as(view: TextView, start: int) -> str:
    """The kind of the nearest introducing word before ``start`` in its sentence: ``harmless``, ``personal`` or ""."""
    kind = ""
    low = max(0, start - _REACH)
    sentence = low
    for end in _SENTENCE_END.finditer(view.lower, low, start):
        sentence = end.end()
    for match in _CUES.finditer(view.lower, sentence, start):
        kind = match.lastgroup or ""
    return kind


_NUMBER_NEXT: Final = re.compile(
    rf"[ \t]?(?:{alternatives('number_cues', 'before_number')}|[:=#])?[ \t]{{0,2}}\d", re.IGNORECASE
)


def introduces_a_number(view: TextView, start: int, end: int) -> bool:
    """Whether the word at [start, end) is "reading", "meter" or the like, with its number right after it.

    The word alone is not enough: Reading is a town, Total a company.
    """
    match = _CUES.fullmatch(view.lower, start, end)
    return match is not None and match.lastgroup == "harmless" and _NUMBER_NEXT.match(view.text, end) is not None


_MONTHS: Final = "|".join(month[:3] for month in word_lists("en", "months")["all"])
_TIME_OR_DAY: Final = re.compile(
    rf"(?<![^\W_])(?:(?:{alternatives(_UNITS, 'times')})\s(?:[01]?\d|2[0-4])[ .:h][0-5]\d(?![\w:])"
    rf"|(?:{_MONTHS})[a-z]{{0,6}}\.? (?:the )?[0-3]?\d(?:st|nd|rd|th)(?![^\W_]))"
)
_TIME_REACH = 14


def is_time_or_day(view: TextView, start: int, end: int) -> bool:
    """Whether [start, end) lies in a time of day ("at 12 30") or a day of a month ("Jun 2nd")."""
    low, high = max(0, start - _TIME_REACH), min(len(view.lower), end + _TIME_REACH)
    return any(m.start() <= start and end <= m.end() for m in _TIME_OR_DAY.finditer(view.lower, low, high))


_MOST_MEASURED = 7
"""Most digits of a measurement or a count. A longer number with a unit after it identifies somebody."""
_MOST_PAID = 9
_NUMBERS_OF_PEOPLE = 10
"""From so many digits a number may be a telephone number, whatever its context."""

_CURRENCY: Final = re.compile(rf"\s{{0,2}}(?:[$€£₹]|(?:{alternatives(_UNITS, 'money')}){_NOT_WITHIN})", re.IGNORECASE)


def is_amount(view: TextView, start: int, end: int) -> bool:
    """Whether the number at [start, end) has a unit or a currency beside it and is short enough for an amount."""
    count = sum(map(str.isdigit, view.text[start:end]))
    if _MONEY_BEFORE.search(view.text, max(0, start - 6), start) or _CURRENCY.match(view.text, end):
        return count <= _MOST_PAID
    if count > _MOST_MEASURED or _is_code(view, start, end):
        return False
    return bool(_SYMBOL_AFTER.match(view.text, end) or _UNIT_AFTER.match(view.text, end))


def _is_code(view: TextView, start: int, end: int) -> bool:
    """Whether a letter is glued before the first digit: "R147 KW" is no quantity."""
    digit = next((at for at in range(start, end) if view.text[at].isdigit()), start)
    return digit > 0 and view.text[digit - 1].isalpha()


def is_harmless(view: TextView, start: int, end: int) -> bool:
    """Whether the number at [start, end) is a reading, an amount or the number of a thing."""
    if is_amount(view, start, end):
        return True
    count = sum(map(str.isdigit, view.text[start:end]))
    if count < _NUMBERS_OF_PEOPLE and introduced_as(view, start) == "harmless":
        return True
    return is_reference_number(view, start, end)
