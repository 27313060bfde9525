"""Claims: a lease on a record, so that two people do not decide the same one, and whether somebody works on it."""

from __future__ import annotations

from datetime import datetime

from models.errors import Conflict
from models.reasons import Reason
from server.ledger import recommendations, reviews
from server.ledger.columns import Cursor
from server.ledger.reviews import Claim, Claimant
from server.ledger.reviews_decisions import decisions_of_session
from server.ledger.types import RecommendationRow, RecommendationState
from server.times import machine_time


def is_under_review(cursor: Cursor, row: RecommendationRow, now: datetime) -> bool:
    """Whether somebody works on a record: it is claimed, approved by some of several, or a field of it was decided."""
    if row.approvals or reviews.get(cursor, row.session_id, now).claim is not None:
        return True
    return any(row.id in (one.recommendation_id, one.result_id) for one in decisions_of_session(cursor, row.session_id))


def waiting_under_review(cursor: Cursor, session_id: str, now: datetime) -> RecommendationRow | None:
    """The record of a session that waits, can still be approved, and somebody works on; None if there is none."""
    row = recommendations.latest_of_session(cursor, session_id)
    if row is None or row.state is not RecommendationState.PENDING or not is_under_review(cursor, row, now):
        return None
    return row if row.expire_time is None or now < row.expire_time else None


def is_with_people(cursor: Cursor, session_id: str, now: datetime) -> bool:
    """Whether a person works on the records of a session, has decided a field of one, or has sent one back."""
    if reviews.get(cursor, session_id, now).claim is not None or decisions_of_session(cursor, session_id):
        return True
    proposed = recommendations.list_of_session(cursor, session_id)
    return any(row.state is RecommendationState.REJECTED for row in proposed)


def check_claim(cursor: Cursor, session_id: str, who: Claimant, now: datetime) -> Claim | None:
    """Refuse a step while somebody else has claimed the record of a session; returns the own claim, if there is one.

    Raises:
        Conflict: REVIEW_CLAIMED; the message names the credential and the end of the claim.
    """
    claim = reviews.get(cursor, session_id, now).claim
    if claim is None or claim.held_by(who):
        return claim
    holder = claim.holder.subject + (f" ({claim.holder.reviewer})" if claim.holder.reviewer else "")
    until = machine_time(claim.until)
    raise Conflict(
        f"The record is claimed by {holder} until {until}.",
        reason=Reason.REVIEW_CLAIMED,
        hint="Take another record, wait until then, or ask that person to release it. If it is your own claim, state "
        "the staff id that you claimed it with.",
    )
