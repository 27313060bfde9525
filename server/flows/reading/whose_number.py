"""Whether a number that answers a question is of something else. In doubt it is, and the question is asked again."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from models.redaction.dialogue_context import numeric
from models.text import RedactedText
from server.flows.extraction import TAG, names_meter
from server.flows.fields import NumberField
from server.flows.progress import FieldProgress
from server.flows.reading.answer_text import AnswerText
from server.flows.reading.reader import Request, read_answer
from server.flows.reading.restating import names
from server.flows.texts import text_in


def belongs_to_another_field(
    asked: FieldProgress, others: Iterable[FieldProgress], number: RedactedText, material: AnswerText
) -> bool:
    """Whether a bare number is none of the field that was asked for.

    It is that of another field where the text names that one: "the display reads 4830". It is a part of the personal
    number before it where nothing else is said before that: "[REDACTED_PHONE], ext. 42". A text that names the asked
    field, or its unit, gives the number to that one.

    Args:
        asked: The field.
        others: The other fields of the flow.
        number: What was read as the answer.
        material: From which.
    """
    numbers = [one for one in others if isinstance(one.field, NumberField)]
    if (
        not isinstance(asked.field, NumberField)
        or read_answer(asked.field, asked.step, material, Request())
        or names(asked.field, [one.field for one in numbers], material)
    ):
        return False
    question = f"{asked.field.label_in(material.language)} {text_in(asked.field.ask, material.language)}"
    of_meter = names_meter(material.plain) and not names_meter(question)
    named = any(
        (of_meter and one.field.rule == "meter") or _has(one, number, material, Request(named=True))
        for one in numbers
        if isinstance(one.field, NumberField)
    )
    return named or _follows_personal_number(asked, number, material)


def _has(one: FieldProgress, number: RedactedText, material: AnswerText, request: Request) -> bool:
    """Whether a field reads this number in a text."""
    value = read_answer(one.field, one.step, material, request)
    return value is not None and one.field.equal(value.value, number.value)


def _follows_personal_number(asked: FieldProgress, number: RedactedText, material: AnswerText) -> bool:
    """Whether a number comes only after the tag of a telephone number or the like."""
    text = material.text.value
    start = next((tag.start() for tag in TAG.finditer(text) if numeric((tag[1],))), None)
    before = None if start is None else replace(material, text=replace(material.text, value=text[:start]))
    return before is not None and not _has(asked, number, before, Request(asked=True))
