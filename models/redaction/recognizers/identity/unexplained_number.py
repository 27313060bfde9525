"""Long numbers without any explanation. They are redacted because most of them identify somebody.

Must NOT match: readings, amounts, dates and reference numbers of objects (see ``quantity_context``). A shorter
unexplained number is not redacted, but keeps the text from the LLM.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from models.redaction.normalize.dates_times import NOT_AN_HOUR, is_date_time
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import digits_of
from models.redaction.recognizers.filters.quantity_context import is_harmless
from models.redaction.types import RedactionContext
from models.text import Entity

REDACT_FROM_DIGITS = 8
DOUBT_FROM_DIGITS = 7
_LEAST_DIGITS = 6

_RUN = re.compile(r"(?<![\w])(?<!\d[.,:])\d(?:[ -]?\d){5,40}(?![\w])(?![.,]\d)" + NOT_AN_HOUR)
_DATE = re.compile(r"(?:19|20)\d\d-?[01]\d-?[0-3]\d|[0-3]?\d-[01]?\d-(?:19|20)\d\d|(?:19|20)\d\d[ -]{1,3}(?:19|20)\d\d")


class NumberRecognizer:
    """Unexplained runs of digits."""

    name = "number"

    def find(self, view: TextView, context: RedactionContext) -> Iterator[Entity]:
        """See ``Recognizer``."""
        for start, end, digits in unexplained(view):
            if digits >= REDACT_FROM_DIGITS:
                yield Entity("ID", start, end, 0.5, self.name)


def unexplained(view: TextView) -> Iterator[tuple[int, int, int]]:
    """Runs of at least ``_LEAST_DIGITS`` digits that are no reading, amount or date: (start, end, how many digits)."""
    if view.digits < _LEAST_DIGITS:
        return
    for match in _RUN.finditer(view.text):
        if _DATE.fullmatch(match.group()) or is_date_time(match.group()):
            continue
        if not is_harmless(view, match.start(), match.end()):
            yield match.start(), match.end(), len(digits_of(match.group()))


NUMBER = NumberRecognizer()
