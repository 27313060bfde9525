"""What an answer was expected to have: codes of things, the flow's own words, its numbers, and words such as "no,
wait". A guess inside it is no personal value.

The classifier takes the letters of "PMP-0042" for a name, and "my contract is MV-204815" sounds like the number of a
person. Where a flow asks for a code and gives its format, what has that format and a digit is the code. What must NOT
be dropped: whatever a pattern or a checksum found by itself, such as a card number of the same shape, and what its
noun announces as another value ("my passport is"). Words of a flow that are taken for names: ``known_words``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from models.redaction.flow_words import spellings
from models.redaction.itn.lexicon import lexicon_for
from models.redaction.itn.view import spoken_view
from models.redaction.lexicons.loader import across, words
from models.redaction.normalize.view import TextView, original
from models.redaction.patterns.pattern_recognizer import digits_of
from models.redaction.recognizers.filters.quantity_context import introduced_as
from models.redaction.slots.entities import RECOGNIZER as SLOT
from models.redaction.spans.merge import ANNOUNCED
from models.redaction.types import CLASSIFIER, RedactionContext
from models.text import Entity, TextSource

GUESSES: Final = (CLASSIFIER, SLOT, "number", "repeated-name", "answer")
"""How the names of recognizers begin that guess from the words around."""

_BY_SHAPE: Final = frozenset(("coded", "spelled", "phone", "short-phone", "open-end"))
"""Recognizers that know a number by its shape or by a word before it, without a checksum."""

_VAGUE: Final = frozenset(("ID", "PHONE"))
"""Types that "my number is" announces, whatever the number belongs to."""

_SECRET: Final = "SECRET"  # noqa: S105  # the type of an entity

_NEVER_CODES: Final = frozenset((_SECRET, "PLATE"))
"""Types that look like codes of things, so that a guess of one counts unless it is the answer as it is written."""

_MARKS: Final = frozenset("-/.")
"""Marks in codes. They are also said: "dash"."""

LONGEST_NUMBER_DIGITS: Final = 9
"""Telephone numbers with an area code have ten."""

_GROUP: Final = re.compile(r"\d+")
_NUMBER: Final = re.compile(r"\d[\d.,' ]*")
_CLAUSE: Final = re.compile(r"[,;:!?\n]|\.(?:\s|$)")
_CLAUSE_ENDS: Final = re.compile(r"\s*(?:[.,;:!?\n]|\Z)")
_MOST_WORDS_BETWEEN: Final = 4
"""Most words between the label of a number and the number: "the mileage is by now at 48213"."""

_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019][^\W\d_]+)*")
_BEFORE_PLACES: Final = frozenset(across("postcode", "before"))
"""Prepositions after which a number is rather a postcode than what its label counts: "km driven from 90210"."""

_PLACES: Final = _BEFORE_PLACES.union(across("postcode", "places"))
"""Words after which a number may be the postcode of where somebody lives."""

_BESIDE_PLACE: Final = re.compile(r"[\s,]{0,3}")

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Expected:
    """Where a text has what was expected, as offsets.

    Attributes:
        asked: Codes that the open question asks for, as they are written and, if the format has letters, as they are
            said.
        codes: Codes of the flow, whatever is open, and those of the open question that have letters. Each has a letter
            and a digit.
        phrases: Whole phrases of the step that is open.
    """

    asked: Sequence[Span] = ()
    codes: Sequence[Span] = ()
    phrases: Sequence[Span] = ()

    @property
    def spans(self) -> list[Span]:
        """All of them."""
        return [*self.asked, *self.codes, *self.phrases]

    def explains(self, entity: Entity) -> bool:
        """Whether an entity is only a guess, and lies inside what was expected."""
        if not entity.recognizer.startswith(GUESSES):
            return False
        in_phrase = entity.type != "NAME" and _is_inside(entity, self.phrases)
        in_code = entity.type not in _NEVER_CODES and _is_inside(entity, self.codes)
        return in_phrase or in_code or _is_inside(entity, self.asked)

    def is_code(self, entity: Entity) -> bool:
        """Whether an entity lies inside a code of the flow, and was found without a checksum or a noun of its own."""
        if not _is_inside(entity, self.codes):
            return False
        if entity.recognizer == ANNOUNCED:
            return entity.type in _VAGUE or (entity.type == _SECRET and _is_inside(entity, self.asked))
        return self.explains(entity) or (entity.type in _VAGUE and entity.recognizer in _BY_SHAPE)


NOTHING_EXPECTED: Final = Expected()


def expected_in(text: str, context: RedactionContext) -> Expected:
    """What of a text was expected.

    Args:
        text: The answer.
        context: Has the formats and the phrases; all are sought in any letter case.
    """
    code_format, formats = context.code_format, context.scope.flow_words.code_formats
    asked = list(_codes(text, code_format)) if code_format else []
    codes = [span for each in formats for span in _codes(text, each)]
    if code_format in formats and context.source is not TextSource.OCR:
        said = list(_codes_said(text, code_format, context.language[:2].lower()))
        asked, codes = [*asked, *said], [*codes, *said]
    phrases = _phrases(context.expected_phrases).finditer(text) if context.expected_phrases else ()
    return Expected(asked, codes, [phrase.span() for phrase in phrases])


def _codes(text: str, code_format: str) -> Iterator[Span]:
    found = _pattern(code_format).finditer(text)
    return (code.span() for code in found if any(map(str.isdecimal, code.group())))


def _codes_said(text: str, code_format: str, language: str) -> Iterator[Span]:
    """Codes as they are said: "MV dash two zero four", with a space or nothing for the mark, "MV 204815", and with a
    dash where recognition takes a pause for one, "MV-204-815".
    """
    view = spoken_view(text, language) or original(text)
    for code in _said(language).finditer(view.text):
        letters = re.sub(r"\s", "", code[1]).upper()
        groups = list(_GROUP.finditer(view.text, *code.span(2)))
        for last in reversed(range(len(groups))):  # what follows may be another number
            digits = "".join(group[0] for group in groups[: last + 1])
            if any(re.fullmatch(code_format, each) for each in spellings(f"{letters}{digits}")):
                yield view.original_span(code.start(), groups[last].end())
                break


def _is_inside(entity: Entity, spans: Sequence[Span]) -> bool:
    return any(start <= entity.start and entity.end <= end for start, end in spans)


def is_plain_answer(entity: Entity, text: str, context: RedactionContext) -> bool:
    """Whether what was taken for a name are only words that answer, hold or correct a talk, or greet: "Nein, warte"."""
    guessed = entity.type == "NAME" and entity.recognizer.startswith(GUESSES)
    found = _WORD.findall(text[entity.start : entity.end].casefold()) if guessed else []
    if not found:
        return False
    answers = words(context.language, "commands", "answers")
    return answers.issuperset(found) or ("NAME" not in context.asked_for and _is_greeting(entity, text, found, context))


def _is_greeting(entity: Entity, text: str, found: Sequence[str], context: RedactionContext) -> bool:
    """Whether an entity is a clause that only greets, "hiya", or ends one: the "pal" of "cheers pal".

    Both may be names elsewhere: "Hiya Roy", "Rahul Pal". A form of address with a capital is one.
    """
    greetings = words(context.language, "commands", "greetings") | words(context.language, "commands", "answers")
    addresses = words(context.language, "commands", "addresses")
    said = [*_WORD.findall(_CLAUSE.split(text[: entity.start])[-1].casefold()), *found]
    called = next((at for at, word in enumerate(said) if word not in greetings), len(said))
    small = text[entity.end - 1].islower() and text[entity.start].islower()
    if not _CLAUSE_ENDS.match(text, entity.end) or not addresses.issuperset(said[called:]):
        return False
    return called > 0 and (called == len(said) or small)


def is_number_of_flow(entity: Entity, view: TextView, context: RedactionContext, found: Sequence[Entity]) -> bool:
    """Whether what was taken for a postcode or the like is a number that the flow asks for: beside its label or unit,
    as in "the mileage is 48213", or alone as a correction, as in "no, 48213". A number in an address is none.

    Args:
        entity: What was found.
        view: The text.
        context: Has the labels and units.
        found: Everything that was found in the text.
    """
    guessed = entity.type != "NAME" and entity.recognizer.startswith((CLASSIFIER, SLOT, "number"))
    number = _NUMBER.match(view.text, entity.start, entity.end)
    if not guessed or number is None or len(digits_of(number.group())) > LONGEST_NUMBER_DIGITS:
        return False
    unit = view.text[number.end() : entity.end]
    if unit and not (context.number_names and _phrases(context.number_names).fullmatch(unit)):
        return False
    if introduced_as(view, entity.start) == "personal" or _is_of_place(entity, view, found):
        return False
    corrects = context.after_number and _is_correction(entity, view.lower, context.language)
    return corrects or unit != "" or _is_named(entity, view.text, context.number_names)


def _is_of_place(entity: Entity, view: TextView, found: Sequence[Entity]) -> bool:
    """Whether a number comes after "from" or the like, or has a part of an address right beside it."""
    word_before = _WORD.findall(view.lower[: entity.start])[-1:]
    parts = (e for e in found if e.type == "ADDRESS" and not _NUMBER.fullmatch(view.text[e.start : e.end]))
    edges = ((min(entity.end, e.end), max(entity.start, e.start)) for e in parts)
    beside = any(end >= start or _BESIDE_PLACE.fullmatch(view.text, end, start) for end, start in edges)
    return beside or not _BEFORE_PLACES.isdisjoint(word_before)


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


@lru_cache(maxsize=16)
def _said(language: str) -> re.Pattern[str]:
    """Letters in capitals, a mark or its name, and digits; or both without anything between them."""
    names = "|".join(name for name, mark in lexicon_for(language).signs.items() if mark in _MARKS)
    between = rf"(?: ?[-/.] ?| (?i:{names}) | )"
    letters = rf"((?:[A-Z](?: ?[A-Z]){{0,7}}(?={between}\d))|[A-Za-z]{{1,8}}(?=\d))"
    return re.compile(rf"(?<![^\W_]){letters}{between}?(\d{{1,16}}(?:[ -]\d{{1,8}}){{0,4}})(?![^\W_])")


@lru_cache(maxsize=128)
def _phrases(phrases: frozenset[str]) -> re.Pattern[str]:
    longest_first = sorted(phrases, key=lambda phrase: (-len(phrase), phrase))
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(map(re.escape, longest_first))})(?![^\W_])", re.IGNORECASE)
