"""Builds a record: a model or the fallback writes it, it is redacted, checked, judged, and gets its hash."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from models.errors import Conflict
from models.reasons import Reason
from models.text import RedactedText
from ray_tasks.types import Gateway
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.flows.fields import ChoiceField, PersonalField, PhotoField, YesNoField
from server.ledger.record_text import record_text
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, Origin, RecommendationRow, RecommendationState, SessionRow
from server.llm.code_fields import with_code_fields
from server.llm.fallback import summary_of
from server.llm.field_names import FieldNames
from server.llm.judge import Case, judged
from server.llm.record_rules import as_recorded, fields_of_model, is_set_by_code, with_missing, without_ruled_out
from server.llm.record_schema import (
    canonical_json,
    content_hash,
    messages_of,
    other_values_of,
    values_of,
    with_strings,
)
from server.llm.types import (
    PICTURE_LABELS,
    Assistant,
    OnboardingRecord,
    ProposedValue,
    Verdicts,
    WrittenRecord,
)
from server.records.answered_fields import answered_fields, photographs_by_field, with_answers
from server.records.approval import ApprovalRules
from server.records.numbering import number_tags
from server.records.redact_output import redact_all, redact_values
from server.records.reviewed_values import (
    GivenValue,
    given_by_reviewers,
    may_tell_more,
    removed_and_told_anew,
    with_corrections,
    without_refused,
)
from server.records.session_material import SessionMaterial, material
from server.records.session_scope import scope_of

_ENUMERATED = (ChoiceField, YesNoField, PhotoField, PersonalField)
"""Kinds whose values stand in the flow, or are a count or a tag; see ``_is_enumerated``."""


@dataclass(frozen=True, slots=True)
class _Draft:
    """A record whose own texts are redacted.

    Attributes:
        parts: These texts: the summary, then the values.
        given: Values that it has from reviewers, by field.
    """

    record: OnboardingRecord
    parts: list[RedactedText]
    given: Mapping[str, GivenValue]


class RecordBuilder:
    """Builds records of the flows of their sessions.

    Args:
        ledger: Keeps the numbers of tags.
        gateway: Redacts what a model wrote.
        assistant: Writes records and checks them.
        flows: Every flow that a session may have.
        fields: Names that a model may give to other fields.
        rules: Until when a record can be approved.
        clock: The time now.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        assistant: Assistant,
        flows: Flows,
        *,
        fields: FieldNames,
        rules: ApprovalRules,
        clock: Clock,
    ) -> None:
        self._ledger = ledger
        self._gateway = gateway
        self._assistant = assistant
        self._flows = flows
        self._fields = fields
        self._rules = rules
        self._clock = clock

    def flow_of(self, session: SessionRow) -> FlowDefinition:
        """The flow of a session, in its version.

        Raises:
            NotFound: FLOW_NOT_FOUND.
        """
        return self._flows.get(session.flow, session.flow_version)

    async def build(
        self, session_id: str, *, fallback: bool, retry: bool = False, again: bool = False
    ) -> tuple[RecommendationRow, frozenset[str]]:
        """A record, and the ids of what it was built from. One that a model wrote is checked.

        Args:
            session_id: UUID of the session.
            fallback: Whether a person waits, see ``Assistant``.
            retry: Whether it repeats a failed attempt.
            again: Whether the model has just written a record that was sent back.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: SESSION_ENDED, NO_MATERIAL.
            Unavailable: Redaction or the ledger is gone; with ``fallback=False`` the upstream too.
        """
        held = await self._ledger.read(lambda cursor: material(cursor, session_id))
        if not held.items:
            raise Conflict(
                "There is nothing yet to propose a record from.",
                reason=Reason.NO_MATERIAL,
                hint="Say, upload or answer something.",
            )
        session = held.session
        flow = self.flow_of(session)
        written = await self._assistant.propose(
            held.items,
            flow=flow,
            language=held.language,
            fallback=fallback,
            retry=retry,
            rejected=held.for_prompt,
            again=again,
        )
        draft = await self._redacted(written, held, flow)
        by_model = written.origin is Origin.MODEL
        answered = answered_fields(flow, session.facts, held.answers)
        reviewed = {name: each.since for name, each in draft.given.items()}
        case = Case(flow, held.items, session.facts, held.language, by_model, answered=answered, reviewed=reviewed)
        record = judged(draft.record, case)
        if by_model and not held.has_rejected(record):  # one that is no proposal costs no check
            verdicts = await self._checked(draft, held, flow, fallback=fallback)
            record = judged(draft.record, replace(case, verdicts=verdicts))
        return await self._row(record, draft.parts, written.origin, held), held.ids

    async def _redacted(self, written: WrittenRecord, held: SessionMaterial, flow: FlowDefinition) -> _Draft:
        by_model = written.origin is Origin.MODEL
        # First, so that a neutral name is that of the records before.
        named = self._fields.apply(written.record, flow)
        whole = self._whole(named, held, flow, by_model=by_model)
        if by_model and held.has_rejected(whole):
            whole = self._whole(named, held, flow, by_model=True, app_only=True)  # it left out what was wrong
        given = given_by_reviewers(whole, flow, held)
        values = await self._values(values_of(whole), held, flow, given)
        if by_model and not may_tell_more(named, whole, flow, held):
            [summary] = await redact_all(self._gateway, [named.summary], held.language, scope_of(held.session, flow))
        else:  # the texts of the flow, and values that are redacted
            told = zip((field.name for field in whole.fields), values, strict=True)
            summary = summary_of(flow, told, flow.language(held.language))
        parts = [summary, *values]
        # The hash of the record is that of what is shown, so its tags get their numbers first.
        parts = await number_tags(self._ledger, held.session.id, parts)
        record = with_strings(whole, [part.value for part in parts])
        return _Draft(record, parts, given)

    def _whole(
        self,
        record: OnboardingRecord,
        held: SessionMaterial,
        flow: FlowDefinition,
        *,
        by_model: bool,
        app_only: bool = False,
    ) -> OnboardingRecord:
        """A written record with what was answered and what code sets, and without what reviewers took out and what does
        not apply.

        Args:
            record: As a model or the fallback wrote it, with the names that its fields may have.
            held: What it was written from.
            flow: Of the session.
            by_model: Whether a model wrote it.
            app_only: Whether only answers that the app gave are put in.
        """
        facts = held.session.facts
        answered = answered_fields(flow, facts, held.answers)
        put_in = {name: each for name, each in answered.items() if not app_only or each.way == "app"}
        answering = with_answers(without_refused(record, flow, held), flow, put_in, by_model=by_model)
        answering = without_refused(answering, flow, held)
        corrected = with_corrections(answering, held)
        photographs = photographs_by_field(flow, facts, held.answers)
        whole = with_code_fields(corrected, flow, held.items, photographs, held.sealed, answered)
        whole = without_refused(whole, flow, held)
        written = {(field.name, field.value) for field in record.fields if by_model}
        own = {field.name for field in whole.fields if (field.name, field.value) in written}
        guessed = own - put_in.keys() - given_by_reviewers(whole, flow, held).keys()
        shown = removed_and_told_anew(whole, flow, held)
        return with_missing(without_ruled_out(whole, flow, facts, guessed=guessed, shown=shown), flow, facts)

    async def _values(
        self,
        values: Sequence[tuple[str, str]],
        held: SessionMaterial,
        flow: FlowDefinition,
        given: Mapping[str, GivenValue],
    ) -> list[RedactedText]:
        """The values of fields, redacted where somebody's words may be in them. Those of reviewers were, when they were
        given.
        """
        session = held.session
        known = [_known(flow, name, value, given) for name, value in values]
        free = [each for each, text in zip(values, known, strict=True) if text is None]
        language, scope = held.language, scope_of(session, flow)
        texts = [item.text for item in held.items if item.kind != PICTURE_LABELS]
        redacted = iter(await redact_values(self._gateway, free, language, scope, flow, texts) if free else [])
        return [next(redacted) if text is None else text for text in known]

    async def _checked(
        self, draft: _Draft, held: SessionMaterial, flow: FlowDefinition, *, fallback: bool
    ) -> Verdicts | None:
        by_code = flow.fields.keys() - {field.name for field in fields_of_model(flow)}
        proposed = [
            ProposedValue(field.name, value, field.source_id)
            for field, value in zip(draft.record.fields, draft.parts[1:], strict=True)
            if field.name not in by_code
        ]
        if not proposed:
            return Verdicts()
        return await self._assistant.check(held.items, proposed, flow=flow, fallback=fallback)

    async def _row(
        self, record: OnboardingRecord, parts: list[RedactedText], origin: Origin, held: SessionMaterial
    ) -> RecommendationRow:
        """The row, once the other values that findings name are redacted, too."""
        session = held.session
        flow = self.flow_of(session)
        others = await self._values(other_values_of(record), held, flow, {})
        parts = [*parts, *await number_tags(self._ledger, session.id, others)]
        shown = with_strings(record, [part.value for part in parts])
        now = self._clock()
        return RecommendationRow(
            id=str(uuid.uuid4()),
            session_id=session.id,
            state=RecommendationState.PENDING,
            record=record_text(canonical_json(shown), [*parts, *messages_of(shown)]),
            content_hash=content_hash(shown),
            origin=origin,
            create_time=now,
            expire_time=self._rules.expire_time(now),
        )


def _known(flow: FlowDefinition, name: str, value: str, given: Mapping[str, GivenValue]) -> RedactedText | None:
    """A value that need not be redacted; None for any other."""
    if name in given:
        return given[name].text
    return RedactedText.literal(value) if _is_enumerated(flow, name, value) else None


def _is_enumerated(flow: FlowDefinition, name: str, value: str) -> bool:
    """Whether no words of anybody are in a value: it is one that its field may have, or code has made it."""
    field = flow.fields.get(name)
    if not isinstance(field, _ENUMERATED):
        return False
    return is_set_by_code(field) or as_recorded(field, value) == value
