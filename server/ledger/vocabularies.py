"""The sealed vocabularies of sessions, for the change of the key that they are sealed with."""

from __future__ import annotations

from collections.abc import Mapping

from server.ledger.columns import Cursor, fetch_all
from server.ledger.locks import lock_sessions


def sealed_after(cursor: Cursor, session_id: str, limit: int) -> list[tuple[str, str]]:
    """Ids and sealed vocabularies of sessions that have one, in the order of the ids, after one of them."""
    rows = fetch_all(
        cursor,
        "SELECT id, sealed_vocabulary FROM sessions WHERE sealed_vocabulary <> '' AND id > ? ORDER BY id LIMIT ?",
        [session_id, limit],
    )
    return [(row["id"], row["sealed_vocabulary"]) for row in rows]


def replace(cursor: Cursor, sealed: Mapping[str, str]) -> None:
    """Store vocabularies that were sealed anew, by the ids of their sessions."""
    lock_sessions(cursor, sealed)
    cursor.execute(
        """UPDATE sessions SET sealed_vocabulary = anew.sealed
        FROM (SELECT unnest(?::VARCHAR[]) AS id, unnest(?::VARCHAR[]) AS sealed) AS anew WHERE sessions.id = anew.id""",
        [list(sealed), list(sealed.values())],
    )
