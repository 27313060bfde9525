"""Counts the approvals of a record that needs several, each of another credential."""

from __future__ import annotations

from dataclasses import replace

from models.errors import Conflict
from models.reasons import Reason
from server.ledger.columns import Cursor
from server.ledger.reviews_decisions import add_approval
from server.ledger.types import Approval, RecommendationRow


def note_approval(cursor: Cursor, row: RecommendationRow, approval: Approval) -> RecommendationRow | None:
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
    return approved if len(approved.approvals) < row.approvals_needed else None
