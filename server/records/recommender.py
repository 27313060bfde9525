"""Proposes records from the turns and uploads of a session, and takes a person's decision about them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace

from models.errors import Conflict, PermissionDenied, VestibuleError
from models.reasons import Reason
from ray_tasks.types import Gateway
from server.access import ownership
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import current_caller
from server.flows.catalogue import Flows
from server.ledger import events, recommendations, sessions
from server.ledger.columns import Cursor
from server.ledger.locks import lock_sessions
from server.ledger.transactional import Ledger
from server.ledger.types import (
    Clock,
    Origin,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
)
from server.llm.field_names import DECLARED, FieldNames
from server.llm.record_schema import stored_record
from server.llm.types import Assistant
from server.records.approval import ApprovalRules
from server.records.approval_policy import is_enough
from server.records.decisions import Decision, take_decision
from server.records.events import make_event
from server.records.open_labels import wait_for_labels
from server.records.open_uploads import being_read, wait_for_uploads
from server.records.proposal_jobs import replace_later
from server.records.pubsub import PubSub
from server.records.record_builder import RecordBuilder
from server.records.refusal_events import RefusalEvents
from server.records.reviews_approvals import approve_unasked
from server.records.reviews_claims import is_under_review, is_with_people, waiting_under_review
from server.records.session_material import Refusal, material
from server.setting_groups import ApprovalSettings

BUILDS = 2
"""Most calls of the model for one proposal."""


@dataclass(frozen=True, slots=True)
class _Stored:
    """What a transaction stored; ``session`` is None when its stage did not change."""

    recommendation: RecommendationRow
    session: SessionRow | None


class Recommender:
    """Builds, stores and decides recommendations.

    Args:
        ledger: Holds turns, uploads and recommendations.
        gateway: Redacts what the model wrote.
        assistant: Writes the record.
        pubsub: Gets every change.
        clock: The time now.
        audit: Gets every decision.
        approval: Who may approve, and for how long.
        flows: Every flow that a session may have.
        fields: Names that a model may give to fields, where the flow lets it add some.
        on_job: Called after a background job was committed, on the event loop.
        label_wait_s: How long to wait now for labels of pictures that were read.
        on_decided: Called after a decision, with the record and the seconds that its session waited.
        refusals: Stores refused decisions; None makes one.
    """

    def __init__(
        self,
        ledger: Ledger,
        gateway: Gateway,
        assistant: Assistant,
        pubsub: PubSub,
        *,
        clock: Clock,
        audit: AuditTrail,
        approval: ApprovalSettings,
        flows: Flows,
        refusals: RefusalEvents,
        fields: FieldNames = DECLARED,
        on_job: Callable[[], None] = lambda: None,
        label_wait_s: Callable[[], float] = lambda: 0.0,
        on_decided: Callable[[RecommendationRow, float], None] = lambda row, waited_s: None,
    ) -> None:
        self._ledger = ledger
        self._assistant = assistant
        self._pubsub = pubsub
        self._clock = clock
        self._audit = audit
        self._flows = flows
        self._rules = ApprovalRules(approval, flows)
        self._builder = RecordBuilder(ledger, gateway, assistant, flows, fields=fields, rules=self._rules, clock=clock)
        self._on_job = on_job
        self._label_wait_s = label_wait_s
        self._on_decided = on_decided
        self._refusals = refusals

    async def get(self, recommendation_id: str) -> RecommendationRow:
        """A recommendation of the current caller as it is now.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
        """
        caller = current_caller()
        return await self._ledger.read(lambda cursor: ownership.recommendation(cursor, recommendation_id, caller))

    async def propose(
        self, session_id: str, *, fallback: bool, wait_s: float, check: Callable[[Cursor], None] = lambda cursor: None
    ) -> RecommendationRow:
        """Build a record from everything so far and propose it to a person.

        Pending recommendations of the session are superseded; one that somebody works on stays and is returned.
        If the fallback wrote the record although an upstream is set, a background job asks the upstream again.
        The model writes it once more, but no oftener, if something came in meanwhile, or if it is one that a person has
        sent back. Then it is stored as superseded, or not at all.

        Args:
            session_id: UUID of the session.
            fallback: Whether a person waits, see ``Assistant``.
            wait_s: How long to wait for uploads that are still being read, and then at most for their labels.
            check: Called in the transaction that stores the record; its error is raised, and nothing stored.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: SESSION_ENDED, NO_MATERIAL when there is nothing to build from, PROPOSAL_UNCHANGED.
            Unavailable: Redaction or the ledger is gone; with ``fallback=False`` the upstream too.
        """
        await wait_for_uploads(self._ledger, self._pubsub, session_id, wait_s)
        await wait_for_labels(self._ledger, self._pubsub, session_id, min(wait_s, self._label_wait_s()))
        if waiting := await self._ledger.read(lambda cursor: waiting_under_review(cursor, session_id, self._clock())):
            return waiting  # before a model is asked in vain
        again = False
        for _ in range(BUILDS):
            row, seen = await self._builder.build(session_id, fallback=fallback, again=again)
            stored = await self._ledger.write(self._store_unless_refused(row, seen, check))
            if isinstance(stored, RecommendationRow):
                return stored
            if isinstance(stored, _Stored):
                self._publish(stored)
                self._on_job()
                return stored.recommendation
            again = stored is Refusal.UNCHANGED
            if again and row.origin is Origin.FALLBACK:
                break  # it writes the same each time
        if again:
            await self._note_unchanged(row)
            raise Conflict("The record is the one that was sent back.", reason=Reason.PROPOSAL_UNCHANGED)
        outdated = replace(row, state=RecommendationState.SUPERSEDED)

        def store(cursor: Cursor) -> None:
            sessions.get(cursor, session_id)  # it may be erased by now
            recommendations.insert_recommendation(cursor, outdated)

        await self._ledger.write(store)
        self.publish(outdated)
        return outdated

    async def build(self, session_id: str, *, retry: bool = False) -> RecommendationRow:
        """Write a record in the background and redact it, without storing anything; errors as for ``propose``.

        Args:
            session_id: UUID of the session.
            retry: Whether it repeats a failed attempt.
        """
        row, _ = await self._builder.build(session_id, fallback=False, retry=retry)
        if await self._ledger.read(lambda cursor: material(cursor, session_id).was_rejected(row)):
            row, _ = await self._builder.build(session_id, fallback=False, again=True)
        return row

    async def decide(
        self,
        recommendation_id: str,
        content_hash: str,
        decided_by: str,
        *,
        approve: bool,
        reason: str = "",
        revise: bool = False,
    ) -> RecommendationRow:
        """Take the decision of the current caller. It counts once; repeating it changes nothing.

        A record that needs several approvals stays pending until it has them.

        Args:
            recommendation_id: UUID of the recommendation.
            content_hash: SHA-256 of the record that the person saw, hexadecimal.
            decided_by: Staff id as the console states it; may be empty.
            approve: True completes the session.
            reason: Why it was rejected, a machine word.
            revise: Whether a rejection sends the session back for another try, instead of ending it.

        Raises:
            NotFound: RECOMMENDATION_NOT_FOUND.
            Conflict: CONTENT_CHANGED when something else was shown, RECOMMENDATION_DECIDED when somebody else decided
                the same, REVIEW_CLAIMED, APPROVER_REPEATED, RECOMMENDATION_EXPIRED, WRONG_STATE when it was decided
                otherwise or superseded, or when the session has ended.
            PermissionDenied: OWN_SESSION.
        """
        action = AuditAction.APPROVE if approve else AuditAction.REJECT
        entry = self._audit.entry(action, ("recommendation", recommendation_id), reason=reason)
        decision = Decision(
            recommendation_id, content_hash, decided_by, approve, reason, revise, entry, current_caller()
        )
        try:
            decided = await self._ledger.write(
                lambda cursor: take_decision(cursor, decision, self._rules, self._flows, self._audit, self._clock())
            )
        except (Conflict, PermissionDenied) as error:
            await self._note_refusal(recommendation_id, error)
            raise
        if decided.session is not None:
            self._publish(_Stored(decided.recommendation, decided.session))
            self._on_decided(decided.recommendation, decided.waited_s)
        elif decided.in_part:
            self.publish(decided.recommendation)
        return decided.recommendation

    async def _note_refusal(self, recommendation_id: str, error: VestibuleError) -> None:
        caller = current_caller()

        def read(cursor: Cursor) -> SessionRow:
            return sessions.get(cursor, ownership.recommendation(cursor, recommendation_id, caller).session_id)

        with suppress(VestibuleError):  # the caller is told why the decision was refused, nothing else
            await self._refusals.record_refusal(await self._ledger.read(read), "decision_refused", error)

    def may_replace(self, cursor: Cursor, pending_id: str) -> bool:
        """Whether a record is one of the fallback, and nobody has decided on it or works on it."""
        pending = recommendations.get(cursor, pending_id)
        if pending.state is not RecommendationState.PENDING or pending.origin is not Origin.FALLBACK:
            return False
        ended = sessions.get(cursor, pending.session_id).state.ended
        return not ended and not is_under_review(cursor, pending, self._clock())

    def replace_fallback(self, cursor: Cursor, pending_id: str, better: RecommendationRow) -> RecommendationRow | None:
        """Replace a record of the fallback, if nobody has decided on it or works on it meanwhile.

        Returns:
            The new recommendation, or None when there was nothing to replace any more.
        """
        if not self.may_replace(cursor, pending_id) or material(cursor, better.session_id).was_rejected(better):
            return None
        return self._store(cursor, better, least=1).recommendation  # a person waits for it already

    def publish(self, row: RecommendationRow) -> None:
        """Publish a recommendation to those who watch its session."""
        self._pubsub.publish(row, row.session_id)

    def _store_unless_refused(
        self, row: RecommendationRow, seen: frozenset[str], check: Callable[[Cursor], None]
    ) -> Callable[[Cursor], _Stored | Refusal | RecommendationRow]:
        """Store a record, unless something came in, somebody works on the one that waits, or it was sent back."""

        def write(cursor: Cursor) -> _Stored | Refusal | RecommendationRow:
            lock_sessions(cursor, [row.session_id])
            check(cursor)
            if waiting := waiting_under_review(cursor, row.session_id, self._clock()):
                return waiting  # input that came after it would have superseded it
            return material(cursor, row.session_id).refusal(row, seen) or self._store(cursor, row)

        return write

    async def _note_unchanged(self, row: RecommendationRow) -> None:
        def write(cursor: Cursor) -> None:
            session = sessions.get(cursor, row.session_id)
            events.append(cursor, make_event(session, "proposal_unchanged", self._clock(), origin=row.origin))

        await self._ledger.write(write)

    def _store(self, cursor: Cursor, row: RecommendationRow, *, least: int = 0) -> _Stored:
        """Store a record that waits for as many approvals as the rules say, and at least for so many; for one at least
        while an upload is being read.
        """
        now = self._clock()
        before = sessions.require_open(cursor, row.session_id)
        session = sessions.transition(cursor, row.session_id, SessionState.AWAITING_APPROVAL, now)
        record, flow = stored_record(row.record.value), self._builder.flow_of(session)
        nobody = row.origin is Origin.MODEL and is_enough(flow, session.facts, record)
        least = max(least, 1 if being_read(cursor, session.id) else 0)
        nobody = nobody and not is_with_people(cursor, session.id, now)
        needed = max(least, 0 if nobody else self._rules.needed(session, record))
        row = replace(row, approvals_needed=needed)
        recommendations.insert_recommendation(cursor, row)
        events.append(cursor, make_event(session, "record_proposed", now, origin=row.origin))
        if needed == 0:
            return _Stored(*approve_unasked(cursor, session, row, now, self._audit))
        if row.origin is Origin.FALLBACK and self._assistant.configured:
            replace_later(cursor, row, now)
        return _Stored(row, session if session.state is not before.state else None)

    def _publish(self, stored: _Stored) -> None:
        if stored.session is not None:
            self._pubsub.publish(stored.session, stored.session.id)
        self.publish(stored.recommendation)
