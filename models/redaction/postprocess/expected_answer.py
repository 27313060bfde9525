"""What an answer was expected to have: the code of a thing, the flow's own words, its numbers, and words such as "no,
wait". A guess inside it names nobody.

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
from models.redaction.normalize.view import TextView
from models.redaction.patterns.pattern_recognizer import digits_of
from models.redaction.recognizers.filters.quantity_context import introduced_as
from models.redaction.slots.entities import RECOGNIZER as SLOT
from models.redaction.types import CLASSIFIER, RedactionContext
from models.text import Entity

LONGEST_NUMBER_DIGITS: Final = 9
"""Telephone numbers with an area code have ten."""

_NUMBER: Final = re.compile(r"\d[\d.,' ]*")
_CLAUSE: Final = re.compile(r"[,;:!?\n]|\.(?:\s|$)")
_MOST_WORDS_BETWEEN: Final = 4
"""Most words between the label of a number and the number: "the mileage is by now at 48213"."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_PLACES: Final = frozenset({"in", "by", "here", "hier", "aquí", "dans", "chez", "ici", "aqui", "में", "यहाँ"})
"""Words after which a number may be the postcode of where somebody lives."""

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
    found = _WORD.findall(text[entity.start : entity.end].casefold()) if guessed else []
    return bool(found) and set(found) <= words(language, "commands", "answers")


def is_number_of_flow(entity: Entity, view: TextView, context: RedactionContext) -> bool:
    """Whether what was taken for a postcode or the like is a number that the flow asks for: beside its label or unit,
    as in "the mileage is 48213", or alone as a correction, as in "no, 48213".
    """
    value = view.text[entity.start : entity.end]
    guessed = entity.type != "NAME" and entity.recognizer.startswith((CLASSIFIER, SLOT, "number"))
    if not guessed or not _NUMBER.fullmatch(value) or len(digits_of(value)) > LONGEST_NUMBER_DIGITS:
        return False
    if introduced_as(view, entity.start) == "personal":
        return False
    corrects = context.after_number and _is_correction(entity, view.lower, context.language)
    return corrects or _is_named(entity, view.text, context.number_names)


def _is_named(entity: Entity, text: str, number_names: frozenset[str]) -> bool:
    """Whether the label or the unit of a number stands before it in its clause, or right after it."""
    if not number_names:
        return False
    names = _phrases(number_names)
    clause = _CLAUSE.split(text[: entity.start])[-1]
    before = [*names.finditer(clause)]
    near = bool(before) and len(clause[before[-1].end() :].split()) <= _MOST_WORDS_BETWEEN
    return near or names.match(text[entity.end :].lstrip()) is not None


def _is_correction(entity: Entity, text: str, language: str) -> bool:
    """Whether a text in small letters has the number, a word such as "no", and else only words without a meaning."""
    answers = words(language, "commands", "answers")
    listed = answers | (words(language, "function_words") - _PLACES)
    said = _WORD.findall(f"{text[: entity.start]} {text[entity.end :]}")
    return not answers.isdisjoint(said) and listed.issuperset(said)


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
