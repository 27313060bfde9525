"""Birth dates in Spanish, French, German, Italian, Portuguese and Hindi, introduced by a word for birth.

English, and the plain numeric forms, are in ``birth``. Must NOT match: appointments, dates of invoices, years alone.
"""

from __future__ import annotations

import re

from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words

_MONTHS = (
    "enero febrero marzo abril mayo junio julio agosto septiembre setiembre octubre noviembre diciembre janvier "
    "février fevrier mars "
    "avril mai juin juillet août aout septembre octobre novembre décembre decembre januar jänner februar märz maerz "
    "april juni juli "
    "august september oktober november dezember gennaio febbraio maggio giugno luglio settembre ottobre dicembre "
    "aprile janeiro "
    "fevereiro março maio junho julho setembro outubro dezembro जनवरी फरवरी फ़रवरी मार्च अप्रैल मई जून जुलाई अगस्त सितंबर "
    "सितम्बर अक्टूबर नवंबर "
    "नवम्बर दिसंबर दिसम्बर"
).split()
_MONTH = "(?:" + "|".join(sorted(_MONTHS, key=len, reverse=True)) + ")"
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
                rf"(?<![\w])(?:el |le |am |il |dem )?{_DAY}\.?[ºª°]?(?: de| di| के)? {{1,2}}{_MONTH}(?:,| de| del| "
                rf"di)? {{1,2}}{_YEAR}(?![\w])",
                re.IGNORECASE,
            ),
            0.25,
            name="full",
            hints=_CENTURIES,
        ),
        Pattern(
            re.compile(rf"(?<![\w])(?:en |im |in )?{_MONTH}(?: de| del| di)? {{1,2}}{_YEAR}(?![\w])", re.IGNORECASE),
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
    context=words(
        "nac[ií](?:do|da|ó|miento)?",
        "nasc(?:i|eu|eram)",
        "fecha de nacimiento",
        "cumpleaños",
        "née?(?: le| en)?",
        "naissance",
        "anniversaire",
        "geboren",
        "geburts(?:datum|tag)",
        "geb\\.",
        "nat[oa]",
        "nascita",
        "nascid[oa]",
        "nascimento",
        "जन्म(?: ?(?:तिथि|दिनांक|तारीख|दिन))?",
        "पैदा",
        "born",
        "birth",
        "dob",
        "janm",
    ),
)
