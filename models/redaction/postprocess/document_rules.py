"""What the kind of a document, or the word itself, explains.

The classifier takes "Meter" and "reading" for names and streets when a number stands behind them, and "at 12 30"
for the number of a house, and "Jan 3rd" for a name.

The face of a water meter is digits, sizes and units, and the classifier, which learned from letters and forms, takes
them for telephone numbers and postcodes. On a meter such finds are dropped. What must NOT be dropped: names, whatever a
pattern found by itself, numbers with telephone punctuation, and numbers that a personal word introduces.
"""

from __future__ import annotations

import re

from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import digits_of, has_digit
from models.redaction.recognizers.filters.quantity_context import (
    introduced_as,
    introduces_a_number,
    is_harmless,
    is_time_or_day,
)
from models.redaction.slots.entities import RECOGNIZER as SLOT
from models.redaction.types import CLASSIFIER, LAID_OUT, RedactionContext
from models.text import Entity

METER = "meter"
METER_NUMBER_DIGITS = 9
"""A register and a serial number have up to nine digits; telephone numbers with an area code have ten."""

_GUESSES = (CLASSIFIER, "number", "phone", "repeated-name", "introduced-name", "titled-name", "case-number")
_SURE = 0.995
"""Score of the slot tagger from which on no word around explains what it found.
See docs/evaluation/constants/redaction.md, slot-sure.
"""

_WORDS = re.compile(r"[^\W\d_]{4}")
_DATE = r"(?:0?[1-9]|[12]\d|3[01]) ?/ ?(?:0?[1-9]|[12]\d|3[01]) ?/ ?(?:\d{4}|\d{2})"
_PERIOD = re.compile(rf"{_DATE}(?: ?[-\u2013] ?{_DATE})?")
_NO_TELEPHONE = re.compile(rf"(?<!\d){_DATE}(?!\d)|(?<![\d.])[1-9]\d*\.\d{{1,3}}(?![\d.])|\(\d{{1,2}}[-/.]\d{{1,2}}\)")
_BY_SHAPE = 0.65
"""Score of a telephone number that nothing announces."""
_TELEPHONE = re.compile(r"[()+]|\d-\d")


def is_explained(entity: Entity, view: TextView, context: RedactionContext) -> bool:
    """Whether the document is of a kind in which this find means nothing.

    Args:
        entity: What was found; offsets in ``view``.
        view: The text itself.
        context: Names the kind of the document.
    """
    if entity.recognizer.startswith((CLASSIFIER, SLOT)) and _is_explained_by_context(entity, view):
        return True
    if context.explained and _is_explained_by_page(entity, view, context.explained):
        return True
    if context.document_type in LAID_OUT and _is_no_telephone(entity, view):
        return True
    return context.document_type == METER and entity.type != "NAME" and _is_on_a_meter(entity, view)


def _is_on_a_meter(entity: Entity, view: TextView) -> bool:
    """Whether a number is one of those that stand on a meter."""
    if entity.recognizer != "number" and not entity.recognizer.startswith(CLASSIFIER):
        return False
    value = view.text[entity.start : entity.end]
    if _WORDS.search(value) or _TELEPHONE.search(value) or len(digits_of(value)) > METER_NUMBER_DIGITS:
        return False
    return introduced_as(view, entity.start) != "personal"


def _is_no_telephone(entity: Entity, view: TextView) -> bool:
    """Whether a telephone or case number on a form holds a date ("3/12/81-3/24/81"), or only looks like a telephone
    number and holds what none has: a date, an amount, or a month and a year in brackets.
    """
    if not entity.recognizer.startswith(("phone", "case-number")):
        return False
    if _PERIOD.fullmatch(view.text, entity.start, entity.end):
        return True
    value = view.text[entity.start : entity.end]
    return entity.recognizer == "phone" and entity.score <= _BY_SHAPE and _NO_TELEPHONE.search(value) is not None


def _is_explained_by_page(entity: Entity, view: TextView, explained: frozenset[str]) -> bool:
    """Whether the layout explains every word of a find that rests on words or digits alone, not on a checksum."""
    if not entity.recognizer.startswith(_GUESSES):
        return False
    if entity.recognizer.startswith("phone") and _TELEPHONE.search(view.text, entity.start, entity.end):
        return False
    words = [match.group() for match in WORD.finditer(view.lower, entity.start, entity.end)]
    return bool(words) and all(word in explained for word in words)


def _is_explained_by_context(entity: Entity, view: TextView) -> bool:
    """Whether the words around a find of the classifier or the slot tagger say that it is something else."""
    if entity.recognizer == SLOT:
        likely = entity.type != "NAME" and entity.score < _SURE
        return likely and is_harmless(view, entity.start, entity.end)
    if introduces_a_number(view, entity.start, entity.end):
        return True
    if (
        entity.type != "NAME"
        and has_digit(view.text[entity.start : entity.end])
        and is_harmless(view, entity.start, entity.end)
    ):
        return True
    return entity.type in ("ADDRESS", "NAME") and is_time_or_day(view, entity.start, entity.end)


def doubt_from_digits(usual: int, context: RedactionContext) -> int:
    """From how many digits an unexplained number makes a text doubtful in a document of this kind."""
    return max(usual, METER_NUMBER_DIGITS + 1) if context.document_type == METER else usual
