"""Birth dates, and ages over 89.

Must NOT match: appointments ("next Friday the 17th"), years alone, dates of invoices. In speech a full date with a year
in which a living person may be born counts without context: an agent asks, and the answer is the date alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.recognizers.base import Pattern, PatternRecognizer, has_digit, near, words
from models.redaction.types import RedactionContext
from models.redaction.views import View
from models.text import Entity, TextSource

_MONTH = (
    r"(?:jan(?:uary|vier|uar)?|feb(?:ruary|ruar)?|f[ée]vrier|m[aä]r(?:ch|z|s)?|apr(?:il)?|avril|ma[iy]|mayo|june?|juin|juni|july?|juillet|juli|aug(?:ust)?|"
    r"ao[uû]t|sep(?:t|tember|tembre)?|o[ck]t(?:ober|obre)?|nov(?:ember|embre)?|de[cz](?:ember)?|d[ée]cembre|enero|febrero|marzo|abril|junio|julio|"
    r"agosto|septiembre|octubre|noviembre|diciembre)"
)
_ORDINAL_WORDS = r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|twenty|thirty|thirtieth|twentieth|one|two|three)"
_DAY = rf"(?:[0-3]?\d(?:\s?(?:st|nd|rd|th|\.|er))?|{_ORDINAL_WORDS}(?:[ -]{_ORDINAL_WORDS})?)"
_YEAR = r"(?:19\d\d|20[0-2]\d)"
_SHORT_YEAR = r"(?:19\d\d|20[0-2]\d|['’]?\d\d)"

_WRITTEN = (
    rf"(?<![\w])(?:(?:the )?{_DAY}(?:\s?(?:of|de|du))?(?: the)?[ -]{{1,2}}{_MONTH}[.,]?(?:\s?(?:of|de|del))?[ ,-]{{1,2}}{_YEAR}"
    rf"|{_MONTH}\.?[ -](?:the )?{_DAY}(?:,| of)?[ -]{{1,2}}{_YEAR}|(?:of )?{_MONTH}[ ,]{{1,2}}{_YEAR}"
    rf"|(?:the )?[0-3]?\d(?:st|nd|rd|th) of (?:the )?[0-3]?\d(?:st|nd|rd|th)?[ ,]{{1,2}}{_YEAR})(?!\w)"
)
_NUMERIC = rf"(?<![\w/.-])(?:[0-3]?\d\s?([./-])\s?[0-3]?\d\s?\1\s?{_SHORT_YEAR}|{_YEAR}([./-])[01]?\d\2[0-3]?\d|[0-3]?\d [01]?\d {_YEAR})(?![\w/]|-\d)"

_CONTEXT = words(
    "born", "birth", "birthday", "birth ?date", "date of birth", "d\\.?o\\.?b\\.?", "geboren", "geburtsdatum", "né le", "née le", "naissance",
    "nacid[oa]", "nacimiento", "जन्म", "b\\.?day", "bday",
)  # fmt: skip

BIRTH_DATE = PatternRecognizer(
    entity="DOB",
    name="birth-date",
    needs="0",
    patterns=(
        Pattern(re.compile(_WRITTEN, re.IGNORECASE), 0.2, name="written"),
        Pattern(re.compile(_NUMERIC), 0.2, name="numeric"),
        Pattern(
            re.compile(rf"(?<!\w)(?:{_DAY} {_MONTH}|{_MONTH} {_DAY}|{_YEAR})(?!\w)", re.IGNORECASE), 0.1, name="part"
        ),
    ),
    context=_CONTEXT,
)


class SpokenDateRecognizer:
    """A full date with a plausible birth year, said as the whole answer."""

    name = "spoken-date"
    _written = re.compile(_WRITTEN, re.IGNORECASE)
    _numeric = re.compile(_NUMERIC)
    _bare = re.compile(
        r"(?<![\w.])(?:[0-3]?\d ?[01]?\d ?(?:19|20)\d ?\d ?|[0-3O]\d[01O]\d ?(?:19|20)?\d\d|[\dO]{2,6}[ ]?[\dO]{2,5}[ ]?[\dO]{0,4})(?![\w.])"
    )
    _ANSWER_WORDS = 8

    def find(self, view: View, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or not has_digit(view.text):
            return
        answer = len(view.text.split()) <= self._ANSWER_WORDS
        for match in self._written.finditer(view.text):
            yield Entity("DOB", match.start(), match.end(), 0.8, self.name)
        for match in self._numeric.finditer(view.text):
            if answer or near(view, match.start(), match.end(), _CONTEXT):
                yield Entity("DOB", match.start(), match.end(), 0.7, self.name)


SPOKEN_DATE = SpokenDateRecognizer()

OLD_AGE = PatternRecognizer(
    entity="AGE",
    name="old-age",
    needs="0",
    # Over 89 there are so few people in a place that the age is a name (HIPAA, safe harbour).
    patterns=(
        Pattern(
            re.compile(r"(?<![\w.])(?:9\d|1[01]\d)(?=[ -]years?[ -]old|[ -]year[ -]old| yrs?\b|yo\b)", re.IGNORECASE),
            0.8,
        ),
    ),
)
