"""Names, postcodes and codes that are spelled letter by letter or in an alphabet of words.

Must NOT match: abbreviations (``A T M``, ``U S A``), "a" and "I" as words, volts and watts. The spoken view
marks what was spelled; this file decides what it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher

from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.recognizers.person.introduced_name import NOT_NAMES
from models.redaction.types import RedactionContext
from models.text import Entity

_POSTCODE = re.compile(r"[a-z]{1,2}\d[a-z\d]?\d?[a-z]{0,2}|[a-z]\d[a-z]\d[a-z]\d", re.IGNORECASE)

_RATING = re.compile(r"\d{1,4}v\d{1,5}(?:w|a|hz)(?:\d{1,4}(?:w|a|hz))?")
"""Ratings of machines: "230 V, 2200 W"."""

ABBREVIATIONS = frozenset(
    """usa uk atm pin tv pc id abc ok faq gps vip usb sms pdf url http https www html php com bbc fbi cia nasa iban
    bic swift otp kyc isa apr
    eur usd gbp inr ups dhl hdmi wifi led lcd cctv dvd cd am pm ac dc ai it hr ceo cto cfo rtx gtx""".split()
)

_BESIDE = 40
"""Characters before and after a spelling in which the word itself is looked for."""

_MIN_WORD = 3
_LONGEST_FORM = 30
_ALIKE = 0.6


class SpelledRecognizer:
    """What the spoken view marked as spelled."""

    name = "spelled"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for start, end in view.spelled:
            form = view.text[start:end].lower()
            if form in ABBREVIATIONS or form.rstrip("s") in ABBREVIATIONS or _RATING.fullmatch(form):
                continue
            with_digits = "ADDRESS" if _POSTCODE.fullmatch(form) else "ID"
            kind = "NAME" if form.isalpha() else with_digits
            yield Entity(kind, start, end, 0.7, self.name)
            if kind == "NAME":
                yield from self._said(view, start, end, form)

    def _said(self, view: TextView, start: int, end: int, form: str) -> Iterator[Entity]:
        """The word beside its spelling, also as recognition wrote it: "Marlo, M A R L O W"."""
        for low, high in ((max(0, start - _BESIDE), start), (end, min(len(view.text), end + _BESIDE))):
            for match in WORD.finditer(view.lower, low, high):
                word = match.group()
                if word[0] != form[0] or len(word) < _MIN_WORD or word in NOT_NAMES:
                    continue
                if SequenceMatcher(None, word, form[:_LONGEST_FORM], autojunk=False).ratio() >= _ALIKE:
                    yield Entity("NAME", match.start(), match.end(), 0.6, "spelled:said")


SPELLED = SpelledRecognizer()
