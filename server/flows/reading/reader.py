"""Reads the value of a field from one redacted text."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import Final

from models.kept_values import BETWEEN
from models.redaction.commands import any_of, folded, is_command
from models.text import RedactedText
from server.flows.definition import Step
from server.flows.extraction import TAG, site_name, tags_of
from server.flows.fields import (
    LONGEST_VALUE,
    ChoiceField,
    CodeField,
    DateField,
    FieldDefinition,
    Keep,
    NumberField,
    PersonalField,
    PhotoField,
    TextField,
    TimeField,
    YesNoField,
)
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.choices import read_choice, read_yes_no
from server.flows.reading.codes import read_code
from server.flows.reading.dates import read_date
from server.flows.reading.numbers import read_lone_number, read_named_number, read_number
from server.flows.reading.openings import only_opens
from server.flows.reading.places import bare_place
from server.flows.reading.times import read_time
from server.flows.reading.words import agrees_only, greets

GIVEN: Final = "yes"
"""The value of a personal field of which only is kept that it was given."""


@dataclass(frozen=True, slots=True)
class Request:
    """How a field is looked for.

    Attributes:
        asked: Whether a person was asked for it, so that a bare answer is one.
        corrects: Whether the text says that it corrects something.
        named: Whether the text must name the field. Only numbers are looked for so.
        alone: Whether the text must say nothing but the value with its unit. Only numbers are looked for so.
    """

    asked: bool = False
    corrects: bool = False
    named: bool = False
    alone: bool = False


def read_answer(field: FieldDefinition, step: Step, material: AnswerText, request: Request) -> RedactedText | None:
    """The value as the record has it, or None.

    Nothing but personal fields is read from text that is not ``safe_for_llm``. Photographs are counted elsewhere.

    Args:
        field: What is looked for.
        step: Its step, which says in which ways it may be answered.
        material: Where.
        request: How.
    """
    if material.way not in step.ways or isinstance(field, PhotoField):
        return None
    if material.way == "picture" and material.picture not in step.pictures:
        return None
    if isinstance(field, PersonalField):
        return _personal(field, material, asked=request.asked)
    if not material.text.safe_for_llm:
        return None
    if isinstance(field, TextField):
        return _text(field, material, asked=request.asked)
    value = read_value(field, material, request)
    return None if value is None else RedactedText.literal(value)


def read_value(field: FieldDefinition, material: AnswerText, request: Request) -> str | None:
    """A value that no words of a person are left in: digits, a day, an option, a code; None for none.

    In which ways the field may be answered is not looked at; see ``read_answer``.
    """
    value: str | None = None
    match field:
        case NumberField() if request.named:
            value = read_named_number(field, material)
        case NumberField() if request.alone:
            value = read_lone_number(field, material)
        case NumberField():
            value = read_number(field, material, asked=request.asked, corrects=request.corrects)
        case ChoiceField():
            value = read_choice(field, material, asked=request.asked)
        case CodeField():
            value = read_code(field, material, asked=request.asked)
        case YesNoField() if request.asked:
            value = read_yes_no(material)
        case DateField() if request.asked or _has_label(field, material):
            value = read_date(material)
        case TimeField() if request.asked or _has_label(field, material):
            value = read_time(material, asked=request.asked)
    return value


def _has_label(field: FieldDefinition, material: AnswerText) -> bool:
    label = folded(field.label_in(material.language))
    return len(label) > 4 and any_of([label]).search(folded(material.plain)) is not None


def _text(field: TextField, material: AnswerText, *, asked: bool) -> RedactedText | None:
    if field.reader == "site_name" and (name := site_name(material.text.value)):
        return material.text.quoted(name)
    if field.reader == "site_name":
        material = replace(material, text=bare_place(material))
    if not asked or material.way == "picture" or not _says_something(material):
        return None
    return material.text if len(material.text.value) <= LONGEST_VALUE else None


def _says_something(material: AnswerText) -> bool:
    """Whether a text is more than tags, a greeting, "it's NAME here", a bare yes or a question back."""
    bare = material.plain.strip()
    return (
        re.search(r"\w", bare) is not None
        and not material.is_question
        and not only_opens(material.text.value, material.code)
        and not (greets(bare, material.code) or agrees_only(bare, material.code) or is_command(bare, material.code))
    )


def _personal(field: PersonalField, material: AnswerText, *, asked: bool) -> RedactedText | None:
    if material.way == "picture" and not field.from_pictures:
        return None
    found: Counter[str] = tags_of(material.text.value, material.text.counts)
    given = next((entity for entity in (field.accepted if asked else field.entities) if found[entity]), None)
    return None if given is None else kept(field, given, material.text)


def kept(field: PersonalField, entity: str, text: RedactedText) -> RedactedText:
    """What the field keeps of a value. Hashed and sealed values come with the text from the workers.

    Args:
        field: Says how.
        entity: The type that was found.
        text: Where.
    """
    tags = [found[0] for found in TAG.finditer(text.value) if found[1] == entity]
    if field.keep is Keep.TAG and tags:
        return RedactedText.literal(BETWEEN.join(dict.fromkeys(tags)))
    return RedactedText.literal(GIVEN)
