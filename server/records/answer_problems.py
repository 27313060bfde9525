"""What may be wrong with a value that an app gives for a field."""

from __future__ import annotations

from typing import Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.text import RedactedText
from server.flows.fields import FieldDefinition, Keep, PersonalField, PhotoField

_VALUE_ALONE: Final = (
    "Send the whole value and nothing else, for example a telephone number with its area code. It is hidden as typed "
    "text is, and never stored readable."
)


def problem_of(field: FieldDefinition, value: RedactedText) -> str:
    """Why an app may not give this value, as a clause without the value; empty where it may."""
    if isinstance(field, PhotoField):
        return "is answered with photographs"
    if isinstance(field, PersonalField):
        if field.keep is Keep.GIVEN:
            return "" if value.value else "must be given"
        found = any(value.counts.get(entity) for entity in field.accepted)
        return "" if found else f"has nothing that is known as {' or '.join(field.entities)}"
    if field.kind != "text" and value.counts:
        return "must not be personal"
    return field.problem(value.value)


def wrong_answer(field: FieldDefinition, problem: str, *, hint: str = "") -> InvalidInput:
    """The error for a value that does not fit."""
    return InvalidInput(
        f"The value of {field.name} {problem}.",
        reason=Reason.ANSWER_INVALID,
        violations=(FieldViolation("value", problem),),
        hint=hint or (_VALUE_ALONE if isinstance(field, PersonalField) else ""),
    )
