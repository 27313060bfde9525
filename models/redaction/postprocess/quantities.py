"""Amounts, prices and readings of which Hindi writes the number as words: "तीन हज़ार रुपये", "reading ek do teen".

The classifier never learned Hindi and takes such words for names and streets. Must NOT be dropped: the number of a
house or a street ("मकान नंबर चौदह"), digits of a telephone number, which patterns find; "das", which is a surname too.
"""

from __future__ import annotations

from models.redaction.itn.lexicon import lexicon_for
from models.redaction.normalize.view import TextView
from models.redaction.normalize.words import WORD
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.recognizers.filters.quantity_context import introduced_as, is_harmless, is_unit
from models.text import Entity

_LEXICON = lexicon_for("hi")
_NAMES_TOO = frozenset("das che do doh oh too for barah वन".split())
_NUMBERS = (frozenset(_LEXICON.numbers) | frozenset(_LEXICON.scales) | {"करोड़", "ढाई", "डेढ़", "साढ़े"}) - _NAMES_TOO
_BEHIND = 40
_BEFORE = 24


def is_said_quantity(entity: Entity, view: TextView) -> bool:
    """Whether what the classifier found in Hindi is a number that was written out, or its unit.

    Args:
        entity: A find of the classifier; offsets in ``view``.
        view: The text itself.
    """
    if has_digit(view.text[entity.start : entity.end]):
        return entity.type != "NAME" and is_harmless(view, entity.start, entity.end)
    spans = [match.span() for match in WORD.finditer(view.lower, entity.start, entity.end)]
    numbers = [view.lower[start:end] in _NUMBERS for start, end in spans]
    if not all(number or is_unit(view, *span) for number, span in zip(numbers, spans, strict=True)):
        return False
    if not any(numbers):
        return _is_number(_last_word(view, entity.start))
    return entity.type == "NAME" or _has_unit(view, entity.end) or introduced_as(view, entity.start) == "harmless"


def _is_number(word: str) -> bool:
    return word in _NUMBERS or has_digit(word)


def _last_word(view: TextView, end: int) -> str:
    """The word before ``end``, or none."""
    words = WORD.findall(view.lower, max(0, end - _BEFORE), end)
    return words[-1] if words else ""


def _has_unit(view: TextView, end: int) -> bool:
    """Whether a unit stands behind the number words that go on at ``end``."""
    for match in WORD.finditer(view.lower, end, min(len(view.lower), end + _BEHIND)):
        if match.group() not in _NUMBERS:
            return is_unit(view, *match.span())
    return False
