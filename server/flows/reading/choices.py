"""Reads choices by the words of their options, and yes or no."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Final

from models.redaction.commands import any_of, folded, says_only
from models.redaction.itn.cardinals import numerals
from models.redaction.itn.number_words import ARTICLES
from server.flows.extraction import unit_in
from server.flows.fields import ChoiceField, FieldDefinition, Option
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.fractions import figures_in, part_words, scale_of
from server.flows.reading.modifiers import (
    ABOUT,
    AND,
    BOUNDS,
    MISSING,
    MORE,
    SEEMS,
    clause_end,
    ends_with,
    is_denied,
    joins,
    meant,
)
from server.flows.reading.units import spellings
from server.flows.reading.words import (
    AFTER_ALL,
    COURTESY,
    ECHO,
    NO,
    NOT,
    NOTHING_MORE,
    NOW,
    PLAIN_NO,
    PLAIN_YES,
    UNCLEAR,
    UNSURE,
    WEAK_YES,
    phrases,
)
from server.flows.texts import text_in, words_in

_UNSURE_WORDS: Final = 2
"""Words between a "not" and what is not known."""

_KNOWS: Final = {"de": "weiß", "fr": "sais"}
"""The verb where the "not" comes after it: "das weiß ich nicht"."""

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

    changed: bool = False
    """Whether the words around it deny it, or make it another one: "not full", "almost full"."""

    bound: bool = False
    """Whether it bounds another one, so that the rest of the clause means that one: "full up to the half"."""

    now: bool = False
    """Whether its clause says that it is so now."""

    vague: bool = False
    """Whether its words are also a part of what another option is called, so that a number before it may change it."""

    def is_within_longer(self, others: Iterable[_Mention]) -> bool:
        """Whether it overlaps a longer one: "field service" is no "service"."""
        overlapping = (each for each in others if each.start < self.end and self.start < each.end)
        return any(each.end - each.start > self.end - self.start for each in overlapping)


def read_choice(field: ChoiceField, material: AnswerText, *, asked: bool) -> str | None:
    """The option that a text names; None where it names none or several, or says that it is not the one.

    One that was not asked for needs its label. A label counts more than other words in other clauses, but for options
    that are parts of a whole: two of them contradict each other. In one clause both count, so neither is chosen.
    """
    text = meant(material.plain, material.code, lambda part: bool(_mentions(field, material, part)))
    found = _mentions(field, material, text)
    scale = scale_of(field, material.language)
    denied = {each.value for each in found if each.changed}
    bounded = {each.clause for each in found if each.bound and scale}
    mentions = [each for each in found if each.value not in denied and each.clause not in bounded]
    mentions = [each for each in mentions if each.now] or mentions
    labelled = {each.clause for each in mentions if each.named}
    bare = asked and (not labelled or bool(scale))
    values = {each.value for each in mentions if bare or each.clause in labelled}
    return values.pop() if len(values) == 1 else None


def options_in(field: ChoiceField, material: AnswerText) -> set[str]:
    """The values of all options that a text names, by the longest phrases."""
    return {each.value for each in _mentions(field, material, material.plain) if not each.changed}


def denied_options(field: ChoiceField, material: AnswerText) -> set[str]:
    """The values of all options that a text names and changes or denies: "not a cat"."""
    return {each.value for each in _mentions(field, material, material.plain) if each.changed}


def chooses_no(field: FieldDefinition, material: AnswerText) -> bool:
    """Whether a text chooses an option that has a no among its words, such as "none" for the damage."""
    if not isinstance(field, ChoiceField):
        return False
    value = read_choice(field, material, asked=True)
    chosen = (option for option in field.options if option.value == value)
    words = {phrase for option in chosen for phrase, _ in option_phrases(option, material.language)}
    return not words.isdisjoint(phrases(NO, material.code))


def read_yes_no(material: AnswerText) -> str | None:
    """``yes`` or ``no`` as the answer to a question; None where both are meant, or neither.

    A negation wins over a word such as "right" or "I have". A plain yes before it stays one: "yes, no damage".
    """
    code = material.code
    if _is_unsure(folded(material.plain), code):
        return None
    text = any_of(phrases(UNCLEAR, code)).sub(" ", folded(material.plain))
    parts = (each.strip() for each in clause_end(code).split(text))
    clauses = [each for each in parts if each not in phrases(COURTESY, code)]
    text = ", ".join(clauses)
    plain, no = any_of(phrases(PLAIN_YES, code)).search(text), any_of(phrases(NO, code)).search(text)
    if no and any(clause and clause in phrases(AFTER_ALL, code) for clause in clauses):
        return None
    if plain and no:
        contradicts = no.start() < plain.start() or any(clause in phrases(PLAIN_NO, code) for clause in clauses)
        return None if contradicts else "yes"
    if plain or no:
        return "yes" if plain else "no"
    weak = any_of(phrases(WEAK_YES, code)).search(text) or says_only(frozenset(phrases(ECHO, code)), text, code)
    return "yes" if weak else None


def _is_unsure(text: str, code: str) -> bool:
    """Whether a folded text denies that the answer is known: "I can't say". "Not that I know" is a no."""
    text = any_of(phrases(NOTHING_MORE, code)).sub(" ", text)
    denied, unsure = any_of((*phrases(NO, code), *phrases(NOT, code))).pattern, any_of(phrases(UNSURE, code)).pattern
    between, knows = rf"(?:\s\S+){{0,{_UNSURE_WORDS}}}\s", any_of([_KNOWS.get(code, "")]).pattern
    return re.search(rf"(?:{denied}){between}(?:{unsure})|(?:{knows})[^,.;]*\s(?:{denied})", text) is not None


def _mentions(field: ChoiceField, material: AnswerText, plain: str) -> list[_Mention]:
    """Every option that a part of a text names, the longest phrases alone."""
    found, offset = list[_Mention](), 0
    scale = scale_of(field, material.language)
    vague = _shared(field, material.language) | _of_ends(field, scale, material.language)
    for number, clause in enumerate(clause_end(material.code).split(plain.casefold())):
        text, changes = folded(clause), _Changes(clause, material.code, of_parts=bool(scale))
        here = [
            _Mention(option.value, number, start, end, named, vague=phrase in vague)
            for option in field.options
            for phrase, named in option_phrases(option, material.language)
            for start, end in _places(phrase, text)
        ]
        longest = [each for each in here if not each.is_within_longer(here)]
        found += [changes.mention(each, longest, offset) for each in longest]
        offset += len(text) + 1
    return list(_of_the_rest(found, scale)) if scale else found


def _shared(field: ChoiceField, language: str) -> set[str]:
    """The phrases that stand in a longer one of another option, such as "full" in "half full"."""
    known = {(phrase, option.value) for option in field.options for phrase, _ in option_phrases(option, language)}
    pairs = ((phrase, longer) for phrase, value in known for longer, other in known if value != other)
    return {phrase for phrase, longer in pairs if phrase != longer and any(_places(phrase, longer))}


def _of_ends(field: ChoiceField, scale: dict[str, Fraction], language: str) -> set[str]:
    """The phrases for the whole and for nothing, before which a part may stand: "three quarters empty"."""
    ends = (option for option in field.options if scale.get(option.value) in (0, 1))
    return {phrase for option in ends for phrase, _ in option_phrases(option, language)}


def _places(phrase: str, text: str) -> Iterator[tuple[int, int]]:
    """Where a phrase stands in a text as words of their own; a unit also right after its number: "4830m3"."""
    before = r"(?<![^\W\d])" if unit_in(phrase) else r"(?<!\w)"
    return (found.span() for found in re.finditer(rf"{before}{re.escape(phrase)}{_ENDINGS}(?!\w)", text))


def _of_the_rest(mentions: list[_Mention], scale: dict[str, Fraction]) -> Iterator[_Mention]:
    """The mentions, each part before the option for nothing as the rest of it: "three quarters empty" is a quarter."""
    values = {part: value for value, part in scale.items()}
    starts = {each.start - 1 for each in mentions if scale.get(each.value) == 0}
    for each in mentions:
        if each.end not in starts or each.value not in scale:
            yield each
        elif rest := values.get(1 - scale[each.value]):
            yield replace(each, value=rest)


class _Changes:
    """What the words of one clause do to the options that it names."""

    def __init__(self, clause: str, code: str, *, of_parts: bool) -> None:
        """Read it once.

        Args:
            clause: In small letters.
            code: ISO 639-1 code.
            of_parts: Whether the options are parts of a whole, of which more or less may be said.
        """
        self._code, self._text = code, folded(clause)
        self._bound = any_of((*phrases(BOUNDS, code), *phrases(SEEMS, code)))
        self._part = re.compile(f"{any_of(figures_in(clause)).pattern}|{part_words(code).pattern}")
        both = any_of(phrases(ABOUT, code)).sub(" ", self._text)
        self._lacks = of_parts and any_of(phrases(MISSING, code)).search(both) is not None
        self._more = any_of(phrases(MORE, code)) if of_parts and both == self._text else re.compile(r"(?!)")
        said = (clause[each.start : each.end] for each in numerals(clause, code))
        words = any_of(each for each in said if each not in ARTICLES)
        self._numbers, self._and = re.compile(rf"\d+|{words.pattern}"), any_of(phrases(AND, code))
        self._now = any_of(phrases(NOW, code)).search(self._text) is not None

    def mention(self, found: _Mention, others: Sequence[_Mention], offset: int) -> _Mention:
        """An option with what is said of it, at its place in the whole text.

        Args:
            found: With its place in the clause.
            others: All that the clause names.
            offset: Where the clause begins.
        """
        before, after = self._text[: found.start], self._text[found.end :]
        alone = not before.split() or joins(self._code).fullmatch(before.split()[-1]) is not None
        bound = not alone and ends_with(self._bound, before)
        changed = bound or (not alone and ends_with(self._part, before)) or self._lacks
        changed = changed or self._more.search(after) is not None or is_denied(before, after, self._code)
        changed = changed or (found.vague and self._has_number(before, others))
        start, end = found.start + offset, found.end + offset
        return replace(found, start=start, end=end, changed=changed, bound=bound, now=self._now)

    def _has_number(self, before: str, others: Sequence[_Mention]) -> bool:
        """Whether a number that is of no option stands before one: "three forth full", misheard. One before an "and"
        is of something else.
        """
        spans = (found.span() for found in self._numbers.finditer(before))
        foreign = [span for span in spans if not any(each.start < span[1] and span[0] < each.end for each in others)]
        return any(self._and.search(before, end) is None for _, end in foreign)


def option_phrases(option: Option, language: str) -> Iterator[tuple[str, bool]]:
    """What an option is called, folded, each with whether it is its value or its label. A unit has both spellings."""
    called = [option.value, *([] if option.label is None else [text_in(option.label, language)])]
    named = dict.fromkeys(each for name in called for each in spellings(folded(name)))
    yield from ((phrase, True) for phrase in named)
    words = dict.fromkeys(each for word in words_in(option.words, language) for each in spellings(folded(word)))
    yield from ((phrase, False) for phrase in words if phrase not in named)
