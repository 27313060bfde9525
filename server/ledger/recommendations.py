"""Recommendations: proposed records, and what a person decided about them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from models.errors import Conflict, NotFound
from models.reasons import Reason
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    fetch_all,
    fetch_one,
    insert_if_new,
    stored_time,
    stored_time_or_none,
    text_columns,
    text_of,
    update,
)
from server.ledger.locks import lock_row
from server.ledger.types import Approval, Origin, RecommendationRow, RecommendationState


def insert_recommendation(cursor: Cursor, row: RecommendationRow) -> bool:
    """Store a proposal. A pending one supersedes the other pending ones of its session.

    Returns:
        Whether it is new.
    """
    is_new = insert_if_new(
        cursor,
        "recommendations",
        {
            "id": row.id,
            "session_id": row.session_id,
            "state": row.state,
            **text_columns("record", row.record),
            "content_hash": row.content_hash,
            "origin": row.origin,
            "create_time": stored_time(row.create_time),
            "decide_time": stored_time_or_none(row.decide_time),
            "decided_by": row.decided_by,
            "decided_subject": row.decided_subject,
            "expire_time": stored_time_or_none(row.expire_time),
            "approvals_needed": row.approvals_needed,
        },
    )
    if is_new and row.state is RecommendationState.PENDING:
        _supersede(cursor, [other for other in list_of_session(cursor, row.session_id) if other.id != row.id])
    return is_new


def supersede_pending(cursor: Cursor, session_id: str) -> int:
    """Supersede the pending proposals of a session, because something came in; returns how many."""
    return _supersede(cursor, list_of_session(cursor, session_id))


def _supersede(cursor: Cursor, rows: list[RecommendationRow]) -> int:
    pending = [row for row in rows if row.state == RecommendationState.PENDING]
    for row in pending:
        update(cursor, "recommendations", row.id, {"state": RecommendationState.SUPERSEDED})
    return len(pending)


def get(cursor: Cursor, recommendation_id: str) -> RecommendationRow:
    """Find a recommendation.

    Raises:
        NotFound: RECOMMENDATION_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM recommendations WHERE id = ?", [recommendation_id])
    if row is None:
        raise NotFound("There is no such record.", reason=Reason.RECOMMENDATION_NOT_FOUND)
    return _with_approvals(cursor, _recommendation(row))


def latest_of_session(cursor: Cursor, session_id: str) -> RecommendationRow | None:
    """The newest recommendation of a session that was not superseded."""
    rows = [row for row in list_of_session(cursor, session_id) if row.state != RecommendationState.SUPERSEDED]
    return _with_approvals(cursor, rows[-1]) if rows else None


def list_of_session(cursor: Cursor, session_id: str) -> list[RecommendationRow]:
    """Recommendations of a session, oldest first."""
    rows = fetch_all(
        cursor, "SELECT * FROM recommendations WHERE session_id = ? ORDER BY create_time, rowid", [session_id]
    )
    return [_recommendation(row) for row in rows]


def decide(
    cursor: Cursor,
    recommendation_id: str,
    to: RecommendationState,
    now: datetime,
    *,
    decided_by: str,
    subject: str,
    content_hash: str,
    reason: str = "",
) -> RecommendationRow:
    """Approve or reject what was shown. Repeating the own decision changes nothing.

    Raises:
        NotFound: RECOMMENDATION_NOT_FOUND.
        Conflict: CONTENT_CHANGED when something else was shown, RECOMMENDATION_DECIDED when somebody else decided the
            same, WRONG_STATE when it is decided otherwise or superseded.
    """
    lock_row(cursor, "recommendations", recommendation_id)
    row = get(cursor, recommendation_id)
    check_shown(row, content_hash)
    if row.state == to:
        repeats = [(row.decided_subject, row.decided_by), *((one.subject, one.decided_by) for one in row.approvals)]
        if (subject, decided_by) in repeats:
            return row
        raise Conflict(f"Somebody else has {to.lower()} it before.", reason=Reason.RECOMMENDATION_DECIDED)
    check_pending(cursor, row)
    update(
        cursor,
        "recommendations",
        recommendation_id,
        {
            "state": to,
            "decide_time": stored_time(now),
            "decided_by": decided_by,
            "decided_subject": subject,
            "decide_reason": reason,
        },
    )
    return get(cursor, recommendation_id)


def check_shown(row: RecommendationRow, content_hash: str) -> None:
    """Refuse a decision about something else than what the record holds.

    Raises:
        Conflict: CONTENT_CHANGED.
    """
    if row.content_hash != content_hash:
        raise Conflict(
            "The record is not the one that was shown.",
            reason=Reason.CONTENT_CHANGED,
            hint="Show the record as it is now, and decide on that.",
        )


def check_pending(cursor: Cursor, row: RecommendationRow) -> None:
    """Refuse a decision about a record that does not wait for one.

    Raises:
        Conflict: WRONG_STATE; the hint names the record that took its place, if there is one.
    """
    if row.state == RecommendationState.PENDING:
        return
    newest = latest_of_session(cursor, row.session_id) if row.state == RecommendationState.SUPERSEDED else None
    hint = f"{newest.id} took its place: `vestibule reviews show {newest.id}`." if newest else None
    raise Conflict(f"The record is {row.state.lower()}.", reason=Reason.WRONG_STATE, hint=hint)


def _recommendation(row: Row) -> RecommendationRow:
    return RecommendationRow(
        id=row["id"],
        session_id=row["session_id"],
        state=RecommendationState(row["state"]),
        record=text_of(row, "record"),
        content_hash=row["content_hash"],
        origin=Origin(row["origin"]),
        create_time=aware(row["create_time"]),
        decide_time=aware_or_none(row["decide_time"]),
        decided_by=row["decided_by"],
        decided_subject=row["decided_subject"],
        expire_time=aware_or_none(row["expire_time"]),
        approvals_needed=row["approvals_needed"],
        decide_reason=row["decide_reason"] or "",
    )


def _with_approvals(cursor: Cursor, row: RecommendationRow) -> RecommendationRow:
    """The row with the approvals of what it holds now; only one that needs several has rows of them."""
    if row.approvals_needed <= 1:
        return row
    rows = fetch_all(
        cursor, "SELECT * FROM approvals WHERE recommendation_id = ? ORDER BY approve_time, rowid", [row.id]
    )
    given = (
        Approval(one["decided_subject"], one["decided_by"], aware(one["approve_time"]))
        for one in rows
        if one["content_hash"] == row.content_hash
    )
    return replace(row, approvals=tuple(given))
