"""Who works on the record of a session, whose turn it is, and what waits."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    fetch_one,
    insert,
    stored_time,
    stored_time_or_none,
)
from server.ledger.dialects import hold


@dataclass(frozen=True, slots=True)
class Claimant:
    """A person who reviews.

    Attributes:
        subject: The verified credential, as rows have it.
        reviewer: Staff id that a console stated, where it serves several people with one credential.
    """

    subject: str
    reviewer: str = ""


NOBODY: Final = Claimant("")


@dataclass(frozen=True, slots=True)
class Claim:
    """A lease on the record of a session.

    Attributes:
        claim_time: When it was claimed first.
        until: When it ends unless it is renewed.
    """

    holder: Claimant
    claim_time: datetime
    until: datetime

    def held_by(self, who: Claimant) -> bool:
        """Whether a person holds it. A claim without a staff id is one of everybody with the credential."""
        return self.holder.subject == who.subject and self.holder.reviewer in ("", who.reviewer)


@dataclass(frozen=True, slots=True)
class Assignment:
    """Whose turn it is.

    Attributes:
        assignee: Staff id or credential.
        subject: Credential that assigned it.
    """

    assignee: str
    subject: str
    time: datetime


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """Claim and assignment of a session."""

    claim: Claim | None = None
    assignment: Assignment | None = None


def get(cursor: Cursor, session_id: str, now: datetime) -> ReviewRow:
    """Claim and assignment of a session; a claim that has ended is none."""
    row = fetch_one(cursor, "SELECT * FROM reviews WHERE session_id = ?", [session_id])
    return ReviewRow() if row is None else review_of(row, now)


def review_of(row: Row, now: datetime) -> ReviewRow:
    """The same from the columns of a row of ``reviews``, which may all be null."""
    claim, until = None, aware_or_none(row["claim_until"])
    if until is not None and now < until:
        claim = Claim(Claimant(row["claim_subject"], row["claim_reviewer"]), aware(row["claim_time"]), until)
    assignment = None
    if row["assignee"]:
        assignment = Assignment(row["assignee"], row["assigned_subject"], aware(row["assign_time"]))
    return ReviewRow(claim, assignment)


def put_claim(cursor: Cursor, session_id: str, claim: Claim | None) -> None:
    """Store a claim in place of the one before; None ends it."""
    holder = claim.holder if claim else NOBODY
    values: Row = {
        "claim_subject": holder.subject,
        "claim_reviewer": holder.reviewer,
        "claim_time": stored_time_or_none(claim.claim_time if claim else None),
        "claim_until": stored_time_or_none(claim.until if claim else None),
    }
    _put(cursor, session_id, values)


def put_assignment(cursor: Cursor, session_id: str, assignment: Assignment | None) -> None:
    """Store an assignment in place of the one before; None takes it back."""
    values: Row = {
        "assignee": assignment.assignee if assignment else "",
        "assigned_subject": assignment.subject if assignment else "",
        "assign_time": stored_time(assignment.time) if assignment else None,
    }
    _put(cursor, session_id, values)


_NONE: Row = {
    "claim_subject": "",
    "claim_reviewer": "",
    "claim_time": None,
    "claim_until": None,
    "assignee": "",
    "assigned_subject": "",
    "assign_time": None,
}


def _put(cursor: Cursor, session_id: str, values: Row) -> None:
    hold(cursor, "reviews", session_id)
    known = fetch_one(cursor, "SELECT session_id FROM reviews WHERE session_id = ?", [session_id])
    if known is None:
        insert(cursor, "reviews", {"session_id": session_id, **_NONE, **values})
        return
    sets = ", ".join(f"{name} = ?" for name in values)
    cursor.execute(f"UPDATE reviews SET {sets} WHERE session_id = ?", [*values.values(), session_id])  # noqa: S608 - ours
