"""Makes the record that decisions about its fields lead to."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.errors import FieldViolation, InvalidInput
from models.reasons import Reason
from models.text import RedactedText
from ray_tasks.types import Gateway
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.ledger.record_text import parts_of, record_text
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, RecommendationRow, SessionRow
from server.llm.finding_texts import finding_text
from server.llm.judge import Case, checked_again
from server.llm.record_schema import canonical_json, content_hash, messages_of, other_values_of, stored_record
from server.llm.types import Finding, FindingKind, OnboardingRecord, Severity
from server.records.approval import ApprovalRules
from server.records.correction_values import is_number_or_code, named
from server.records.numbering import number_tags
from server.records.reviews_summary import summary_after
from server.records.reviews_values import FieldChoice, check_size, checked_choices, redact_corrections, with_choices
from server.records.session_scope import scope_of


@dataclass(frozen=True, slots=True)
class Shown:
    """What a person decides on, and what a correction is read with.

    Attributes:
        language: ISO 639-1 code of the session.
        sources: Redacted texts in which a value may stand.
    """

    row: RecommendationRow
    session: SessionRow
    language: str
    sources: list[RedactedText]


class CorrectedRecords:
    """Makes records from decisions about fields. It stores none.

    Args:
        ledger: Keeps the numbers of tags.
        gateway: Redacts what the reviewer wrote.
        rules: How many approvals a record needs.
        flows: Every flow that a session may have.
        clock: The time now.
    """

    def __init__(self, ledger: Ledger, gateway: Gateway, rules: ApprovalRules, flows: Flows, clock: Clock) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._rules = rules
        self._flows = flows
        self._clock = clock

    async def after(self, shown: Shown, choices: Sequence[FieldChoice]) -> tuple[RecommendationRow, list[FieldChoice]]:
        """The recommendation after the choices, the same one where nothing changes; and the choices as they count.

        A correction that gives the value that was shown accepts it. Fields that no longer apply are choices, too.

        Raises:
            InvalidInput: See ``checked_choices`` and ``with_choices``; CORRECTION_REDACTED.
            Unavailable, DeadlineExceeded: Redaction or the ledger is gone.
        """
        row, record = shown.row, stored_record(shown.row.record.value)
        flow = self._flows.get(shown.session.flow, shown.session.flow_version)
        before = {field.name: field.value for field in record.fields}
        counted = [_accepted_if_same(choice, before) for choice in checked_choices(record, flow, choices)]
        given = await self._given(shown, flow, counted)
        _check_changes(counted, given, before, flow)
        made = with_choices(record, counted, given, flow, shown.session.facts)
        if made == record:
            return row, counted
        made = _with_notes(made, counted, given, flow.language(shown.language))
        return self._row(shown, flow, record, made, given), _with_removed(counted, record, made)

    async def _given(
        self, shown: Shown, flow: FlowDefinition, choices: Sequence[FieldChoice]
    ) -> dict[str, RedactedText]:
        """The values of the corrections as they are stored, by field."""
        scope = scope_of(shown.session, flow)
        values = await redact_corrections(self._gateway, choices, shown.language, scope, flow, shown.sources)
        numbered = await number_tags(self._ledger, shown.session.id, list(values.values()))
        return dict(zip(values, numbered, strict=True))

    def _row(
        self,
        shown: Shown,
        flow: FlowDefinition,
        record: OnboardingRecord,
        made: OnboardingRecord,
        given: Mapping[str, RedactedText],
    ) -> RecommendationRow:
        parts = parts_of(shown.row.record)
        summary = summary_after(record, made, parts, given, flow, flow.language(shown.language))
        made = replace(made, summary=summary.value)
        check_size(made)
        made = checked_again(made, Case(flow, (), shown.session.facts, shown.language))
        used = [summary, *(given.get(field.name) or parts[field.value] for field in made.fields)]
        used += [*(parts[value] for _, value in other_values_of(made)), *messages_of(made)]
        return replace(
            shown.row,
            id=str(uuid.uuid4()),
            record=record_text(canonical_json(made), used),
            content_hash=content_hash(made),
            create_time=self._clock(),
            approvals_needed=max(1, self._rules.needed(shown.session, made)),
            approvals=(),
        )


def _accepted_if_same(choice: FieldChoice, before: Mapping[str, str]) -> FieldChoice:
    corrects = choice.decision is FieldDecision.CORRECTED
    same = corrects and choice.value == before.get(choice.name)
    return FieldChoice(choice.name, FieldDecision.ACCEPTED) if same else choice


def _check_changes(
    choices: Sequence[FieldChoice], given: Mapping[str, RedactedText], before: Mapping[str, str], flow: FlowDefinition
) -> None:
    """Refuse a correction of which redaction leaves the value that was there before, and a number or code that it
    changes: with a tag in it, it is none.

    Raises:
        InvalidInput: CORRECTION_REDACTED.
    """
    for number, choice in enumerate(choices):
        if choice.name not in given:
            continue
        value, field = given[choice.name].value, flow.fields.get(choice.name)
        name, place = named(field) if field else choice.name, f"choices[{number}].value"
        if is_number_or_code(field) and value != choice.value:
            raise _redacted(f"The value of {name} looks like a personal one, such as a telephone number.", place)
        if value == before.get(choice.name):
            raise _redacted(f"Redaction leaves the value of {name} as it was.", place)


def _redacted(problem: str, place: str) -> InvalidInput:
    return InvalidInput(problem, reason=Reason.CORRECTION_REDACTED, violations=(FieldViolation(place, problem),))


def _with_notes(
    record: OnboardingRecord, choices: Sequence[FieldChoice], given: Mapping[str, RedactedText], language: str
) -> OnboardingRecord:
    """The record with a finding at each value that redaction changed.

    Args:
        record: With the values that were given.
        choices: With the values as they were written.
        given: Values as they are stored, by field.
        language: One of the flow.
    """
    written = {choice.name: choice.value for choice in choices}
    changed = {name for name, text in given.items() if text.value != written[name]}
    note = Finding(FindingKind.REDACTED, Severity.WARNING, finding_text(FindingKind.REDACTED, language))
    fields = (replace(field, findings=(note,)) if field.name in changed else field for field in record.fields)
    return replace(record, fields=tuple(fields))


def _with_removed(
    choices: Sequence[FieldChoice], record: OnboardingRecord, made: OnboardingRecord
) -> list[FieldChoice]:
    """The choices with those for fields that left the record and were not rejected."""
    rejected = {choice.name for choice in choices if choice.decision is FieldDecision.REJECTED}
    kept = {field.name for field in made.fields} | rejected
    removed = [field.name for field in record.fields if field.name not in kept]
    stay = [choice for choice in choices if choice.name not in removed]
    return stay + [FieldChoice(name, FieldDecision.REMOVED) for name in removed]
