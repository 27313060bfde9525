"""Finds what is said again: a text that says nothing but a field that was answered, and another value of it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.redaction.commands import any_of, folded
from models.text import RedactedText
from server.flows.extraction import unit_in
from server.flows.fields import (
    ChoiceField,
    DateField,
    FieldDefinition,
    NumberField,
    PersonalField,
    PhotoField,
    TextField,
    YesNoField,
)
from server.flows.progress import FieldProgress, FieldState, Progress
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import denied_options, option_phrases
from server.flows.reading.dates import without_days
from server.flows.reading.modifiers import AND
from server.flows.reading.numbers import units_of
from server.flows.reading.reader import Request, read_value
from server.flows.reading.spoken_marks import with_spoken_marks
from server.flows.reading.units import apart
from server.flows.reading.words import (
    AFTER_ALL,
    CORRECTION,
    ECHO,
    GREETING,
    NO,
    NOT,
    NOW,
    PLAIN_YES,
    STATES,
    after_marker,
    folded_no,
    phrases,
)
from server.flows.reading.written_numbers import SPOKEN_POINT
from server.flows.texts import text_in

_SHORT: Final = 3
"""Most letters of words that decide nothing, such as articles."""

_STEM, _ENDING = 4, 2
"""Fewest letters that two forms of a word share, and most letters after them: "weigh", "weighs"."""

_STATEMENT_WORDS: Final = 3
"""Fewest words of a sentence that says yes by stating what was asked: "it is injured"."""

_UNREAD: Final = (TextField, PhotoField, PersonalField)
"""Kinds of fields with values that no words of a flow are known of."""


@dataclass(frozen=True, slots=True)
class _Said:
    """A text without the words that announce a correction.

    Attributes:
        material: Nothing but the rest.
        marked: Whether there were such words.
    """

    material: AnswerText
    marked: bool


def restated(
    progress: Progress, material: AnswerText, asked: FieldProgress | None
) -> tuple[FieldProgress, RedactedText] | None:
    """The answered field to which a text gives another value, and the value; None in doubt.

    The text says nothing but the field, the value, and words that state, deny or correct; see ``_value``. A word names
    the field if it is in its label or its question and in those of no other field. The field needs no name after a "no"
    to a question for yes or no, nor where its present value is denied: "a dog, not a cat".

    Args:
        progress: Before the text.
        material: The text.
        asked: The field that the person was asked for, None for none. It is never the one.
    """
    said = _after_marker(material)
    free = asked is not None and isinstance(asked.field, TextField)
    if said is None or material.is_question or material.way == "picture" or not material.text.safe_for_llm:
        return None
    if free and not said.marked:
        return None
    known = [one for one in progress.fields if not isinstance(one.field, _UNREAD)]
    found = [
        (one, value)
        for one in known
        if one is not asked and one.state is FieldState.ANSWERED and material.way in one.step.ways
        if (value := _value(one, said, known, asked)) is not None
    ]
    if len(found) != 1:
        return None
    [(one, value)] = found
    return one, RedactedText.literal(value)


def _after_marker(material: AnswerText) -> _Said | None:
    """The text after its "no" or "sorry"; None where an "and" follows it, which leaves the "no" an answer.

    A "no" that may deny the next word, as in "no damage", stays.
    """
    text = material.text.value
    rest = after_marker(text, material.code)
    marker = text[: text.find(rest)] if rest else text
    deny = folded_no(material.code) & set(phrases(NOT, material.code))
    if re.search(r"[^\W_]", marker) is None or (
        deny & set(folded(marker).split()) and not re.search("[,.;:!]", marker)
    ):
        return _Said(material, marked=False)
    if not rest or re.match(any_of(phrases(AND, material.code)).pattern, folded(rest)):
        return None
    quoted = material.text.quoted(rest)
    return None if quoted is None else _Said(replace(material, text=quoted), marked=True)


def _value(one: FieldProgress, said: _Said, known: Sequence[FieldProgress], asked: FieldProgress | None) -> str | None:
    """Another value of a field in a text that says nothing else, or None.

    After a "no" to a question for yes or no, more may be said, but no word of that question.
    """
    field, material = one.field, said.material
    foreign = [other.field for other in known if other is not one]
    named = names(field, foreign, material)
    no_to = asked.field if said.marked and asked is not None and isinstance(asked.field, YesNoField) else None
    alone = _says_only(field, foreign, material)
    if not alone and (no_to is None or not named or names(no_to, [field], material)):
        return None
    if not named and no_to is None and not _denies_present(one, material):
        return None
    if not named and any(_is_like(field, other) for other in foreign):
        return None
    if isinstance(field, YesNoField):
        value = _yes_or_no(field, material) if named and alone else None
    else:
        value = read_value(field, material, Request(asked=named and alone, corrects=True))
    return value if value is not None and not field.equal(one.value.value, value) else None


def names(field: FieldDefinition, others: Iterable[FieldDefinition], material: AnswerText) -> bool:
    """Whether a text has a word that only this field has; of a field for yes or no, one of its label."""
    words = _long_words(field.label_in(material.language)) if isinstance(field, YesNoField) else set[str]()
    taken = {word for other in others for word in _words_of(other, material)}
    return _has_any(folded(material.plain).split(), (words or _words_of(field, material)) - taken)


def _says_only(field: FieldDefinition, others: Iterable[FieldDefinition], material: AnswerText) -> bool:
    """Whether a text has no longer word but those of a field, of its values, and those that state, deny or correct.

    Of a sentence that means yes or no, no shorter word is left either: "the injury is not bad".
    """
    rest, allowed = _without_value(field, material), _words_of(field, material) | _value_words(field, material)
    if isinstance(field, NumberField) and field.rule == "meter":  # a choice has its unit
        rest = any_of(filter(unit_in, _options(others, material))).sub(" ", rest)
    if strict := isinstance(field, YesNoField):
        allowed |= set(folded(f"{field.label_in(material.language)} {text_in(field.ask, material.language)}").split())
    words = (word for word in re.findall(r"\w+", rest) if not re.search(r"\d", word))
    longer = (word for word in words if strict or len(word) > _SHORT)
    return all(_has_any([word], allowed) for word in longer) and not _names_option(others, field, rest, material)


def _words_of(field: FieldDefinition, material: AnswerText) -> set[str]:
    """The longer words of the label and the question, without those of values and units."""
    words = _long_words(f"{field.label_in(material.language)} {text_in(field.ask, material.language)}")
    return {word for word in words if not _has_any([word], _value_words(field, material))}


def _value_words(field: FieldDefinition, material: AnswerText) -> set[str]:
    if isinstance(field, ChoiceField):
        called = [*_options([field], material)]
    elif isinstance(field, NumberField):
        called = [folded(unit) for unit in units_of(field, material)]
    else:
        return set()
    return {word for phrase in called for word in phrase.split()}


def _long_words(text: str) -> set[str]:
    return {word for word in re.findall(r"\w+", folded(text)) if len(word) > _SHORT}


def _has_any(words: Iterable[str], wanted: Iterable[str]) -> bool:
    return any(_alike(word, other) for word in words for other in wanted)


def _alike(one: str, other: str) -> bool:
    """Whether two words are forms of the same one."""
    same = next((at for at, pair in enumerate(zip(one, other, strict=False)) if pair[0] != pair[1]), None)
    stem = min(len(one), len(other)) if same is None else same
    return one == other or (stem >= _STEM and max(len(one), len(other)) - stem <= _ENDING)


def _without_value(field: FieldDefinition, material: AnswerText) -> str:
    """The folded text without days, where a day is meant, and without words that state, deny or correct."""
    text = folded(material.plain)
    if isinstance(field, NumberField):
        marked = with_spoken_marks(material.numbered, SPOKEN_POINT)
        text = folded(apart(marked, units_of(field, material)))
    elif isinstance(field, DateField):
        text = without_days(material)
    lists = (AFTER_ALL, CORRECTION, ECHO, GREETING, NO, NOT, NOW, PLAIN_YES, STATES)
    return any_of(phrase for each in lists for phrase in phrases(each, material.code)).sub(" ", text)


def _names_option(others: Iterable[FieldDefinition], own: FieldDefinition, text: str, material: AnswerText) -> bool:
    """Whether a folded text has an option of another field that the field itself has not: "my dog is 4 years old"."""
    called = set(_options(others, material)) - set(_options([own], material))
    return any_of(called).search(text) is not None


def _is_like(one: FieldDefinition, other: FieldDefinition) -> bool:
    """Whether a value of one field may be one of another: the same option, or a number in the same unit."""
    if isinstance(one, ChoiceField) and isinstance(other, ChoiceField):
        return not set(one.values).isdisjoint(other.values)
    return isinstance(one, NumberField) and isinstance(other, NumberField) and one.unit == other.unit


def _options(fields: Iterable[FieldDefinition], material: AnswerText) -> Iterator[str]:
    for field in fields:
        if isinstance(field, ChoiceField):
            for option in field.options:
                yield from (phrase for phrase, _ in option_phrases(option, material.language))


def _denies_present(one: FieldProgress, material: AnswerText) -> bool:
    """Whether a text denies the present value of a choice, or of a number: "5.4 kg, not 4.2 kg"."""
    if isinstance(one.field, ChoiceField):
        return one.value.value in denied_options(one.field, material)
    denied = any_of(phrases(NOT, material.code)).search(folded(material.plain)) is not None
    numbers = re.findall(r"\d[\d.,]*\d|\d", material.numbered)
    return denied and isinstance(one.field, NumberField) and any(one.field.equal(one.value.value, n) for n in numbers)


def _yes_or_no(field: YesNoField, material: AnswerText) -> str | None:
    """Yes or no by a sentence that has the words of the question: "there is a new damage", "it is not injured"."""
    text = folded(material.plain)
    no = any_of((*phrases(NO, material.code), *phrases(NOT, material.code))).search(text) is not None
    yes = any_of(phrases(PLAIN_YES, material.code)).search(text) is not None
    asks = re.findall(r"\w+", text) == re.findall(r"\w+", folded(text_in(field.ask, material.language)))
    if (yes and no) or asks or not (yes or no or len(text.split()) >= _STATEMENT_WORDS):
        return None
    return "no" if no else "yes"
