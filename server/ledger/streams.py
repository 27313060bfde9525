"""Conversation streams, so that they can be resumed."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.errors import Conflict, NotFound
from models.reasons import Reason
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    fetch_one,
    insert,
    stored_time,
    stored_time_or_none,
    update,
)
from server.ledger.locks import lock_streams


@dataclass(frozen=True, slots=True)
class StreamRow:
    """A conversation stream, so that it can be resumed.

    Attributes:
        token_hash: SHA-256 hex of the resume token.
        language: Language of the recognition, as given or as last detected; empty while there is none.
        next_offset: Bytes of audio received; 0 while the stream is open, when only the spool knows it.
        finalized_samples: The finals of all samples (mono, 16 kHz) before this one are stored.
        next_utterance: Number that the next utterance gets.
        sealed_state: State of the workers, encrypted by them.
        detects: Whether no language was given when it was opened.
        holder: Id of the connection that has it open; empty for none.
        held_until: Until when the server of that connection counts as alive; None where one server has the ledger
            alone.
    """

    id: str
    session_id: str
    token_hash: str
    encoding: str
    sample_rate_hz: int
    channels: int
    language: str
    create_time: datetime
    update_time: datetime
    next_offset: int = 0
    finalized_samples: int = 0
    next_utterance: int = 0
    sealed_state: bytes = b""
    open: bool = True
    detects: bool = False
    holder: str = ""
    held_until: datetime | None = None


def insert_stream(cursor: Cursor, row: StreamRow) -> None:
    """Store a new stream."""
    insert(
        cursor,
        "streams",
        {
            "id": row.id,
            "session_id": row.session_id,
            "token_hash": row.token_hash,
            "encoding": row.encoding,
            "sample_rate_hz": row.sample_rate_hz,
            "channels": row.channels,
            "language": row.language,
            "create_time": stored_time(row.create_time),
            "update_time": stored_time(row.update_time),
            "next_offset": row.next_offset,
            "finalized_samples": row.finalized_samples,
            "next_utterance": row.next_utterance,
            "carry": row.sealed_state,
            "open": row.open,
            "detects": row.detects,
            "holder": row.holder,
            "held_until": stored_time_or_none(row.held_until),
        },
    )


def get(cursor: Cursor, stream_id: str) -> StreamRow:
    """Find a stream.

    Raises:
        NotFound: STREAM_NOT_FOUND.
    """
    row = fetch_one(cursor, "SELECT * FROM streams WHERE id = ?", [stream_id])
    if row is None:
        raise NotFound("There is no such stream.", reason=Reason.STREAM_NOT_FOUND)
    return _stream(row)


def clients_of_open(cursor: Cursor) -> dict[str, str]:
    """The client of each stream that is open or can be resumed, by stream."""
    sql = "SELECT s.id, sessions.client_id FROM streams s JOIN sessions ON sessions.id = s.session_id WHERE s.open"
    return {row["id"]: row["client_id"] for row in fetch_all(cursor, sql)}


def resumable_since(cursor: Cursor, since: datetime) -> frozenset[str]:
    """Streams that have not ended and that something happened on at that time or later."""
    rows = fetch_all(cursor, "SELECT id FROM streams WHERE open AND update_time >= ?", [stored_time(since)])
    return frozenset(row["id"] for row in rows)


def hold(cursor: Cursor, stream_id: str, holder: str, until: datetime | None) -> bool:
    """Give a stream to a connection, unless it was closed; returns whether it has it.

    Whoever had it can store nothing for it any more. What was read of it before may be outdated.
    """
    sql = "UPDATE streams SET holder = ?, held_until = ? WHERE id = ? AND open"
    return count(cursor, sql, [holder, stored_time_or_none(until), stream_id]) == 1


def renew(cursor: Cursor, holders: Mapping[str, str], until: datetime) -> None:
    """Hold streams for longer.

    Args:
        cursor: Within a transaction of the writer.
        holders: Connections by stream. Streams that others have by now stay as they are.
        until: Until when their server counts as alive from now on.
    """
    lock_streams(cursor, holders.keys())
    cursor.execute(
        """UPDATE streams SET held_until = $until
        WHERE id IN (SELECT unnest($ids::VARCHAR[])) AND list_contains($holders::VARCHAR[], holder)""",
        {"until": stored_time(until), "ids": list(holders), "holders": list(holders.values())},
    )


def holders_of(cursor: Cursor, stream_ids: Collection[str]) -> dict[str, str]:
    """The connection that has a stream, by stream; empty for none. Streams that are not there are missing."""
    sql = "SELECT id, holder FROM streams WHERE id IN (SELECT unnest(?::VARCHAR[]))"
    return {row["id"]: row["holder"] for row in fetch_all(cursor, sql, [list(stream_ids)])}


def held(cursor: Cursor, now: datetime) -> dict[str, str]:
    """Streams that a connection has on a server that lives, with their sessions; none where one server is alone."""
    rows = fetch_all(cursor, "SELECT id, session_id FROM streams WHERE held_until > ?", [stored_time(now)])
    return {row["id"]: row["session_id"] for row in rows}


def save_progress(
    cursor: Cursor,
    stream_id: str,
    now: datetime,
    *,
    holder: str | None = None,
    finalized_samples: int | None = None,
    next_utterance: int | None = None,
    sealed_state: bytes | None = None,
    language: str | None = None,
) -> None:
    """Store the progress of a stream; fields that are not given stay as they are.

    Args:
        cursor: Within a transaction of the writer.
        stream_id: The stream.
        now: The time now.
        holder: The connection that stores it; None if it is none.
        finalized_samples: See ``StreamRow``.
        next_utterance: See ``StreamRow``.
        sealed_state: See ``StreamRow``.
        language: See ``StreamRow``.

    Raises:
        NotFound: STREAM_NOT_FOUND.
        Conflict: STREAM_TAKEN_OVER, another connection has it.
    """
    changes: dict[str, Any] = {
        "finalized_samples": finalized_samples,
        "next_utterance": next_utterance,
        "carry": sealed_state,
        "language": language,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if not _update_held(cursor, stream_id, holder, {"update_time": stored_time(now), **given}):
        if holder is not None and get(cursor, stream_id).holder != holder:
            raise taken_over()
        raise NotFound("There is no such stream.", reason=Reason.STREAM_NOT_FOUND)


def leave(cursor: Cursor, stream_id: str, holder: str, now: datetime) -> bool:
    """Store that a connection does not have a stream any more; returns whether it had it until now."""
    left = {"holder": "", "held_until": None, "update_time": stored_time(now)}
    return _update_held(cursor, stream_id, holder, left)


def close(
    cursor: Cursor,
    stream_id: str,
    now: datetime,
    next_offset: int,
    *,
    holder: str = "",
    idle_since: datetime | None = None,
) -> bool:
    """End a stream after so many bytes of audio, and delete its sealed state.

    Args:
        cursor: Within a transaction of the writer.
        stream_id: The stream.
        now: The time now.
        next_offset: Bytes of audio.
        holder: The connection that must have it; empty if none may have it.
        idle_since: When it must have been idle since; None if that does not matter.

    Returns:
        Whether it was ended. Else another connection has it, or something happened to it.
    """
    before = stored_time_or_none(idle_since)
    sql = """UPDATE streams
        SET open = false, carry = ?, update_time = ?, next_offset = ?, holder = '', held_until = NULL
        WHERE id = ? AND holder = ? AND (?::TIMESTAMP IS NULL OR update_time < ?)"""
    return count(cursor, sql, [b"", stored_time(now), next_offset, stream_id, holder, before, before]) == 1


def taken_over() -> Conflict:
    """The error that says that another connection has a stream."""
    return Conflict(
        "The stream continues on another connection.",
        reason=Reason.STREAM_TAKEN_OVER,
        hint="Ignore this one. If no other client has the token, resume.",
    )


def _update_held(cursor: Cursor, stream_id: str, holder: str | None, values: Row) -> bool:
    """Update a stream, if this connection has it; returns whether it did."""
    if holder is None:
        return update(cursor, "streams", stream_id, values)
    sets = ", ".join(f"{name} = ?" for name in values)
    sql = f"UPDATE streams SET {sets} WHERE id = ? AND holder = ?"  # noqa: S608 - names are literals of ours
    return count(cursor, sql, [*values.values(), stream_id, holder]) == 1


def _stream(row: Row) -> StreamRow:
    return StreamRow(
        id=row["id"],
        session_id=row["session_id"],
        token_hash=row["token_hash"],
        encoding=row["encoding"],
        sample_rate_hz=row["sample_rate_hz"],
        channels=row["channels"],
        language=row["language"],
        create_time=aware(row["create_time"]),
        update_time=aware(row["update_time"]),
        next_offset=row["next_offset"],
        finalized_samples=row["finalized_samples"],
        next_utterance=row["next_utterance"],
        sealed_state=bytes(row["carry"]),
        open=row["open"],
        detects=row["detects"],
        holder=row["holder"],
        held_until=aware_or_none(row["held_until"]),
    )
