"""The values that a reviewer gives: checked by the rules of the record, redacted, and put into a new record."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.redaction.dialogue_context import answering
from models.redaction.types import RedactionContext, RedactionScope
from models.text import RawText, RedactedText, TextSource
from ray_tasks.types import Gateway
from server.flows.definition import MAX_FIELDS, FlowDefinition
from server.ledger.reviews_decisions import FieldDecision
from server.llm.record_rules import as_recorded, missing_in
from server.llm.record_schema import MAX_RECORD_BYTES, canonical_json, clean
from server.llm.types import OnboardingRecord, RecordField
from server.records.keyed_texts import key_prefix, told_by_key
from server.records.redact_output import QUOTED, REDACT_TIMEOUT_S, alike

_MOST_CHARACTERS: Final = 2000


@dataclass(frozen=True, slots=True)
class FieldChoice:
    """What a person decides about one field.

    Attributes:
        value: As it was written, for a correction; it is no redacted text yet.
        reason: Why, a machine word that was checked for personal data.
    """

    name: str
    decision: FieldDecision
    value: str = ""
    reason: str = ""


def checked_choices(
    record: OnboardingRecord, flow: FlowDefinition, choices: Sequence[FieldChoice]
) -> list[FieldChoice]:
    """The choices with their values in the form in which a record has them.

    A correction may also give a field of the flow that the record does not have.

    Raises:
        InvalidInput: FIELD_NOT_IN_RECORD; INVALID_ARGUMENT for a field that is decided twice, and for a correction
            without value or reason; INVALID_RECORD for a value that breaks the rule of its field.
    """
    present = {field.name for field in record.fields}
    seen: set[str] = set()
    for number, choice in enumerate(choices):
        corrects = choice.decision is FieldDecision.CORRECTED
        if choice.name not in present and not (corrects and choice.name in {*record.missing, *flow.fields}):
            raise InvalidInput("The record has no such field.", reason=Reason.FIELD_NOT_IN_RECORD)
        if choice.name in seen:
            raise _wrong(number, "name", "Decide each field once.")
        if choice.decision is not FieldDecision.ACCEPTED and not choice.reason:
            raise _wrong(number, "reason", "A correction and a rejection need a reason.")
        if bool(choice.value.strip()) != corrects:
            raise _wrong(number, "value", "A correction needs a value, and nothing else has one.")
        seen.add(choice.name)
    given = [choice for choice in choices if choice.decision is FieldDecision.CORRECTED]
    values = {choice.name: value for choice in given if (value := _checked(flow, choice))}
    for number, choice in enumerate(choices):
        if choice.decision is FieldDecision.CORRECTED and choice.name not in values:
            raise _wrong(number, "value", "A correction needs a value, and nothing else has one.")
    return [replace(choice, value=values.get(choice.name, "")) for choice in choices]


async def redact_corrections(
    gateway: Gateway,
    choices: Sequence[FieldChoice],
    language: str,
    scope: RedactionScope,
    flow: FlowDefinition,
    sources: Collection[RedactedText],
) -> dict[str, RedactedText]:
    """The values of the corrections, redacted, by the name of the field.

    Each is read as the answer to a question for its field, and once more behind the field's name. What stands in a
    source is kept in the fields ``QUOTED``, as in ``redact_output.redact_values``.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the values must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    given = [(choice.name, choice.value) for choice in choices if choice.decision is FieldDecision.CORRECTED]
    context = RedactionContext(TextSource.TYPED, language, scope=scope)
    redacted: dict[str, RedactedText] = {}
    for asked, places in alike([name for name, _ in given], flow, language).items():
        values = [given[place] for place in places]
        prefixes = [key_prefix(name, value) for name, value in values]
        texts = [value for _, value in values] + [
            prefix + value for prefix, (_, value) in zip(prefixes, values, strict=True)
        ]
        read = await gateway.redact(
            [RawText(text) for text in texts],
            answering(context, asked.kinds, asked.hints),
            timeout_s=REDACT_TIMEOUT_S,
        )
        for at, (name, _) in enumerate(values):
            alone, keyed = read[at], read[at + len(values)]
            redacted[name] = (told_by_key(alone, keyed, prefixes[at]) if prefixes[at] else alone).text
    for name, value in given:
        quotes = (quote for source in sources if name in QUOTED and (quote := source.quoted(value)))
        redacted[name] = next(quotes, redacted[name])
    return redacted


def with_choices(
    record: OnboardingRecord,
    choices: Sequence[FieldChoice],
    given: Mapping[str, RedactedText],
    flow: FlowDefinition,
    facts: Mapping[str, str],
) -> OnboardingRecord:
    """The record after the choices: corrected values in their places, filled-in ones last, rejected ones missing, and
    so is what the flow requires now.

    Args:
        record: As it was shown.
        choices: Checked.
        given: Values of the corrections, redacted.
        flow: Of the session.
        facts: Of the session.
    """
    values = {name: text.value for name, text in given.items()}
    rejected = {choice.name for choice in choices if choice.decision is FieldDecision.REJECTED}
    kept = [
        field if values.get(field.name, field.value) == field.value else RecordField(field.name, values[field.name])
        for field in record.fields
        if field.name not in rejected
    ]
    present = {field.name for field in record.fields}
    filled = [RecordField(name, value) for name, value in values.items() if name not in present]
    made = replace(record, fields=tuple(kept + filled))
    required = missing_in(record, flow, facts)
    gone = [name for name in record.missing if name not in required and name not in values]  # rejected before
    gone += [field.name for field in record.fields if field.name in rejected]
    return replace(made, missing=tuple(dict.fromkeys((*missing_in(made, flow, facts), *gone))))


def check_size(record: OnboardingRecord) -> None:
    """Refuse a record that the choices made too large.

    Raises:
        InvalidInput: INVALID_RECORD.
    """
    if len(record.fields) > MAX_FIELDS or len(canonical_json(record).encode()) > MAX_RECORD_BYTES:
        raise InvalidInput("This is no valid record: it is too large.", reason=Reason.INVALID_RECORD)


def _checked(flow: FlowDefinition, choice: FieldChoice) -> str:
    """The value of a correction as a record has it; empty for none.

    Raises:
        InvalidInput: INVALID_RECORD; the message names the rule, never the value.
    """
    value, field = clean(choice.value), flow.fields.get(choice.name)
    if not value or field is None:
        return value[:_MOST_CHARACTERS]
    recorded = as_recorded(field, value)
    if recorded is None or (problem := field.problem(recorded)):
        why = "is of another kind" if recorded is None else problem
        raise InvalidInput(f"The value of {field.name} {why}.", reason=Reason.INVALID_RECORD)
    return recorded


def _wrong(number: int, field: str, rule: str) -> InvalidInput:
    where = FieldViolation(f"choices[{number}].{field}", rule)
    return InvalidInput("A decision is not complete.", reason=Reason.INVALID_ARGUMENT, violations=(where,))
