"""What a flow says about its record: which fields a model may give, what their values look like, what is missing."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from typing import Final

from server.flows.conditions import Condition
from server.flows.definition import FlowDefinition
from server.flows.fields import (
    NUMBER_FORM,
    ChoiceField,
    CodeField,
    FieldDefinition,
    Keep,
    NumberField,
    PersonalField,
    PhotoField,
    TextField,
    YesNoField,
)
from server.llm.types import OnboardingRecord

YES, NO = "yes", "no"
_WORDS_OF_YES: Final = frozenset({"yes", "true", "given"})
_WORDS_OF_NO: Final = frozenset({"no", "false"})
_AS_PRINTED: Final = "as printed on the meter where there is a photograph"
_ROWS: Final = "the rows of the visitor register"


def is_set_by_code(field: FieldDefinition) -> bool:
    """Whether no model gives its value: photographs are counted, and tags and hashes are copied."""
    return isinstance(field, PhotoField) or (isinstance(field, PersonalField) and field.keep is not Keep.GIVEN)


def fields_of_model(flow: FlowDefinition) -> list[FieldDefinition]:
    """The fields that a model may give, in the order of the steps."""
    return [field for field in flow.fields.values() if not is_set_by_code(field)]


def told_about(flow: FlowDefinition) -> Iterator[str]:
    """For each field that a model may give: its name, what people call it, and what a value looks like."""
    for field in fields_of_model(flow):
        hint = ""
        if isinstance(field, NumberField) and field.reader is not None:
            hint = f", {_AS_PRINTED if field.reader == 'meter' else _ROWS}"
        yield f"- {field.name}: {field.label_in('en')}; {field.expected}{hint}"


def as_recorded(field: FieldDefinition, value: str) -> str | None:  # noqa: PLR0911 - one line for each kind
    """A value in the one form that a record has; None if it is no value of this kind.

    A number out of bounds or a code of another format is a value: a finding tells of it.
    """
    match field:
        case NumberField():
            return value if NUMBER_FORM.fullmatch(value) else None
        case ChoiceField():
            return next((option for option in field.values if option.casefold() == value.casefold()), None)
        case PersonalField():
            return YES if value.casefold() in _WORDS_OF_YES else None
        case YesNoField():
            return YES if value.casefold() in _WORDS_OF_YES else NO if value.casefold() in _WORDS_OF_NO else None
        case CodeField():
            written = value.upper() if re.fullmatch(field.format, value.upper()) else value
            return written if len(written) <= 64 and "[" not in written else None
        case TextField():
            return value
        case _:
            return value if not field.problem(value) else None


def with_missing(record: OnboardingRecord, flow: FlowDefinition, facts: Mapping[str, str]) -> OnboardingRecord:
    """The record with its fields in the order of the flow, and the names of the required ones that it lacks."""
    place = {name: at for at, name in enumerate(flow.fields)}
    fields = tuple(sorted(record.fields, key=lambda field: place.get(field.name, len(place))))
    return replace(record, fields=fields, missing=missing_in(record, flow, facts))


def ruled_out(record: OnboardingRecord, flow: FlowDefinition, facts: Mapping[str, str]) -> frozenset[str]:
    """Names of the fields of a flow that do not apply to a record, whether it has them or not.

    The condition of such a field, or of its step, is known not to hold, or needs a field that does not apply.
    """
    values = {**facts, **{field.name: field.value for field in record.fields}}
    out: set[str] = set()
    for step in flow.steps:
        without_step = _is_ruled_out(step.when, values, out)
        for field in step.fields:
            if without_step or _is_ruled_out(field.when, values, out):
                out.add(field.name)
                values.pop(field.name, None)
    return frozenset(out)


def without_ruled_out(
    record: OnboardingRecord,
    flow: FlowDefinition,
    facts: Mapping[str, str],
    *,
    guessed: Collection[str],
    shown: Collection[str],
) -> OnboardingRecord:
    """The record without the fields that do not apply.

    Args:
        record: With the values of its fields.
        flow: Of the session.
        facts: Of the session.
        guessed: Fields whose value is the word of a model alone. One of them stays where only others of them rule it
            out: each may be wrong, so a reviewer decides.
        shown: Fields that stay all the same.
    """
    out = ruled_out(record, flow, facts)
    settled = {*facts, *(field.name for field in record.fields)} - set(guessed)
    stay = {name for name in out if name in guessed and settled.isdisjoint(_depends_on(name, flow))}
    return replace(record, fields=tuple(field for field in record.fields if field.name not in out - stay - set(shown)))


def _depends_on(name: str, flow: FlowDefinition) -> set[str]:
    """The fields and facts that decide whether a field applies, and those that decide about these."""
    found, new = set[str](), {name}
    while new:
        found |= new
        whens = [
            when for each in new & flow.fields.keys() for when in (flow.fields[each].when, flow.step_of(each).when)
        ]
        new = {each for when in whens if when is not None for each in when.names()} - found
    return found - {name}


def _is_ruled_out(when: Condition | None, values: Mapping[str, str], out: set[str]) -> bool:
    if when is None or when.holds(values):
        return False
    return when.truth(values) is False or when.names() - values.keys() <= out


def missing_in(record: OnboardingRecord, flow: FlowDefinition, facts: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the fields that a record lacks, of steps and fields whose conditions hold: those that are required, and
    those that a check wants to be given.
    """
    known = {**facts, **{field.name: field.value for field in record.fields}}
    wanted = {name for check in flow.checks if check.fails(known) for name in check.require.given_names()}
    return tuple(
        field.name
        for step in flow.steps
        if step.when is None or step.when.holds(known)
        for field in step.fields
        if (field.required or field.name in wanted)
        and field.name not in known
        and (field.when is None or field.when.holds(known))
    )
