"""Reads choices by the words of their options, and yes or no."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from models.redaction.commands import any_of, folded, says_only
from server.flows.fields import ChoiceField, FieldDefinition, Option
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.words import COURTESY, ECHO, NO, NOT, PLAIN_NO, PLAIN_YES, UNCLEAR, WEAK_YES, phrases
from server.flows.texts import text_in, words_in

_NEGATION_WORDS: Final = 3
"""Words before an option within which a "not" denies it."""

_CLAUSE: Final = re.compile(r"[,.;:!?…।]|\b(?:but|sondern|aber|sino|pero|mais|mas)\b")
_ENDINGS: Final = r"(?:s|es|n|en|e|er)?"
"""Of a plural, or of a case in German."""


@dataclass(frozen=True, slots=True)
class _Mention:
    value: str
    start: int
    end: int
    named: bool
    """Whether it is the label or the value, and no other word for it."""


def read_choice(field: ChoiceField, material: AnswerText, *, asked: bool) -> str | None:
    """The option that a text names; None where it names none or several, or says that it is not the one.

    One that was not asked for needs its label.
    """
    mentions = list(_longest(_mentions(field, material)))
    if not asked:
        mentions = [each for each in mentions if each.named]
    for named in (True, False):
        values = {each.value for each in mentions if each.named or not named}
        if len(values) == 1:
            return values.pop()
        if values:
            return None
    return None


def chooses_no(field: FieldDefinition, material: AnswerText) -> bool:
    """Whether a text chooses an option that has a no among its words, such as "none" for the damage."""
    if not isinstance(field, ChoiceField):
        return False
    value = read_choice(field, material, asked=True)
    chosen = (option for option in field.options if option.value == value)
    words = {phrase for option in chosen for phrase, _ in _phrases(option, material.language)}
    return not words.isdisjoint(phrases(NO, material.code))


def read_yes_no(material: AnswerText) -> str | None:
    """``yes`` or ``no`` as the answer to a question; None where both are meant, or neither.

    A negation wins over a word such as "right" or "I have". A plain yes before it stays one: "yes, no damage".
    """
    code = material.code
    text = any_of(phrases(UNCLEAR, code)).sub(" ", folded(material.plain))
    clauses = [clause for each in _CLAUSE.split(text) if (clause := each.strip()) not in phrases(COURTESY, code)]
    text = ", ".join(clauses)
    plain, no = any_of(phrases(PLAIN_YES, code)).search(text), any_of(phrases(NO, code)).search(text)
    if plain and no:
        contradicts = no.start() < plain.start() or any(clause in phrases(PLAIN_NO, code) for clause in clauses)
        return None if contradicts else "yes"
    if plain or no:
        return "yes" if plain else "no"
    weak = any_of(phrases(WEAK_YES, code)).search(text) or says_only(frozenset(phrases(ECHO, code)), text, code)
    return "yes" if weak else None


def _mentions(field: ChoiceField, material: AnswerText) -> Iterator[_Mention]:
    denied = any_of(phrases(NOT, material.code))
    offset = 0
    for clause in _CLAUSE.split(material.plain.casefold()):
        text = folded(clause)
        for option in field.options:
            for phrase, named in _phrases(option, material.language):
                for found in re.finditer(rf"(?<!\w){re.escape(phrase)}{_ENDINGS}(?!\w)", text):
                    before = " ".join(text[: found.start()].split()[-_NEGATION_WORDS:])
                    if not denied.search(before):
                        yield _Mention(option.value, offset + found.start(), offset + found.end(), named)
        offset += len(text) + 1


def _phrases(option: Option, language: str) -> Iterator[tuple[str, bool]]:
    yield folded(option.value), True
    if option.label is not None:
        yield folded(text_in(option.label, language)), True
    for word in words_in(option.words, language):
        yield folded(word), False


def _longest(mentions: Iterator[_Mention]) -> Iterator[_Mention]:
    """Without those that lie within a longer one: "field service" is no "service"."""
    found = list(mentions)
    for one in found:
        if not any(
            other.start <= one.start and one.end <= other.end and other.end - other.start > one.end - one.start
            for other in found
        ):
            yield one
