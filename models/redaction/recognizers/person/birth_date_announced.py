"""Birth dates in the words of every language that has a lexicon: a date near a word for birth.

Must NOT match: appointments, dates of invoices, years alone.
"""

from __future__ import annotations

import re
from typing import Final

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.person.birth_date import MONTH

_MONTH = rf"{MONTH}\.?"
_DAY = rf"(?:[0-3]?\d(?:st|nd|rd|th|er|re|[º°ª])?\.?|(?:{alternatives('dates', 'days')}))"
_YEAR = r"(?:(?:19|20)\d\d|['\u2019]?\d\d)(?![\w%]|[.,:/]\d| %)"
_OF = r"(?:(?:of|the|de|del|du|di|do|den|का|के)[ ]){0,2}"
_GAP = rf"(?:[ ,/.-]{{1,2}}{_OF})"
_DATES: Final = (
    rf"{_DAY}{_GAP}{_MONTH}(?:{_GAP}{_YEAR})?",
    rf"{_MONTH}{_GAP}(?:{_DAY}(?:{_GAP}{_YEAR})?|{_YEAR})",
    rf"{_DAY}{_GAP}[01]?\d(?:st|nd|rd|th|\.)?{_GAP}{_YEAR}",
    r"(?:19|20)\d\d[./-][01]?\d[./-][0-3]?\d",
)
_ABBREVIATION: Final = (
    rf"(?<![^\W_])(?:{alternatives('dates', 'birth_right_before')})[ :]{{0,2}}(?:(?:el|le|am|il|den|the) )?"
)
_DATE: Final = rf"(?<![^\W_])(?<!\d[./-])(?:{'|'.join(_DATES)})(?![^\W_]|[./-]\d)"

ANNOUNCED_BIRTH_DATE = PatternRecognizer(
    entity="DOB",
    name="announced-birth-date",
    needs="0",
    patterns=(
        Pattern(re.compile(_DATE, re.IGNORECASE), 0.25),
        # An abbreviation of one word is something else elsewhere, so the date must stand right after it.
        Pattern(
            re.compile(rf"{_ABBREVIATION}(?P<value>{_DATE})", re.IGNORECASE),
            0.8,
            group="value",
            name="abbreviated",
        ),
    ),
    context=words(*across("dates", "birth")),
)
