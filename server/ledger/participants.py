"""Which credentials opened a session, spoke in it or uploaded to it, as hashes."""

from __future__ import annotations

import hashlib

from server.ledger.columns import Cursor, fetch_all, insert
from server.ledger.dialects import hold


def add(cursor: Cursor, session_id: str, subject: str) -> None:
    """Note that a credential took part in a session."""
    hold(cursor, "participants", session_id)
    if not took_part(cursor, session_id, subject):
        insert(cursor, "participants", {"session_id": session_id, "subject_sha256": _hash(subject)})


def took_part(cursor: Cursor, session_id: str, subject: str) -> bool:
    """Whether a credential took part in a session."""
    # With a second condition DuckDB would not use the index.
    rows = fetch_all(cursor, "SELECT subject_sha256 FROM participants WHERE session_id = ?", [session_id])
    return _hash(subject) in (row["subject_sha256"] for row in rows)


def _hash(subject: str) -> str:
    return hashlib.sha256(subject.encode()).hexdigest()
