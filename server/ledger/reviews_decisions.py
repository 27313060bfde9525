"""Decisions about fields, comments, and approvals of which a record needs several."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    aware,
    fetch_all,
    insert,
    insert_if_new,
    stored_time,
    text_columns,
    text_or_none,
)
from server.ledger.types import Approval, RecommendationRow


class FieldDecision(StrEnum):
    """What a person decided about a field."""

    ACCEPTED = "ACCEPTED"
    CORRECTED = "CORRECTED"
    REJECTED = "REJECTED"
    REMOVED = "REMOVED"
    """It no longer applies, because of what the person decided about another field."""


@dataclass(frozen=True, slots=True)
class FieldDecisionRow:
    """A decision about one field.

    Attributes:
        recommendation_id: The recommendation that was shown.
        result_id: The one after it; the same where no field changed.
        reason: Why, a machine word; empty for one that was accepted or removed.
        decided_by: Staff id as the console stated it.
        subject: Credential that decided.
    """

    session_id: str
    recommendation_id: str
    result_id: str
    field: str
    decision: FieldDecision
    reason: str
    decided_by: str
    subject: str
    time: datetime


@dataclass(frozen=True, slots=True)
class CommentRow:
    """A comment.

    Attributes:
        text: Redacted; None for a word alone.
        word: A machine word; empty for none.
    """

    id: str
    session_id: str
    recommendation_id: str
    text: RedactedText | None
    word: str
    reviewer: str
    subject: str
    time: datetime


def insert_decisions(cursor: Cursor, rows: Iterable[FieldDecisionRow]) -> None:
    """Store decisions about fields."""
    for row in rows:
        insert(
            cursor,
            "field_decisions",
            {
                "id": str(uuid.uuid4()),
                "session_id": row.session_id,
                "recommendation_id": row.recommendation_id,
                "result_id": row.result_id,
                "field": row.field,
                "decision": row.decision,
                "reason": row.reason,
                "decided_by": row.decided_by,
                "decided_subject": row.subject,
                "decide_time": stored_time(row.time),
            },
        )


def decisions_of_session(cursor: Cursor, session_id: str) -> list[FieldDecisionRow]:
    """All decisions about fields in a session, oldest first."""
    rows = fetch_all(
        cursor, "SELECT * FROM field_decisions WHERE session_id = ? ORDER BY decide_time, rowid", [session_id]
    )
    return [
        FieldDecisionRow(
            session_id=row["session_id"],
            recommendation_id=row["recommendation_id"],
            result_id=row["result_id"],
            field=row["field"],
            decision=FieldDecision(row["decision"]),
            reason=row["reason"],
            decided_by=row["decided_by"],
            subject=row["decided_subject"],
            time=aware(row["decide_time"]),
        )
        for row in rows
    ]


def insert_comment(cursor: Cursor, row: CommentRow) -> bool:
    """Store a comment; returns whether it is new."""
    values = {
        "id": row.id,
        "session_id": row.session_id,
        "recommendation_id": row.recommendation_id,
        **text_columns("text", row.text),
        "word": row.word,
        "reviewer": row.reviewer,
        "subject": row.subject,
        "create_time": stored_time(row.time),
    }
    return insert_if_new(cursor, "review_comments", values)


def comments_of_session(cursor: Cursor, session_id: str) -> list[CommentRow]:
    """The comments on a session, oldest first."""
    rows = fetch_all(
        cursor, "SELECT * FROM review_comments WHERE session_id = ? ORDER BY create_time, rowid", [session_id]
    )
    return [
        CommentRow(
            id=row["id"],
            session_id=row["session_id"],
            recommendation_id=row["recommendation_id"],
            text=text_or_none(row, "text"),
            word=row["word"],
            reviewer=row["reviewer"],
            subject=row["subject"],
            time=aware(row["create_time"]),
        )
        for row in rows
    ]


def add_approval(cursor: Cursor, row: RecommendationRow, approval: Approval) -> None:
    """Store one of several approvals."""
    insert(
        cursor,
        "approvals",
        {
            "id": str(uuid.uuid4()),
            "session_id": row.session_id,
            "recommendation_id": row.id,
            "content_hash": row.content_hash,
            "decided_by": approval.decided_by,
            "decided_subject": approval.subject,
            "approve_time": stored_time(approval.time),
        },
    )
