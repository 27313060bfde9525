"""Recognises the kind of a document by its layout and its label words.

The words are data, ``documents.yaml`` of each language in the lexicons.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from models.redaction.lexicons.loader import languages, word_lists
from models.vision.geometry import rows
from models.vision.tables import folded, is_register
from models.vision.types import OcrLine

REGISTER: Final = "visitor_register"
RECEIPT: Final = "receipt"
FORM: Final = "form"
LETTER: Final = "letter"
CARD: Final = "card"
UNKNOWN: Final = ""
ALIGNED: Final = frozenset({FORM, RECEIPT, LETTER, CARD})
"""Kinds in which a column ends where its cells are no longer below the header."""
UNSPECIFIC: Final = frozenset({"", "document"})
"""Given kinds that say nothing about the layout, so that the kind is recognised."""

_SUBJECT: Final = "documents"
_MIN_AMOUNTS: Final = 3
_MIN_POINTS: Final = {FORM: 3}
_MIN_POINTS_ELSE: Final = 4
_MAX_CARD_LINES: Final = 14
_LONG_LINE_WORDS: Final = 8
_AMOUNT: Final = re.compile(r"(?:^|[^\d.,/])-?\d{1,6}[.,]\d{2}(?: ?[A-Z*]{1,2})?$")
_LABEL_END: Final = re.compile(r":\s*$|^[^:]{2,40}:\s")


def _phrases(kind: str) -> frozenset[str]:
    found = (
        folded(phrase) for language in languages(_SUBJECT) for phrase in word_lists(language, _SUBJECT).get(kind, ())
    )
    return frozenset(found)


_WORDS: Final = {kind: _phrases(kind) for kind in (RECEIPT, FORM, LETTER, CARD)}


def document_kind(lines: Sequence[OcrLine], given: str = UNKNOWN) -> str:
    """The kind of a page; a given kind wins unless it is one of ``UNSPECIFIC`` and another is
    recognised.

    Args:
        lines: All lines of the page.
        given: What the sender says.
    """
    if given not in UNSPECIFIC:
        return given
    texts = [line.text.reveal() for line in lines]
    if is_register(lines, rows(lines)):
        return REGISTER
    points = _points(texts)
    best = max(points, key=lambda kind: points[kind])
    return best if points[best] >= _MIN_POINTS.get(best, _MIN_POINTS_ELSE) else given


def _points(texts: Sequence[str]) -> dict[str, float]:
    """How much speaks for each kind."""
    page = f" {' '.join(map(folded, texts))} "
    hits = {kind: sum(f" {phrase} " in page for phrase in phrases) for kind, phrases in _WORDS.items()}
    amounts = sum(_AMOUNT.search(text) is not None for text in texts)
    labels = sum(_LABEL_END.search(text) is not None for text in texts)
    long_lines = sum(len(text.split()) >= _LONG_LINE_WORDS for text in texts)
    few = len(texts) <= _MAX_CARD_LINES
    return {
        RECEIPT: hits[RECEIPT] + min(amounts, 6) if amounts >= _MIN_AMOUNTS else 0.0,
        LETTER: 4 * hits[LETTER] + min(long_lines, 4) if hits[LETTER] else 0.0,
        CARD: 2 * hits[CARD] + 2 if few and not amounts else 0.0,
        FORM: hits[FORM] + labels / 2 if not few else 0.0,
    }
