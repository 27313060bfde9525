"""Birth dates: a date near a word for birth in any language that has a lexicon, and short answers with a birth year.

Must NOT match: appointments ("Tuesday the 9th"), years alone, dates of invoices.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.redaction.dialogue_context import is_day
from models.redaction.lexicons.loader import ANY, across, alternatives, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, words
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_MONTH_LISTS = (("months", "all"), ("months", "short"), ("dates", "months_beside_days"))
MONTH = rf"(?:{'|'.join(alternatives(subject, name) for subject, name in _MONTH_LISTS)})\.?"
"""The name of a month in any language."""
DAY = rf"(?:[0-3]?\d(?:st|nd|rd|th|er|re|[º°ª])?\.?|(?:{alternatives('dates', 'days')}))"
_YEAR = r"(?:(?:19|20)\d\d|['\u2019]?\d\d)(?![\w%]|[.,:/]\d| %)"
_PARTICLES: Final = {name: "|".join(entries) for name, entries in word_lists(ANY, "particles").items()}
_OF = rf"(?:(?:{_PARTICLES['dates']})[ ]){{0,2}}"
GAP = rf"(?:[ ,/.-]{{1,2}}{_OF})"
_DATES: Final = (
    rf"{DAY}{GAP}{MONTH}(?:{GAP}{_YEAR})?",
    rf"{MONTH}{GAP}(?:{DAY}(?:{GAP}{_YEAR})?|{_YEAR})",
    rf"{DAY}\s?{GAP}\s?[01]?\d(?:st|nd|rd|th|\.)?\s?{GAP}\s?{_YEAR}",
    r"(?:19|20)\d\d[./-][01]?\d[./-][0-3]?\d",
)
_ABBREVIATION: Final = (
    rf"(?<![^\W_])(?:{alternatives('dates', 'birth_right_before')})[ :]{{0,2}}(?:(?:{_PARTICLES['before_dates']}) )?"
)
_DATE: Final = rf"(?<![^\W_])(?<!\d[./-])(?:{'|'.join(_DATES)})(?![^\W_]|[./-]\d)"
_STAR_DATE = r"[0-3]?\d\.\s?[01]?\d\.\s?(?:19\d\d|200\d)"

BIRTH_DATE = PatternRecognizer(
    entity="DOB",
    name="birth-date",
    needs="0",
    patterns=(
        Pattern(re.compile(_DATE, re.IGNORECASE), 0.25),
        Pattern(re.compile(r"(?<!\w)(?:19\d\d|20[0-2]\d)(?!\w)"), 0.1, name="year"),
        # An abbreviation of one word is something else elsewhere, so the date must stand right after it.
        Pattern(
            re.compile(rf"{_ABBREVIATION}(?P<value>{_DATE})", re.IGNORECASE), 0.8, group="value", name="abbreviated"
        ),
        # A star means "born": "Max Muster, * 03.05.1980". At the start of a line it is a list bullet, unless a town
        # follows.
        Pattern(
            re.compile(
                rf"(?:(?:[^\W\d_]\)?[,;]? |\()\*\s?|(?<![\w*])\*\s?(?={_STAR_DATE} in [^\W\d_a-zß-ÿ]))"
                rf"(?P<value>{_STAR_DATE})(?![\w/-])"
            ),
            0.8,
            group="value",
            name="star",
            hints=("*",),
        ),
    ),
    context=words(*across("dates", "birth")),
)


_YEARS_OF_BIRTH = re.compile(r"(?<!\d)(?:19\d\d|200\d)(?!\d)|\d(?:19\d\d|200\d)(?!\d)")
_YEAR_AT_END = re.compile(r"(?<!\d)(?:19[2-9]\d|200\d)\W{0,2}$")
_DAY_OR_NUMBER = re.compile(r"(?<!\w)[0-3]?\d(?:st|nd|rd|th)?(?!\w)")
_ANY_YEAR = re.compile(r"(?:19\d\d|20[0-2]\d)(?!\d)")
_MONTH_OR_NUMBER = re.compile(rf"\d|(?<!\w){MONTH}(?!\w)", re.IGNORECASE)
_OTHER_MATTER = words(alternatives("dates", "other_matters"))
"""Words of sentences whose dates are no birth dates."""


class SpokenDateRecognizer:
    """A full date with a plausible birth year as the whole answer.

    Recognition garbles short answers ("off March 1968", "10 too 1966"), so a short answer with a birth year is hidden
    whole.
    """

    name = "spoken-date"
    _ANSWER_WORDS = 6
    _BARE_ANSWER_WORDS = 5

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or not view.digits or not _ANY_YEAR.search(view.text):
            return
        if is_day(context.asked_for):
            return
        count = len(view.text.split())
        garbled = _YEAR_AT_END.search(view.text) is not None and len(_DAY_OR_NUMBER.findall(view.text)) > 1
        if count > self._ANSWER_WORDS + 2 * garbled or _OTHER_MATTER.search(view.lower):
            return
        year = _YEARS_OF_BIRTH.search(view.text)
        if year is None and count <= self._BARE_ANSWER_WORDS:
            year = _ANY_YEAR.search(view.text)
        if year is None or not _MONTH_OR_NUMBER.search(view.text[: year.start()] + " " + view.text[year.end() :]):
            return
        if not is_harmless(view, *_digits_around(view.text, year.start(), year.end())):
            answer = list(WORD.finditer(view.text))
            yield Entity("DOB", answer[0].start(), answer[-1].end(), 0.6, f"{self.name}:answer")


def _digits_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole number that [start, end) is a part of: "order 4471902" ends like a year."""
    while start and text[start - 1].isdigit():
        start -= 1
    while end < len(text) and text[end].isdigit():
        end += 1
    return start, end


SPOKEN_DATE = SpokenDateRecognizer()
