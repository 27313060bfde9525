"""Names, postcodes and codes that are spelled letter by letter or in an alphabet of words.

The spoken view marks what was spelled; this file decides what it is. Recognition may also write a spelled word as one
word in capitals. Must NOT match: abbreviations (``A T M``, ``U S A``), "a" and "I" as words, volts and watts, texts in
capitals throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Final

from models.redaction.dialogue_context import is_reading
from models.redaction.lexicons.loader import ANY, across
from models.redaction.lexicons.loader import words as listed
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import digits_of, near, words
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_POSTCODE = re.compile(r"[a-z]{1,2}\d[a-z\d]?\d?[a-z]{0,2}|[a-z]\d[a-z]\d[a-z]\d", re.IGNORECASE)

_RATING = re.compile(r"\d{1,4}v\d{1,5}(?:w|a|hz)(?:\d{1,4}(?:w|a|hz))?")
"""Ratings of machines: "230 V, 2200 W"."""

ABBREVIATIONS: Final = listed(ANY, "abbreviations")
_IN_CAPITALS: Final = ABBREVIATIONS | listed(ANY, "abbreviations", "in_capitals")
"""Words in capitals that nobody spelled. Spelled letter by letter, "S I M S" is a name."""

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
                if word[0] != form[0] or len(word) < _MIN_WORD:
                    continue
                if SequenceMatcher(None, word, form[:_LONGEST_FORM], autojunk=False).ratio() >= _ALIKE:
                    yield Entity("NAME", match.start(), match.end(), 0.6, "spelled:said")


SPELLED = SpelledRecognizer()

_ODD = r"(?:[ ,-]{1,2}(?:[A-ZÀ-ÖØ-Þ]{2,30}|[\d]{1,5}[a-z]{0,3}[A-Z]{1,20}|[A-Z](?![\w'])))"
_RUN = re.compile(
    rf"(?<![\w'\u2019])(?:[A-ZÀ-ÖØ-Þ]{{1,3}}[ -]){{0,2}}[A-ZÀ-ÖØ-Þ]{{4,30}}(?![a-z'\u2019]){_ODD}{{0,8}}(?!\w)"
)
_WRITTEN = re.compile(r"[^\W\d_]{2,}")

_MOSTLY = 0.6


class SpelledCapitalsRecognizer:
    """Finds spelled words that recognition wrote in capitals: "BROST", "ORCH ARD PLACE"."""

    name = "spelled-capitals"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or view.kind != "original" or self._is_shouted(view.text):
            return
        for match in _RUN.finditer(view.text):
            said = [w.lower() for w in re.split(r"[ ,-]+", match.group()) if w]
            if _IN_CAPITALS.issuperset(said):
                continue
            yield Entity("NAME", match.start(), match.end(), 0.65, self.name)

    def _is_shouted(self, text: str) -> bool:
        """Whether the recognition writes everything in capitals."""
        written = _WRITTEN.findall(text)
        return len(written) > 5 and sum(w.isupper() for w in written) > _MOSTLY * len(written)


_OBJECTS = words(*across("announcements", "objects"))
_OBJECT_REACH = 16
_COUNTING = "0123456789012345678901234567890"


def is_object_number(view: TextView, start: int) -> bool:
    """Whether the number that begins here is the number of a thing in the building."""
    return near(view, start, start, _OBJECTS, before=_OBJECT_REACH, after=0)


class DictatedDigitsRecognizer:
    """Finds numbers that are dictated digit by digit: nobody says a quantity so."""

    name = "dictated"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or is_reading(context.asked_for):
            return
        for start, end in view.dictated:
            counting = digits_of(view.text[start:end]) in _COUNTING
            if not (counting or is_harmless(view, start, end) or is_object_number(view, start)):
                yield Entity("ID", start, end, 0.6, self.name)


SPELLED_CAPITALS = SpelledCapitalsRecognizer()
DICTATED_DIGITS = DictatedDigitsRecognizer()
