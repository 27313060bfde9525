"""What a question of a flow tells the redactor about its answer.

A bare "PMP-0042" may be a name, and "the first of December 2026" a date of birth. The question resolves it, and what a
person was asked for is found much more surely (0.6 against 4.4 % left readable, see docs/evaluation/redaction.md).
"""

from __future__ import annotations

from collections.abc import Iterable

from models.redaction.dialogue_context import DAY, READING, AnswerHints, answering
from models.redaction.flow_words import FlowWords
from models.redaction.lexicons.loader import words
from models.redaction.types import RedactionContext
from server.flows.code_format import asks_for_letter
from server.flows.definition import FlowDefinition
from server.flows.extraction import unit_in
from server.flows.fields import (
    ASKED_BY_NAME,
    ChoiceField,
    CodeField,
    DateField,
    FieldDefinition,
    NumberField,
    Option,
    PersonalField,
    TimeField,
)
from server.flows.texts import words_in


def asked_for(field: FieldDefinition) -> tuple[str, ...]:
    """The kinds of answers that a field asks for, as ``RedactionContext.asked_for`` has them, sorted."""
    match field:
        case NumberField() | CodeField() | TimeField():
            return (READING,)
        case DateField():
            return (DAY,)
        case PersonalField():
            return tuple(sorted({kind if kind in ASKED_BY_NAME else "ID" for kind in field.entities}))
        case _:
            return ()


def answer_hints(field: FieldDefinition | None, flow: FlowDefinition, language: str) -> AnswerHints:
    """What an answer may consist of besides, from the texts of the flow.

    Args:
        field: That is asked for; None where nothing is open, or the person knows no question.
        flow: An answer often says more than was asked for, so the phrases of all fields of the step count. It may
            correct what was said before, so the names of all numbers count, and whether the field before is a number.
        language: ISO 639-1 code; its phrases are taken, and those of all languages where it has none.
    """
    named = _stripped(name for each in flow.fields.values() for name in _names_of(each, language))
    function_words = words(language[:2].lower(), "function_words")
    # Not "A" for ampere and "mi" for miles: they stand before any number.
    names = frozenset(name for name in named if len(name) > 1 and name.casefold() not in function_words)
    if field is None:
        return AnswerHints(number_names=names)
    step, order = flow.step_of(field.name), list(flow.fields.values())
    before = order[: order.index(field)][-1:]
    asked = (each for each in step.fields if not isinstance(each, PersonalField))
    return AnswerHints(
        phrases=_stripped(phrase for each in asked for phrase in _phrases_of(each, language)),
        code_format=field.format if isinstance(field, CodeField) else "",
        number_names=names,
        after_number=any(isinstance(each, NumberField) for each in before),
    )


def _stripped(phrases: Iterable[str]) -> frozenset[str]:
    return frozenset(filter(None, map(str.strip, phrases)))


def _names_of(field: FieldDefinition, language: str) -> Iterable[str]:
    """The label and the units of a number, and the options of a choice that are the units of a meter."""
    if isinstance(field, NumberField):
        yield from (field.label_in(language), field.unit, *words_in(field.unit_words, language))
    elif isinstance(field, ChoiceField):
        for option in field.options:
            called = _called(option, language)
            yield from called if any(map(unit_in, called)) else ()


def _called(option: Option, language: str) -> list[str]:
    """What people call an option. Its value is a machine word and counts only as the unit of a meter, such as m3."""
    unit = [option.value] * bool(unit_in(option.value))
    return [*unit, option.label_in(language), *words_in(option.words, language)]


def flow_words(flow: FlowDefinition) -> FlowWords:
    """What the redactor is told of a flow, whatever question is open.

    The expected words of a personal field may be names of people, so they are left out. A code without letters of its
    own may be the number of a passport, so it stays only as the answer to its question.
    """
    fields = flow.fields.values()
    formats = [field.format for field in fields if isinstance(field, CodeField) and asks_for_letter(field.format)]
    phrases = tuple(
        (language, _stripped(phrase for field in fields for phrase in _phrases_of(field, language)))
        for language in flow.languages
    )
    return FlowWords(phrases, tuple(dict.fromkeys(formats)))


def asked_again(
    context: RedactionContext, name: str, by_reply: tuple[str, ...], flow: FlowDefinition | None
) -> RedactionContext:
    """The context of a stored text as it was when it came: what its flow had asked for, and the reply before it.

    Args:
        context: Without a question.
        name: Of the field that was asked for; empty for none.
        by_reply: What the reply before it asked for.
        flow: That of the session; None where it is not known.
    """
    if flow is None:
        return answering(context, by_reply)
    field = flow.fields.get(name)
    asked = tuple(sorted({*(asked_for(field) if field else ()), *by_reply}))
    return answering(context, asked, answer_hints(field, flow, flow.language(context.language)))


def _phrases_of(field: FieldDefinition, language: str) -> Iterable[str]:
    texts = [field.label_in(language)]
    if isinstance(field, PersonalField):
        return texts
    texts += words_in(field.expect, language)
    if isinstance(field, NumberField):
        texts += _names_of(field, language)
    if isinstance(field, ChoiceField):
        for option in field.options:
            texts += _called(option, language)
    return texts
