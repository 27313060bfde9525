"""Reads choices by the words of their options, and yes or no."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from models.redaction.commands import any_of, folded, says_only
from server.flows.fields import ChoiceField, FieldDefinition, Option
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.words import (
    COURTESY,
    DEGREE,
    ECHO,
    JOINS,
    NO,
    NOT,
    PLAIN_NO,
    PLAIN_YES,
    UNCLEAR,
    WEAK_YES,
    phrases,
)
from server.flows.texts import text_in, words_in

_NEGATION_WORDS: Final = 3
"""Words before an option within which a "not" denies it."""

_DEGREE_WORDS: Final = 2
"""Words before an option within which "almost" or "half" makes it another one: "almost completely full"."""

_FRACTION: Final = re.compile(r"(?<![\d/])\d{1,2}\s?[/\u2044]\s?\d{1,3}(?![\d/])")
_CLAUSE: Final = re.compile(r"[,.;:!?…।]|\b(?:but|sondern|aber|sino|pero|mais|mas)\b")
_ENDINGS: Final = r"(?:s|es|n|en|e|er)?"
"""Of a plural, or of a case in German."""


@dataclass(frozen=True, slots=True)
class _Mention:
    value: str
    clause: int
    start: int
    end: int
    named: bool
    """Whether it is the label or the value, and no other word for it."""

    def is_within_longer(self, others: Iterable[_Mention]) -> bool:
        """Whether it overlaps a longer one: "field service" is no "service"."""
        overlapping = (each for each in others if each.start < self.end and self.start < each.end)
        return any(each.end - each.start > self.end - self.start for each in overlapping)


def read_choice(field: ChoiceField, material: AnswerText, *, asked: bool) -> str | None:
    """The option that a text names; None where it names none or several, or says that it is not the one.

    One that was not asked for needs its label. A label counts more than other words in other clauses.
    """
    mentions = _mentions(field, material)
    labelled = {each.clause for each in mentions if each.named}
    bare = asked and not labelled
    values = {each.value for each in mentions if bare or each.named or (asked and each.clause in labelled)}
    return values.pop() if len(values) == 1 else None


def options_in(field: ChoiceField, material: AnswerText) -> set[str]:
    """The values of all options that a text names, by the longest phrases."""
    return {each.value for each in _mentions(field, material)}


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


def _mentions(field: ChoiceField, material: AnswerText) -> list[_Mention]:
    found, offset = list[_Mention](), 0
    for number, clause in enumerate(_CLAUSE.split(material.plain.casefold())):
        text, is_changed = folded(clause), _changes(clause, material.code)
        for option in field.options:
            for phrase, named in _phrases(option, material.language):
                found += [
                    _Mention(option.value, number, offset + each.start(), offset + each.end(), named)
                    for each in re.finditer(rf"(?<!\w){re.escape(phrase)}{_ENDINGS}(?!\w)", text)
                    if not is_changed(text[: each.start()])
                ]
        offset += len(text) + 1
    return [each for each in found if not each.is_within_longer(found)]


def _changes(clause: str, code: str) -> Callable[[str], bool]:
    """Tells whether the words before an option deny it, or make it another one: "not full", "almost full"."""
    denied, joins = any_of(phrases(NOT, code)), phrases(JOINS, code)
    degree = any_of((*phrases(DEGREE, code), *_FRACTION.findall(clause)))

    def is_changed(before: str) -> bool:
        words = before.split()
        near = " ".join(words[-_DEGREE_WORDS:]) if words and words[-1] not in joins else ""
        return degree.search(near) is not None or denied.search(" ".join(words[-_NEGATION_WORDS:])) is not None

    return is_changed


def _phrases(option: Option, language: str) -> Iterator[tuple[str, bool]]:
    yield folded(option.value), True
    if option.label is not None:
        yield folded(text_in(option.label, language)), True
    for word in words_in(option.words, language):
        yield folded(word), False
