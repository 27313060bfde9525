"""What an answer was expected to have: the code of a thing, the flow's own words, and words such as "no, wait". A guess
inside it names nobody.

The classifier takes the letters of "PMP-0042" for a name, and "Kubikmeter" too. Where a flow asks for a code and gives
its format, what has that format and a digit is the code. A phrase of the flow counts as a whole only: where "Martin
Luther King Street" is expected, "Martin King" is still a name. What must NOT be dropped: whatever a pattern or a
checksum found by itself, such as a telephone or a card number of the same shape.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from models.redaction.lexicons.loader import words
from models.redaction.slots.entities import RECOGNIZER as SLOT
from models.redaction.types import CLASSIFIER, RedactionContext
from models.text import Entity

_GUESSES: Final = (CLASSIFIER, SLOT, "number", "repeated-name", "answer")


def expected_spans(text: str, context: RedactionContext) -> list[tuple[int, int]]:
    """Where a text has what was expected, as offsets: codes of the format, and whole phrases of the flow.

    Args:
        text: The answer.
        context: Has the format and the phrases; both are sought in any letter case.
    """
    spans = []
    if context.code_format:
        codes = _pattern(context.code_format).finditer(text)
        spans += [code.span() for code in codes if any(map(str.isdecimal, code.group()))]
    if context.expected_phrases:
        spans += [phrase.span() for phrase in _phrases(context.expected_phrases).finditer(text)]
    return sorted(spans)


def is_expected(entity: Entity, spans: Sequence[tuple[int, int]]) -> bool:
    """Whether an entity is only a guess, and lies inside what was expected."""
    inside = any(start <= entity.start and entity.end <= end for start, end in spans)
    return inside and entity.recognizer.startswith(_GUESSES)


def is_plain_answer(entity: Entity, text: str, language: str) -> bool:
    """Whether what was taken for a name are only words that answer, hold or correct a talk: "Nein, warte"."""
    guessed = entity.type == "NAME" and entity.recognizer.startswith(_GUESSES)
    found = (
        re.findall(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*", text[entity.start : entity.end].casefold()) if guessed else []
    )
    return bool(found) and set(found) <= words(language, "commands", "answers")


def is_spelled_code(entity: Entity) -> bool:
    """Whether an entity is only that letters and digits are spelled. They may be the code of a thing."""
    return entity.type == "ID" and entity.recognizer == "spelled"


@lru_cache(maxsize=128)
def _pattern(code_format: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![^\W_])(?:{code_format})(?![^\W_])", re.IGNORECASE)


@lru_cache(maxsize=128)
def _phrases(phrases: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)
