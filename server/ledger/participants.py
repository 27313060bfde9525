"""Which credentials opened a session, spoke in it or uploaded to it, as hashes."""

from __future__ import annotations

import hashlib

from server.ledger.columns import Cursor, fetch_one, insert


def add(cursor: Cursor, session_id: str, subject: str) -> None:
    """Note that a credential took part in a session."""
    if not took_part(cursor, session_id, subject):
        insert(cursor, "participants", {"session_id": session_id, "subject_sha256": _hash(subject)})


def took_part(cursor: Cursor, session_id: str, subject: str) -> bool:
    """Whether a credential took part in a session."""
    sql = "SELECT 1 FROM participants WHERE session_id = ? AND subject_sha256 = ?"
    return fetch_one(cursor, sql, [session_id, _hash(subject)]) is not None


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
