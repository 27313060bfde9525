"""Conversation streams, so that they can be resumed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.errors import NotFound
from models.reasons import Reason
from server.ledger.columns import Cursor, Row, aware, fetch_all, fetch_one, insert, stored_time, update


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


def save_progress(
    cursor: Cursor,
    stream_id: str,
    now: datetime,
    *,
    finalized_samples: int | None = None,
    next_utterance: int | None = None,
    sealed_state: bytes | None = None,
    language: str | None = None,
) -> None:
    """Store the progress of a stream; fields that are not given stay as they are.

    Raises:
        NotFound: STREAM_NOT_FOUND.
    """
    changes: dict[str, Any] = {
        "finalized_samples": finalized_samples,
        "next_utterance": next_utterance,
        "carry": sealed_state,
        "language": language,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    if not update(cursor, "streams", stream_id, {"update_time": stored_time(now), **given}):
        raise NotFound("There is no such stream.", reason=Reason.STREAM_NOT_FOUND)


def close(cursor: Cursor, stream_id: str, now: datetime, next_offset: int) -> None:
    """End a stream after so many bytes of audio, and delete its sealed state."""
    ended = {"open": False, "carry": b"", "update_time": stored_time(now), "next_offset": next_offset}
    update(cursor, "streams", stream_id, ended)


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
    )
