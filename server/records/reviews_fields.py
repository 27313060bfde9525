"""Takes decisions about the fields of a record. What they change becomes a new record with a hash of its own."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Protocol

from ray_tasks.types import Gateway
from server.access import ownership
from server.access.audit import AuditAction, AuditEntry, AuditTrail
from server.access.caller import Caller, current_caller
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.flows.progress import given_by_app
from server.ledger import answers, events, recommendations, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.reviews import Claimant
from server.ledger.reviews_decisions import (
    FieldDecision,
    FieldDecisionRow,
    decisions_of_session,
    insert_decisions,
)
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, RecommendationRow, RecommendationState, SessionRow
from server.llm.field_names import DECLARED, FieldNames
from server.records.approval import ApprovalRules, second_review_event
from server.records.corrected_records import CorrectedRecords, Shown
from server.records.events import make_event
from server.records.pubsub import PubSub
from server.records.reviews_claims import check_claim
from server.records.reviews_values import FieldChoice
from server.records.sealed_releases import supersede_sealed

OTHER_FIELD = "other"
"""Name in events of a field whose name is not declared."""


class FieldObserver(Protocol):
    """Is told what was stored; see ``server.records.reviews_metrics``."""

    def field_decided(self, name: str, decision: FieldDecision) -> None:
        """A field was decided."""

    def changed_after_approval(self) -> None:
        """A record that another credential had approved was changed."""


class FieldReview:
    """Decides fields.

    Args:
        ledger: Holds the records.
        gateway: Redacts what the reviewer wrote.
        pubsub: Gets the new recommendation.
        clock: The time now.
        audit: Gets every decision.
        rules: Who may approve, and until when; the same holds here.
        flows: Every flow that a session may have.
        fields: Names that events may carry, beside those of the flow.
        observer: Told of each decision that was stored.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        pubsub: PubSub,
        clock: Clock,
        audit: AuditTrail,
        rules: ApprovalRules,
        flows: Flows,
        fields: FieldNames = DECLARED,
        observer: FieldObserver | None = None,
    ) -> None:
        self._ledger = ledger
        self._records = CorrectedRecords(ledger, gateway, rules, flows, clock)
        self._pubsub = pubsub
        self._clock = clock
        self._audit = audit
        self._rules = rules
        self._flows = flows
        self._fields = fields
        self._observer = observer

    async def decide(
        self, recommendation_id: str, shown_hash: str, decided_by: str, choices: Sequence[FieldChoice]
    ) -> RecommendationRow:
        """Take decisions of the current caller; returns the recommendation that waits then.

        Repeating the last decisions of the same person returns what they led to.

        Args:
            recommendation_id: UUID of the recommendation.
            shown_hash: SHA-256 of the record that the person saw, hexadecimal.
            decided_by: Staff id as the console states it; may be empty.
            choices: One for each field.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            InvalidInput: See ``CorrectedRecords.after``.
            Conflict: CONTENT_CHANGED, WRONG_STATE, REVIEW_CLAIMED, RECOMMENDATION_EXPIRED.
            PermissionDenied: OWN_SESSION.
            Unavailable: Redaction or the ledger is gone; nothing is stored.
        """
        caller = current_caller()
        entry = self._audit.entry(AuditAction.FIELDS_DECIDED, ("recommendation", recommendation_id))
        who = Claimant(entry.subject, decided_by)
        shown = await self._ledger.read(lambda cursor: _shown(cursor, recommendation_id, caller))
        recommendations.check_shown(shown.row, shown_hash)
        flow = self._flows.get(shown.session.flow, shown.session.flow_version)
        after, known = await self._records.after(shown, choices)

        def write(cursor: Cursor) -> tuple[RecommendationRow, bool]:
            before = ownership.held_recommendation(cursor, recommendation_id, caller)
            recommendations.check_shown(before, shown_hash)
            repeated = _repeated(cursor, before, after, who, known)
            if repeated is not None:
                return repeated, False
            return self._store(cursor, before, after, who, known, entry, caller), True

        row, is_new = await self._ledger.write(write)
        if is_new:
            if row.id != recommendation_id:
                self._pubsub.publish(row, row.session_id)
            self._tell(flow, known, changed_approved=bool(shown.row.approvals) and row.id != recommendation_id)
        return row

    def _tell(self, flow: FlowDefinition, choices: Sequence[FieldChoice], *, changed_approved: bool) -> None:
        if self._observer is None:
            return
        for choice in choices:
            self._observer.field_decided(choice.name if choice.name in flow.fields else OTHER_FIELD, choice.decision)
        if changed_approved:
            self._observer.changed_after_approval()

    def _store(
        self,
        cursor: Cursor,
        before: RecommendationRow,
        after: RecommendationRow,
        who: Claimant,
        choices: Sequence[FieldChoice],
        entry: AuditEntry,
        caller: Caller,
    ) -> RecommendationRow:
        now = self._clock()
        recommendations.check_pending(cursor, before)
        self._rules.check(cursor, before, caller, now)
        check_claim(cursor, before.session_id, who, now)
        session = ownership.session(cursor, before.session_id, caller)
        if after.id != before.id:
            recommendations.insert_recommendation(cursor, after)
        sessions.touch(cursor, session.id, now)
        insert_decisions(cursor, (_row(before, after, who, choice, now) for choice in choices))
        if before.approvals and after.id != before.id:
            events.append(cursor, second_review_event(session, before, now, "changed"))
        took_s = (now - before.create_time).total_seconds()
        for choice in choices:
            if choice.decision in (FieldDecision.CORRECTED, FieldDecision.REJECTED):
                supersede_sealed(cursor, self._audit, session.id, choice.name)
            event = make_event(
                session,
                "field_decided",
                now,
                took_s=took_s,
                field=choice.name if self._declares(choice.name, session) else OTHER_FIELD,
                decision=choice.decision.lower(),
                origin=before.origin,
                reason=choice.reason or None,
            )
            events.append(cursor, event)
        self._audit.append(cursor, entry)
        return after

    def _declares(self, name: str, session: SessionRow) -> bool:
        flow = self._flows.get(session.flow, session.flow_version)
        return name in flow.fields or self._fields.declares(name)


def _shown(cursor: Cursor, recommendation_id: str, caller: Caller) -> Shown:
    row = ownership.recommendation(cursor, recommendation_id, caller)
    session = ownership.session(cursor, row.session_id, caller)
    said = [turn.text for turn in turns.list_of_session(cursor, session.id)]
    read = [upload.text for upload in uploads.list_of_session(cursor, session.id) if upload.text is not None]
    given = [answer.value for answer in given_by_app(answers.list_of_session(cursor, session.id))]
    language = sessions.language_of(cursor, session) or "en"
    return Shown(row, session, language, said + read + given)


def _row(
    before: RecommendationRow, after: RecommendationRow, who: Claimant, choice: FieldChoice, now: datetime
) -> FieldDecisionRow:
    return FieldDecisionRow(
        session_id=before.session_id,
        recommendation_id=before.id,
        result_id=after.id,
        field=choice.name,
        decision=choice.decision,
        reason=choice.reason,
        decided_by=who.reviewer,
        subject=who.subject,
        time=now,
    )


def _repeated(
    cursor: Cursor,
    before: RecommendationRow,
    after: RecommendationRow,
    who: Claimant,
    choices: Sequence[FieldChoice],
) -> RecommendationRow | None:
    """What the same decisions of the same person led to before; None if they are new."""
    if before.state is RecommendationState.PENDING and after.id == before.id:
        return before if _are_taken(cursor, before, who, choices) else None
    if before.state is not RecommendationState.SUPERSEDED:
        return None
    wanted = {(choice.name, choice.decision, choice.reason) for choice in choices}
    taken = [
        one
        for one in decisions_of_session(cursor, before.session_id)
        if one.recommendation_id == before.id and one.result_id != before.id
    ]
    if not taken or {(one.field, one.decision, one.reason) for one in taken} != wanted:
        return None
    if any((one.subject, one.decided_by) != (who.subject, who.reviewer) for one in taken):
        return None
    made = {row.id: row for row in recommendations.list_of_session(cursor, before.session_id)}[taken[0].result_id]
    return made if made.content_hash == after.content_hash else None


def _are_taken(cursor: Cursor, row: RecommendationRow, who: Claimant, choices: Sequence[FieldChoice]) -> bool:
    """Whether this person has taken all of these decisions, which change nothing, before."""
    taken = {
        (one.field, one.decision, one.reason, one.subject, one.decided_by)
        for one in decisions_of_session(cursor, row.session_id)
        if one.recommendation_id == one.result_id == row.id
    }
    return taken >= {(one.name, one.decision, one.reason, who.subject, who.reviewer) for one in choices}
