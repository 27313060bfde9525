"""The values that a reviewer gives: checked by the rules of the record, redacted, and put into a new record."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
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
from server.llm.record_rules import missing_in, ruled_out
from server.llm.record_schema import MAX_RECORD_BYTES, canonical_json, clean
from server.llm.types import OnboardingRecord, RecordField
from server.records.correction_values import is_free_text, is_number_or_code, named, read_correction
from server.records.keyed_texts import key_prefix, label_prefix, told_by_key
from server.records.redact_output import QUOTED, REDACT_TIMEOUT_S, alike

_MOST_CHARACTERS: Final = 2000
_NEEDS_VALUE: Final = "A correction needs a value, and nothing else has one."


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
            raise _wrong(f"choices[{number}].name", "Decide each field once.")
        if choice.decision is not FieldDecision.ACCEPTED and not choice.reason:
            raise _wrong(f"choices[{number}].reason", "A correction and a rejection need a reason.")
        if bool(choice.value.strip()) != corrects:
            raise _wrong(f"choices[{number}].value", _NEEDS_VALUE)
        seen.add(choice.name)
    return [
        _checked(flow, choice, f"choices[{number}].value") if choice.decision is FieldDecision.CORRECTED else choice
        for number, choice in enumerate(choices)
    ]


async def redact_corrections(
    gateway: Gateway,
    choices: Sequence[FieldChoice],
    language: str,
    scope: RedactionScope,
    flow: FlowDefinition,
    sources: Collection[RedactedText],
) -> dict[str, RedactedText]:
    """The values of the corrections by the name of the field. Free text, numbers and codes are redacted; all others are
    values of the flow or of a form.

    Each is read as the answer to a question for its field, and free text once more behind the field's label, as what a
    visitor writes in a form. A number or code that stands in a source is kept, and what does in the fields ``QUOTED``,
    as in ``redact_output.redact_values``.

    Raises:
        Unavailable: The redactor cannot be reached, or failed; the values must then go nowhere.
        DeadlineExceeded: It took too long.
    """
    corrections = [choice for choice in choices if choice.decision is FieldDecision.CORRECTED]
    redacted = {choice.name: RedactedText.literal(choice.value) for choice in corrections}
    free = [(each.name, each.value) for each in corrections if is_free_text(flow.fields.get(each.name))]
    prefixes = {name: prefix for name, value in free if (prefix := _prefix(flow, name, value, language))}
    exact = {each.name for each in corrections if is_number_or_code(flow.fields.get(each.name))}
    given = free + [(each.name, each.value) for each in corrections if each.name in exact]
    context = RedactionContext(TextSource.TYPED, language, scope=scope)
    for asked, places in alike([name for name, _ in given], flow, language).items():
        values = [given[place] for place in places]
        redacted |= await _redacted(gateway, values, prefixes, answering(context, asked.kinds, asked.hints))
    for name, value in given:
        if name in exact or name in QUOTED:
            redacted[name] = next(_quotes(value, sources), redacted[name])
    return redacted


def _prefix(flow: FlowDefinition, name: str, value: str, language: str) -> str:
    """What free text is read behind: the label of its field, or the name where the flow has no such field."""
    field = flow.fields.get(name)
    return key_prefix(name, value) if field is None else label_prefix(field, flow.language(language), value)


async def _redacted(
    gateway: Gateway, values: Sequence[tuple[str, str]], keys: Mapping[str, str], context: RedactionContext
) -> dict[str, RedactedText]:
    """Values of fields that ask for the same, redacted; those that have a key are read behind it, too."""
    prefixes = {name: keys[name] for name, _ in values if name in keys}
    texts = [value for _, value in values] + [prefixes[name] + value for name, value in values if name in prefixes]
    read = await gateway.redact([RawText(text) for text in texts], context, timeout_s=REDACT_TIMEOUT_S)
    alone = {name: each for (name, _), each in zip(values, read[: len(values)], strict=True)}
    keyed = zip(prefixes.items(), read[len(values) :], strict=True)
    alone |= {name: told_by_key(alone[name], each, prefix) for (name, prefix), each in keyed}
    return {name: each.text for name, each in alone.items()}


def _quotes(value: str, sources: Iterable[RedactedText]) -> Iterator[RedactedText]:
    return (quote for source in sources if (quote := source.quoted(value)))


def with_choices(
    record: OnboardingRecord,
    choices: Sequence[FieldChoice],
    given: Mapping[str, RedactedText],
    flow: FlowDefinition,
    facts: Mapping[str, str],
) -> OnboardingRecord:
    """The record after the choices: corrected values in their places, filled-in ones last, rejected ones missing, and
    so is what the flow requires now. Fields that no longer apply are neither in it nor missing.

    Args:
        record: As it was shown.
        choices: Checked.
        given: Values of the corrections, redacted.
        flow: Of the session.
        facts: Of the session.

    Raises:
        InvalidInput: FIELD_NOT_APPLICABLE for a correction of a field that does not apply.
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
    out = ruled_out(made, flow, facts)
    _check_apply(choices, flow, out)
    removed = out - ruled_out(record, flow, facts)  # not what a model gave although it does not apply
    made = replace(made, fields=tuple(field for field in made.fields if field.name not in removed))
    required = missing_in(record, flow, facts)
    gone = [name for name in record.missing if name not in required and name not in values]  # rejected before
    gone += [field.name for field in record.fields if field.name in rejected]
    missing = dict.fromkeys((*missing_in(made, flow, facts), *(name for name in gone if name not in out)))
    return replace(made, missing=tuple(missing))


def _check_apply(choices: Sequence[FieldChoice], flow: FlowDefinition, out: Collection[str]) -> None:
    """Refuse values for fields that do not apply.

    Args:
        choices: Checked.
        flow: Of the session.
        out: Names of the fields that do not apply after the choices.
    """
    for number, choice in enumerate(choices):
        if choice.decision is FieldDecision.CORRECTED and choice.name in out:
            where = FieldViolation(f"choices[{number}].name", "It does not apply with the other values of the record.")
            raise InvalidInput(
                f"The field {named(flow.fields[choice.name])} does not apply with the other values of the record.",
                reason=Reason.FIELD_NOT_APPLICABLE,
                violations=(where,),
            )


def check_size(record: OnboardingRecord) -> None:
    """Refuse a record that the choices made too large.

    Raises:
        InvalidInput: INVALID_RECORD.
    """
    if len(record.fields) > MAX_FIELDS or len(canonical_json(record).encode()) > MAX_RECORD_BYTES:
        raise InvalidInput("This is no valid record: it is too large.", reason=Reason.INVALID_RECORD)


def _checked(flow: FlowDefinition, choice: FieldChoice, place: str) -> FieldChoice:
    """A correction with its value as a record has it.

    Raises:
        InvalidInput: INVALID_ARGUMENT without a value, INVALID_RECORD for one that does not fit its field.
    """
    value, field = clean(choice.value), flow.fields.get(choice.name)
    if not value:
        raise _wrong(place, _NEEDS_VALUE)
    return replace(choice, value=value[:_MOST_CHARACTERS] if field is None else read_correction(field, value, place))


def _wrong(place: str, rule: str) -> InvalidInput:
    where = FieldViolation(place, rule)
    return InvalidInput("A decision is not complete.", reason=Reason.INVALID_ARGUMENT, violations=(where,))
