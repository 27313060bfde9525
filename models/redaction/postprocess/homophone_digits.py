"""ASR homophones: digits that recognition wrote as a word that sounds like them: "call me on for 1-5-555-0132".

Inside a number, ``itn.digit_sequences`` reads them. Before a number such a word is nearly always an ordinary word, so
it counts only right after words that announce a number. Must NOT match: "it is for 415-555-0132".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Final

from models.redaction.entities import labels_where
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.tokens import Words, tokens_of
from models.redaction.patterns.pattern_recognizer import has_digit
from models.redaction.types import RedactionContext
from models.text import Entity, TextSource

_NUMBERS: Final = labels_where(lambda entity: entity.is_number)
_DIGIT: Final = r"(?:for|fore|to|too|won|ate|oh|o)[ ,-]{1,2}"
_FIRST_DIGITS: Final = re.compile(
    r"(?<![^\W_])(?:(?:numbers?|phone|mobile|cell|code|zip|ssn|social)(?: is| are|'s|\u2019s)"
    r"|(?:call|reach|text|ring|phone|contact|get) (?:me|us|him|her|them) (?:back )?(?:on|at))[.,:]? "
    rf"(?P<digits>{_DIGIT}(?:{_DIGIT})?)$",
    re.IGNORECASE,
)
_REACH: Final = 48
"""Characters before a number that are searched; more than the longest announcement has."""


def with_homophone_digits(text: str, found: Iterable[Entity], context: RedactionContext) -> Iterator[Entity]:
    """Numbers of a text spoken in English with the words before them that are their first digits.

    They overlap what they were made of.
    """
    if context.source is not TextSource.SPEECH or context.language[:2].lower() not in ("", "en"):
        return
    words = Words([], lexicon_for("en"))
    for entity in found:
        if entity.type not in _NUMBERS:
            continue
        low = max(0, entity.start - _REACH)
        match = _FIRST_DIGITS.search(text[low : entity.start])
        if match is None:
            continue
        opening = next(iter(tokens_of(text[entity.start : entity.end])), None)
        if opening and (has_digit(opening.text) or words.digits(opening)):
            yield replace(entity, start=low + match.start("digits"))
