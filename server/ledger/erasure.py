"""Deletes everything that the ledger holds of sessions, and remembers that it was done.

Deleted rows leave their bytes in the file until ``Ledger.rewrite``. An erasure is complete when that was done too.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from server.ledger import daily_events
from server.ledger.columns import Cursor, count, fetch_all, insert, stored_time
from server.ledger.dialects import dialect_of
from server.ledger.redactions import EVENTS_OF_APPS


class ErasureScope(StrEnum):
    """What an erasure names."""

    SESSION = "session"
    CLIENT = "client"
    SUBJECT = "subject"
    AGE = "age"
    """By retention. It cannot be requested."""


_COLUMN = {ErasureScope.SESSION: "id", ErasureScope.CLIENT: "client_id", ErasureScope.SUBJECT: "subject_hash"}

DAILY_COUNTS = daily_events.DAILY_EVENTS.name
"""Key of their number in ``Erased.rows``. They name a client and no session, so they go with the client."""


@dataclass(frozen=True, slots=True)
class ErasureTarget:
    """Whose data is erased.

    Attributes:
        value: UUID of a session, a client id, or the hash that an app gave for a person. Of the scope age, the name of
            the limit.
    """

    scope: ErasureScope
    value: str

    @property
    def sha256(self) -> str:
        """What is kept of the value, hexadecimal: enough to prove an erasure to somebody who knows the value."""
        return hashlib.sha256(f"{self.scope}:{self.value}".encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Erased:
    """What was found and deleted.

    Attributes:
        sessions: UUIDs of the sessions.
        rows: Number of rows by table.
        spool_ids: Uploads that waited in the spool.
        stream_ids: Streams, which may have an audio log in the spool.
        job_ids: Jobs; the redacted picture or recording of an upload is named by its job.
    """

    sessions: frozenset[str]
    rows: dict[str, int] = field(default_factory=dict)
    spool_ids: frozenset[str] = frozenset()
    stream_ids: frozenset[str] = frozenset()
    job_ids: frozenset[str] = frozenset()


def sessions_of(cursor: Cursor, target: ErasureTarget, pseudonym: str, visible_to: str = "") -> frozenset[str]:
    """UUIDs of the sessions that belong to a target, or to its pseudonym; of one client only, if it is given."""
    where = f"{_COLUMN[target.scope]} IN (?, ?) AND (? = '' OR client_id = ?)"
    sql = f"SELECT id FROM sessions WHERE {where}"  # noqa: S608 - names are ours
    rows = fetch_all(cursor, sql, [target.value, pseudonym, visible_to, visible_to])
    return frozenset(row["id"] for row in rows)


_WHERE_SESSION = "session_id IN (SELECT unnest(?::VARCHAR[]))"
_WHERE_TURN = f"turn_id IN (SELECT id FROM turns WHERE {_WHERE_SESSION})"  # noqa: S608 - literals of ours
_WHERE_ID = "id IN (SELECT unnest(?::VARCHAR[]))"
# Children first, so that each table still finds its parents.
_TABLES = {
    "turn_words": _WHERE_TURN,
    "turns": _WHERE_SESSION,
    "streams": _WHERE_SESSION,
    "uploads": _WHERE_SESSION,
    "recommendations": _WHERE_SESSION,
    "events": _WHERE_SESSION,
    "dead_letters": _WHERE_SESSION,
    "job_attempts": f"job_id IN (SELECT id FROM jobs WHERE {_WHERE_SESSION})",  # noqa: S608 - literals of ours
    "jobs": _WHERE_SESSION,
    "answers": _WHERE_SESSION,
    "tag_numbers": _WHERE_SESSION,
    "sealed_values": _WHERE_SESSION,
    "participants": _WHERE_SESSION,
    "reviews": _WHERE_SESSION,
    "field_decisions": _WHERE_SESSION,
    "review_comments": _WHERE_SESSION,
    "approvals": _WHERE_SESSION,
    "picture_lines": _WHERE_SESSION,
    "model_comparisons": _WHERE_SESSION,
    "redactions": _WHERE_ID,
    "sessions": _WHERE_ID,
}
"""Every table with rows of a session, and how they are found. A test compares it with the schema."""


def found(cursor: Cursor, session_ids: frozenset[str], clients: frozenset[str] = frozenset()) -> Erased:
    """What an erasure of these sessions, and of all counts of these clients, would delete."""
    ids = sorted(session_ids)
    rows = {
        table: count(cursor, f"SELECT count(*) FROM {table} WHERE {where}", [ids])  # noqa: S608 - names are ours
        for table, where in _TABLES.items()
    }
    rows[DAILY_COUNTS] = daily_events.number_of(cursor, clients)
    jobs = fetch_all(cursor, f"SELECT id, payload FROM jobs WHERE {_WHERE_SESSION}", [ids])  # noqa: S608 - ours
    streams = fetch_all(cursor, f"SELECT id FROM streams WHERE {_WHERE_SESSION}", [ids])  # noqa: S608 - ours
    payloads = [json.loads(job["payload"]) for job in jobs]
    return Erased(
        session_ids,
        rows,
        frozenset(payload["spool_id"] for payload in payloads if "spool_id" in payload),
        frozenset(row["id"] for row in streams),
        frozenset(job["id"] for job in jobs),
    )


def keep_counts(cursor: Cursor, session_ids: frozenset[str]) -> None:
    """Keep counts by day of the events of sessions that are to be erased in the same transaction."""
    daily_events.keep_counts(
        cursor, "session_id IN (SELECT unnest($sessions::VARCHAR[]))", {"sessions": sorted(session_ids)}
    )


def erase(cursor: Cursor, session_ids: frozenset[str], clients: frozenset[str] = frozenset()) -> Erased:
    """Delete all rows of these sessions, and all counts of these clients."""
    erased = found(cursor, session_ids, clients)
    daily_events.erase(cursor, clients)
    for table, where in _TABLES.items():
        cursor.execute(f"DELETE FROM {table} WHERE {where}", [sorted(session_ids)])  # noqa: S608 - names are ours
    return erased


def begin(cursor: Cursor, erasure_id: str, target: ErasureTarget, sessions: int, now: datetime) -> None:
    """Remember an erasure whose rows are deleted in this transaction; ``complete`` follows."""
    insert(
        cursor,
        "erasures",
        {
            "id": erasure_id,
            "scope": target.scope,
            "target_sha256": target.sha256,
            "sessions": sessions,
            "request_time": stored_time(now),
            "complete_time": None,
        },
    )


def client_erased_since(cursor: Cursor, time: datetime) -> bool:
    """Whether anything of a client was erased since a time."""
    sql = "SELECT count(*) FROM erasures WHERE scope = $scope AND request_time >= $time"
    return count(cursor, sql, {"scope": ErasureScope.CLIENT, "time": stored_time(time)}) > 0


def unfinished(cursor: Cursor) -> frozenset[str]:
    """UUIDs of erasures whose bytes may still be in a file."""
    return frozenset(row["id"] for row in fetch_all(cursor, "SELECT id FROM erasures WHERE complete_time IS NULL"))


def complete(cursor: Cursor, erasure_ids: frozenset[str], now: datetime) -> None:
    """Remember that no byte of what these erasures deleted is left."""
    sql = "UPDATE erasures SET complete_time = ? WHERE complete_time IS NULL AND id IN (SELECT unnest(?::VARCHAR[]))"
    cursor.execute(sql, [stored_time(now), sorted(erasure_ids)])


def _orphans(table: str) -> str:
    """The rows of a table whose session is gone."""
    column, parent = {"turn_words": ("turn_id", "turns"), "redactions": ("id", "sessions")}.get(
        table, ("session_id", "sessions")
    )
    of_none = f"('', '{EVENTS_OF_APPS}')"
    gone = f"NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE parent.id = {table}.{column})"  # noqa: S608 - ours
    return f"FROM {table} WHERE {column} NOT IN {of_none} AND {gone}"


_MAY_BE_ORPHANED = tuple(table for table in _TABLES if table not in ("sessions", "job_attempts"))
"""Attempts are kept longer than their jobs, and name no session."""


def has_orphans(cursor: Cursor) -> bool:
    """Whether there are rows whose session is gone: another server was about to write them when it was erased.

    Where one server writes there are none.
    """
    if dialect_of(cursor).one_writer:
        return False
    return any(count(cursor, f"SELECT count(*) {_orphans(table)}") for table in _MAY_BE_ORPHANED)


def delete_orphans(cursor: Cursor) -> None:
    """Delete rows whose session is gone."""
    for table in _MAY_BE_ORPHANED:
        cursor.execute(f"DELETE {_orphans(table)}")


def artifact_owners(cursor: Cursor) -> frozenset[str]:
    """Names, without extension, that a redacted picture or recording may have: those of jobs, and those of uploads."""
    rows = fetch_all(cursor, "SELECT id FROM jobs UNION SELECT split_part(artifact_path, '.', 1) AS id FROM uploads")
    return frozenset(row["id"] for row in rows)
