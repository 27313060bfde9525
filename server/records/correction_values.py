"""Reads what a reviewer writes for a field: as its record has it, or refused with what would fit."""

from __future__ import annotations

from typing import Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.redaction.commands import folded
from server.flows.fields import (
    LONGEST_VALUE,
    ChoiceField,
    CodeField,
    FieldDefinition,
    NumberField,
    Option,
    PersonalField,
    TextField,
    YesNoField,
)
from server.flows.reading.words import plain_no, plain_yes
from server.llm.record_rules import NO, YES, as_recorded

_LONGEST_LIST: Final = 1500
"""Characters of a list of options with their labels. A longer one has no labels: a header of HTTP/2 is limited."""


def is_free_text(field: FieldDefinition | None) -> bool:
    """Whether a value holds words of a person.

    Args:
        field: None for one that the flow does not have.
    """
    return field is None or isinstance(field, TextField)


def is_number_or_code(field: FieldDefinition | None) -> bool:
    """Whether a value has digits that its field may not bound: a telephone number may fit it. All other values that are
    no free text are of the flow, or a day or a time.
    """
    return isinstance(field, NumberField | CodeField)


def read_correction(field: FieldDefinition, written: str, place: str) -> str:
    """The value as a record has it: of a choice the option's value, of yes or no these words.

    Args:
        field: Of the flow.
        written: By the reviewer, without spaces around it. A choice takes labels in every language of the flow, too,
            and yes or no the words for them in every language that is known.
        place: Path of the value in the request.

    Raises:
        InvalidInput: INVALID_RECORD; it names the field and what would fit, never the value.
    """
    value = _read(field, written)
    if value is None or field.problem(value):
        raise _misfit(field, written if value is None else value, place)
    return value


def named(field: FieldDefinition) -> str:
    """A field with its label, for a message."""
    label = field.label_in("en")
    return field.name if label == field.name.replace("_", " ") else f"{field.name} ({label})"


def _read(field: FieldDefinition, written: str) -> str | None:
    value = as_recorded(field, written)
    if value is not None:
        return value
    if isinstance(field, ChoiceField):
        return _option(field, folded(written))
    if isinstance(field, YesNoField | PersonalField) and folded(written) in plain_yes():
        return YES
    return NO if isinstance(field, YesNoField) and folded(written) in plain_no() else None


def _option(field: ChoiceField, written: str) -> str | None:
    """The one option that has this label in any language."""
    found = [option.value for option in field.options if written in map(folded, _labels(option))]
    return found[0] if len(found) == 1 else None


def _labels(option: Option) -> list[str]:
    """What people call an option, in each language."""
    if isinstance(option.label, dict):
        return list(dict.fromkeys(option.label.values()))
    return [option.label_in("en")]


def _misfit(field: FieldDefinition, value: str, place: str) -> InvalidInput:
    problem = "must be one of its options" if isinstance(field, ChoiceField) else field.problem(value)
    if isinstance(field, PersonalField):
        problem = "must be yes"
    problem = problem or "does not fit"
    return InvalidInput(
        f"The value of {named(field)} {problem}.",
        reason=Reason.INVALID_RECORD,
        hint=_what_fits(field),
        violations=(FieldViolation(place, problem),),
    )


def _what_fits(field: FieldDefinition) -> str:
    match field:
        case ChoiceField():
            return f"Give one of these values, or its label: {_options(field)}."
        case NumberField():
            return f"Give {field.expected}, without separators of thousands."
        case TextField():
            return f"Give a text of 1 to {LONGEST_VALUE} characters."
        case PersonalField():
            return "Give yes if it was given, or reject the field. A record holds no personal value."
        case _:
            return f"Give {field.expected}."


def _options(field: ChoiceField) -> str:
    with_labels = ", ".join(
        option.value if option.label is None else f"{option.value} ({', '.join(_labels(option))})"
        for option in field.options
    )
    return with_labels if len(with_labels) <= _LONGEST_LIST else ", ".join(field.values)
