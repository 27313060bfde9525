"""Birth dates, and ages over 89.

Must NOT match: appointments ("Tuesday the 9th"), years alone, dates of invoices. In speech a full date with a plausible
birth year counts without context, because the answer to a question is the date alone.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.lexicons.loader import across, alternatives
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import Pattern, PatternRecognizer, near, words
from models.redaction.recognizers.filters.age_of_objects import is_age_of_object
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_MONTH_LISTS = (("months", "all"), ("months", "short"), ("dates", "months_beside_days"))
MONTH = f"(?:{'|'.join(alternatives(subject, name) for subject, name in _MONTH_LISTS)})"
"""The name of a month in any language."""

_CONTEXT = words(*across("dates", "birth"))
"""Words for birth in any language."""

_ORDINAL_WORDS = (
    r"(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|tenth|twenty|thirty|thirtieth|twentieth|one|two"
    r"|three)"
)
_DAY = rf"(?:[0-3]?\d(?:\s?(?:st|nd|rd|th|\.|er))?|{_ORDINAL_WORDS}(?:[ -]{_ORDINAL_WORDS})?)"
_YEAR = r"(?:19\d\d|20[0-2]\d)"
_SHORT_YEAR = r"(?:19\d\d|20[0-2]\d|['\u2019]?\d\d)"

_WRITTEN = (
    rf"(?<![\w])(?:(?:the )?{_DAY}(?:\s?(?:of|de|du))?(?: the)?[ -]{{1,2}}{MONTH}[.,]?(?:\s?(?:of|de"
    rf"|del))?[ ,-]{{1,2}}{_YEAR}"
    rf"|{MONTH}\.?[ -](?:the )?{_DAY}(?:,| of)?[ -]{{1,2}}{_YEAR}|(?:of )?{MONTH}[ ,]{{1,2}}{_YEAR}"
    rf"|(?:the )?[0-3]?\d(?:st|nd|rd|th) of (?:the )?[0-3]?\d(?:st|nd|rd|th)?[ ,]{{1,2}}{_YEAR})(?!\w)"
)
_NUMERIC = (
    rf"(?<![\w/.-])(?:[0-3]?\d\s?([./-])\s?[0-3]?\d\s?\1\s?{_SHORT_YEAR}|{_YEAR}([./-])"
    rf"[01]?\d\2[0-3]?\d|[0-3]?\d [01]?\d {_YEAR})(?![\w/]|-\d)"
)

_STAR_DATE = r"[0-3]?\d\.\s?[01]?\d\.\s?(?:19\d\d|200\d)"
BIRTH_DATE = PatternRecognizer(
    entity="DOB",
    name="birth-date",
    needs="0",
    patterns=(
        Pattern(re.compile(_WRITTEN, re.IGNORECASE), 0.2, name="written"),
        Pattern(re.compile(_NUMERIC), 0.2, name="numeric"),
        # A star means "born": "Max Muster, * 03.05.1980". At the start of a line it is a list bullet, unless a town
        # follows.
        Pattern(
            re.compile(rf"(?:[^\W\d_]\)?[,;]? |\()\*\s?(?P<value>{_STAR_DATE})(?![\w/-])"),
            0.8,
            group="value",
            name="star",
            hints=("*",),
        ),
        Pattern(
            re.compile(rf"(?<![\w*])\*\s?(?P<value>{_STAR_DATE})(?= in [^\W\d_a-zß-ÿ])"),
            0.8,
            group="value",
            name="star-town",
            hints=("*",),
        ),
        Pattern(
            re.compile(rf"(?<!\w)(?:{_DAY} {MONTH}|{MONTH} {_DAY}|{_YEAR})(?!\w)", re.IGNORECASE), 0.1, name="part"
        ),
    ),
    context=_CONTEXT,
)


_YEARS_OF_BIRTH = re.compile(r"(?<!\d)(?:19\d\d|200\d)(?!\d)|\d(?:19\d\d|200\d)(?!\d)")
_YEAR_AT_END = re.compile(r"(?<!\d)(?:19[2-9]\d|200\d)\W{0,2}$")
_DAY_OR_NUMBER = re.compile(r"(?<!\w)[0-3]?\d(?:st|nd|rd|th)?(?!\w)")
_ANY_YEAR = re.compile(r"(?:19\d\d|20[0-2]\d)(?!\d)")
_MONTH_OR_NUMBER = re.compile(rf"\d|(?<!\w){MONTH}(?!\w)", re.IGNORECASE)
_OTHER_MATTER = words(
    # appointments and bookings
    "appointments?", "visits?", "visited", "meetings?", "met", "book(?:ed|ings?)?", "reserv(?:ed?|ations?)",
    "cancel(?:l?ed)?", "postponed?", "moved?", "table", "room",
    # payments
    "pay(?:ments?|ing|s)?", "paid", "transfer(?:red|s)?", "invoices?", "bills?", "due", "cheques?", "accounts?",
    "loans?", "mortgage",
    # contracts and goods
    "contracts?", "signed", "lease", "rent(?:ed)?", "bought", "sold", "order(?:ed)?", "deliver(?:ed|y)",
    "built", "install(?:ed|ation)", "repaired", "serviced", "inspect(?:ed|ion)", "model", "meter", "readings?",
    # stretches of time
    "from", "until", "till", "between", "up to", "since",
)  # fmt: skip


class SpokenDateRecognizer:
    """A full date with a plausible birth year, as the whole answer or in passing.

    Recognition garbles short answers ("off March 1968", "10 too 1966"), so a short answer with a birth year is hidden
    whole. Recent dates are mostly appointments and payments; they count only as the whole answer.
    """

    name = "spoken-date"
    _written = re.compile(_WRITTEN, re.IGNORECASE)
    _numeric = re.compile(_NUMERIC)
    _ANSWER_WORDS = 6
    _BARE_ANSWER_WORDS = 5

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or not view.digits:
            return
        has_year = _ANY_YEAR.search(view.text) is not None
        if has_year and (answer := self._whole_answer(view)):
            yield answer
            return
        for pattern in (self._written, self._numeric) if has_year else (self._numeric,):
            for match in pattern.finditer(view.text):
                old = _YEARS_OF_BIRTH.search(match.group()) and not near(
                    view, match.start(), match.end(), _OTHER_MATTER
                )
                if old or near(view, match.start(), match.end(), _CONTEXT):
                    yield Entity("DOB", match.start(), match.end(), 0.8, self.name)

    def _whole_answer(self, view: TextView) -> Entity | None:
        count = len(view.text.split())
        garbled = _YEAR_AT_END.search(view.text) is not None and len(_DAY_OR_NUMBER.findall(view.text)) > 1
        if count > self._ANSWER_WORDS + 2 * garbled or _OTHER_MATTER.search(view.lower):
            return None
        year = _YEARS_OF_BIRTH.search(view.text)
        if year is None and count <= self._BARE_ANSWER_WORDS:
            year = _ANY_YEAR.search(view.text)
        if year is None or not _MONTH_OR_NUMBER.search(view.text[: year.start()] + " " + view.text[year.end() :]):
            return None
        if is_harmless(view, *_digits_around(view.text, year.start(), year.end())):
            return None
        answer = list(WORD.finditer(view.text))
        return Entity("DOB", answer[0].start(), answer[-1].end(), 0.6, f"{self.name}:answer")


def _digits_around(text: str, start: int, end: int) -> tuple[int, int]:
    """The whole number that [start, end) is a part of: "order 4471902" ends like a year."""
    while start and text[start - 1].isdigit():
        start -= 1
    while end < len(text) and text[end].isdigit():
        end += 1
    return start, end


SPOKEN_DATE = SpokenDateRecognizer()

OLD_AGE = PatternRecognizer(
    entity="AGE",
    name="old-age",
    needs="0",
    unless=is_age_of_object,
    # Few people in a place are over 89, so the age identifies (HIPAA, safe harbour).
    patterns=(
        Pattern(
            re.compile(r"(?<![\w.])(?:9\d|1[01]\d)(?=[ -]years?[ -]old|[ -]year[ -]old| yrs?\b|yo\b)", re.IGNORECASE),
            0.8,
        ),
    ),
)
