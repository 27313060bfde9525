"""Who a row belongs to: its session, and the client of the session."""

from __future__ import annotations

from typing import Literal

from server.ledger.columns import Cursor, fetch_all, fetch_one

Owned = Literal["recommendations", "streams", "dead_letters"]
"""Tables whose rows belong to a session."""


def session_of(cursor: Cursor, table: Owned, row_id: str) -> str:
    """The session of a row; empty when there is no such row, or when it belongs to none."""
    row = fetch_one(cursor, f"SELECT session_id FROM {table} WHERE id = ?", [row_id])  # noqa: S608 - a literal of ours
    return row["session_id"] if row else ""


def sessions_of_uploads(cursor: Cursor, first_id: str, second_id: str) -> tuple[str | None, str | None]:
    """The sessions of two uploads; None for one that is not there."""
    rows = fetch_all(cursor, "SELECT id, session_id FROM uploads WHERE id IN (?, ?)", [first_id, second_id])
    found = {row["id"]: row["session_id"] for row in rows}
    return found.get(first_id), found.get(second_id)


def client_of(cursor: Cursor, session_id: str) -> str | None:
    """The client of a session; None when there is no such session."""
    row = fetch_one(cursor, "SELECT client_id FROM sessions WHERE id = ?", [session_id])
    return row["client_id"] if row else None
