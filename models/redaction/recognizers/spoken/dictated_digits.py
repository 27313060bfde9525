"""Numbers that are dictated digit by digit, and spelled words that recognition wrote as one word in capitals.

Nobody says a quantity as "two seven three one eight", so such a number is an identifier. Must NOT match: readings ("the
meter shows four eight two one"), rooms, gates, counting up, abbreviations, texts in capitals throughout.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import chain

from models.redaction.dialogue_context import is_reading
from models.redaction.lexicons.loader import languages, word_lists
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import digits_of, near, words
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.recognizers.person.spelled_name import ABBREVIATIONS
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_LISTS = (word_lists(code, "announcements")["objects"] for code in languages("announcements"))
OBJECT_WORDS = words(*dict.fromkeys(chain.from_iterable(_LISTS)))
"""Words right before numbers of objects and places."""

OBJECT_WORD_REACH = 16

_COUNTING = "0123456789012345678901234567890"


class DictatedDigitsRecognizer:
    """Finds what the spoken view marked as dictated."""

    name = "dictated"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        if context.source is not TextSource.SPEECH or is_reading(context.asked_for):
            return
        for start, end in view.dictated:
            digits = digits_of(view.text[start:end])
            if digits in _COUNTING or is_harmless(view, start, end) or is_object_number(view, start):
                continue
            yield Entity("ID", start, end, 0.6, self.name)


def is_object_number(view: TextView, start: int) -> bool:
    """Whether the number that begins here is the number of a thing in the building."""
    return near(view, start, start, OBJECT_WORDS, before=OBJECT_WORD_REACH, after=0)


_ODD = r"(?:[ ,-]{1,2}(?:[A-ZÀ-ÖØ-Þ]{2,30}|[\d]{1,5}[a-z]{0,3}[A-Z]{1,20}|[A-Z](?![\w'])))"
_RUN = re.compile(
    rf"(?<![\w'\u2019])(?:[A-ZÀ-ÖØ-Þ]{{1,3}}[ -]){{0,2}}[A-ZÀ-ÖØ-Þ]{{4,30}}(?![a-z'\u2019]){_ODD}{{0,8}}(?!\w)"
)
_WORD = re.compile(r"[^\W\d_]{2,}")

_LONG_ABBREVIATIONS = frozenset(
    """nasa nato unesco unicef hdmi asap aids covid rsvp visa sepa swift html https imei isbn isin iban paypal amex
    hsbc cvv2 neft imps rtgs upi gst hvac plc scada lpg
    dslr rfid wlan vpns atms vips leds pins urls pdfs csv json xml sims asos ikea uber fifa uefa ncaa nfl osha epa
    ansi""".split()
)
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
            if all(w in ABBREVIATIONS or w in _LONG_ABBREVIATIONS for w in said):
                continue
            yield Entity("NAME", match.start(), match.end(), 0.65, self.name)

    def _is_shouted(self, text: str) -> bool:
        """Whether the recognition writes everything in capitals."""
        written = _WORD.findall(text)
        return len(written) > 5 and sum(w.isupper() for w in written) > _MOSTLY * len(written)


DICTATED_DIGITS = DictatedDigitsRecognizer()
SPELLED_CAPITALS = SpelledCapitalsRecognizer()
