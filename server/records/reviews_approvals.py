"""Counts the approvals of a record that needs several, each of another credential, and approves what needs none."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from models.errors import Conflict
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import INTERNAL
from server.ledger import events, recommendations, sessions
from server.ledger.columns import Cursor
from server.ledger.reviews_decisions import add_approval
from server.ledger.types import Approval, RecommendationRow, RecommendationState, SessionRow, SessionState
from server.records.approval import decision_events
from server.records.events import make_event

NOT_ASKED = "approved_by_policy"
"""Reason of an approval that nobody had to give."""


def note_approval(
    cursor: Cursor, session: SessionRow, row: RecommendationRow, approval: Approval
) -> RecommendationRow | None:
    """Store one of several approvals.

    Returns:
        The recommendation, which still waits for others; None once this approval is enough.

    Raises:
        Conflict: APPROVER_REPEATED when another person with the same credential has approved it.
    """
    if row.approvals_needed <= 1:
        return None
    before = next((one for one in row.approvals if one.subject == approval.subject), None)
    if before is not None:
        if before.decided_by == approval.decided_by:
            return row
        raise Conflict("This credential has approved the record already.", reason=Reason.APPROVER_REPEATED)
    add_approval(cursor, row, approval)
    approved = replace(row, approvals=(*row.approvals, approval))
    if len(approved.approvals) >= row.approvals_needed:
        return None
    event = make_event(
        session,
        "record_approved_in_part",
        approval.time,
        took_s=(approval.time - row.create_time).total_seconds(),
        approvals=len(approved.approvals),
        needed=row.approvals_needed,
    )
    events.append(cursor, event)
    return approved


def approve_unasked(
    cursor: Cursor, session: SessionRow, row: RecommendationRow, now: datetime, audit: AuditTrail
) -> tuple[RecommendationRow, SessionRow]:
    """Approve a record that needs no approval, in the name of the server, and complete its session."""
    entry = audit.entry(AuditAction.APPROVE, ("recommendation", row.id), reason=NOT_ASKED, caller=INTERNAL)
    approved = recommendations.decide(
        cursor,
        row.id,
        RecommendationState.APPROVED,
        now,
        decided_by="",
        subject=entry.subject,
        content_hash=row.content_hash,
    )
    completed = sessions.move(cursor, session, SessionState.COMPLETED, now, NOT_ASKED)
    for event in decision_events(completed, approved, now, NOT_ASKED):
        events.append(cursor, event)
    audit.append(cursor, entry)
    return approved, completed
