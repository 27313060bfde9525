"""Attempts to upload, kept as long as a quota counts them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.ledger.columns import Cursor, aware, count, fetch_all, insert, stored_time


@dataclass(frozen=True, slots=True)
class UploadAttempt:
    """One attempt; ``size_bytes`` is the declared size, or what really came once that is known to be less."""

    id: str
    client_id: str
    start_time: datetime
    size_bytes: int


def insert_attempt(cursor: Cursor, row: UploadAttempt) -> None:
    """Store an attempt whose id is new."""
    values = {
        "id": row.id,
        "client_id": row.client_id,
        "start_time": stored_time(row.start_time),
        "size_bytes": row.size_bytes,
    }
    insert(cursor, "upload_attempts", values)


def list_between(cursor: Cursor, client_id: str, after: datetime, until: datetime) -> list[UploadAttempt]:
    """Attempts of a client that began later than one time, and not later than another; oldest first."""
    # With a second condition DuckDB would not use the index. Older attempts are few, because they are deleted.
    rows = fetch_all(cursor, "SELECT * FROM upload_attempts WHERE client_id = ?", [client_id])
    attempts = (UploadAttempt(row["id"], row["client_id"], aware(row["start_time"]), row["size_bytes"]) for row in rows)
    return sorted((a for a in attempts if after < a.start_time <= until), key=lambda a: (a.start_time, a.id))


def set_size(cursor: Cursor, attempt_id: str, size_bytes: int) -> None:
    """Correct the size of an attempt; nothing happens when there is none with this id."""
    cursor.execute("UPDATE upload_attempts SET size_bytes = ? WHERE id = ?", [size_bytes, attempt_id])


def delete(cursor: Cursor, attempt_id: str) -> None:
    """Delete an attempt, if there is one with this id."""
    cursor.execute("DELETE FROM upload_attempts WHERE id = ?", [attempt_id])


def any_until(cursor: Cursor, until: datetime) -> bool:
    """Whether an attempt began at this time or before."""
    return count(cursor, "SELECT count(*) FROM upload_attempts WHERE start_time <= ?", [stored_time(until)]) > 0


def delete_until(cursor: Cursor, until: datetime) -> None:
    """Delete the attempts that began at this time or before."""
    cursor.execute("DELETE FROM upload_attempts WHERE start_time <= ?", [stored_time(until)])
