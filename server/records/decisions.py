"""The transaction in which a person's decision about a whole record is taken."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.access import ownership
from server.access.audit import AuditEntry, AuditTrail
from server.access.caller import Caller
from server.flows.catalogue import Flows
from server.ledger import events, recommendations, reviews, sessions
from server.ledger.columns import Cursor
from server.ledger.reviews import Claimant
from server.ledger.types import Approval, RecommendationRow, RecommendationState, SessionRow, SessionState
from server.records.approval import ApprovalRules, decision_events
from server.records.reopened_fields import reopen_refused
from server.records.reviews_approvals import note_approval
from server.records.reviews_claims import check_claim


@dataclass(frozen=True, slots=True)
class Decision:
    """What a person decides.

    Attributes:
        content_hash: SHA-256 of the record that the person saw, hexadecimal.
        decided_by: Staff id as the console states it; may be empty.
        reason: Why it is rejected, a machine word.
        revise: Whether a rejection sends the session back for another try, instead of ending it.
        entry: For the audit; it names the credential.
        caller: Whoever decides.
    """

    recommendation_id: str
    content_hash: str
    decided_by: str
    approve: bool
    reason: str
    revise: bool
    entry: AuditEntry
    caller: Caller

    @property
    def to(self) -> RecommendationState:
        """What the record becomes."""
        return RecommendationState.APPROVED if self.approve else RecommendationState.REJECTED

    @property
    def stage(self) -> SessionState:
        """What the session becomes."""
        if self.approve:
            return SessionState.COMPLETED
        return SessionState.IN_PROGRESS if self.revise else SessionState.REJECTED


@dataclass(frozen=True, slots=True)
class Decided:
    """What a decision led to.

    Attributes:
        session: None when its stage did not change: the decision was a repeated one, or needs others beside it.
        in_part: Whether it is a new approval that needs others beside it.
        waited_s: Seconds that the session waited for the decision.
    """

    recommendation: RecommendationRow
    session: SessionRow | None = None
    in_part: bool = False
    waited_s: float = 0.0


def take_decision(
    cursor: Cursor, decision: Decision, rules: ApprovalRules, flows: Flows, audit: AuditTrail, now: datetime
) -> Decided:
    """Take a decision, within a transaction of the ledger's writer; errors as of ``Recommender.decide``.

    With a record that is sent back, the person is asked again for what reviewers took out of it.
    """
    before = ownership.held_recommendation(cursor, decision.recommendation_id, decision.caller)
    subject = decision.entry.subject
    if before.state is RecommendationState.PENDING and before.content_hash == decision.content_hash:
        claim = check_claim(cursor, before.session_id, Claimant(subject, decision.decided_by), now)
        if decision.approve:
            rules.check(cursor, before, decision.caller, now)
            session = ownership.session(cursor, before.session_id, decision.caller)
            waiting = note_approval(cursor, session, before, Approval(subject, decision.decided_by, now))
            if claim is not None and waiting != before:  # whoever approved is done, and the next person may go on
                reviews.put_claim(cursor, before.session_id, None)
            if waiting is not None:
                if waiting != before:
                    audit.append(cursor, decision.entry)
                return Decided(waiting, in_part=waiting != before)
    row = recommendations.decide(
        cursor,
        before.id,
        decision.to,
        now,
        decided_by=decision.decided_by,
        subject=subject,
        content_hash=decision.content_hash,
        reason=decision.reason,
    )
    if before.state is decision.to:
        return Decided(row)
    waited = ownership.session(cursor, row.session_id, decision.caller)
    session = sessions.move(cursor, waited, decision.stage, now, decision.reason)
    for event in decision_events(session, row, now, decision.reason):
        events.append(cursor, event)
    if session.state is SessionState.IN_PROGRESS:
        reopen_refused(cursor, flows, session, row.id, now)
    audit.append(cursor, decision.entry)
    waited_s = (now - (waited.stage_time or row.create_time)).total_seconds()
    return Decided(row, session, waited_s=waited_s)
