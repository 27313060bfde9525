"""Birth dates in Spanish, French, German, Italian, Portuguese and Hindi, introduced by a word for birth.

English, and the plain numeric forms, are in ``birth``. Must NOT match: appointments, dates of invoices, years alone.
"""

from __future__ import annotations

import re

from models.redaction.lexicons.loader import across
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.person.birth_date import MONTH

_DAY = r"(?:[0-3]?\d|[०-३]?[०-९]|1er|premier|primero|erste[nr]?)"
_YEAR = r"(?:(?:19|20)\d\d|(?:१९|२०)[०-९]{2})"

_CENTURIES = ("19", "20", "१९", "२०")
"""Every year that counts has one of these."""

BIRTH_DATE_WORDS = PatternRecognizer(
    entity="DOB",
    name="birth-date-words",
    patterns=(
        Pattern(
            re.compile(
                rf"(?<![\w])(?:el |le |am |il |dem )?{_DAY}\.?[ºª°]?(?: de| di| के)? {{1,2}}{MONTH}(?:,| de| del| "
                rf"di)? {{1,2}}{_YEAR}(?![\w])",
                re.IGNORECASE,
            ),
            0.25,
            name="full",
            hints=_CENTURIES,
        ),
        Pattern(
            re.compile(rf"(?<![\w])(?:en |im |in )?{MONTH}(?: de| del| di)? {{1,2}}{_YEAR}(?![\w])", re.IGNORECASE),
            0.2,
            name="month",
            hints=_CENTURIES,
        ),
        # 3 del 5 del 82, 4 12 76: as they are said
        Pattern(
            re.compile(
                rf"(?<![\w/.,:-])[0-3]?\d(?:st|nd|rd|th|\.)?(?: of(?: the)?| del?)? [01]?\d(?:st|nd|rd|th|\.)?"
                rf"(?:,| of| del?)? (?:{_YEAR}|\d\d)(?![\w.,:]\d|\w| ?%)"
            ),
            0.2,
            name="said",
        ),
        Pattern(
            re.compile(r"(?<![\w/.-])[०-३]?[०-९][./-][०-१]?[०-९][./-](?:१९|२०)[०-९]{2}"),
            0.2,
            name="devanagari",
            hints=_CENTURIES,
        ),
    ),
    context=words(*across("dates", "birth"), *across("dates", "birth_in_prose")),
)
