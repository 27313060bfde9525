"""Rows with sensible values, for tests that care about a few of them."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from models.text import RedactedText
from server.ledger.model_comparisons import ComparisonRow
from server.ledger.streams import StreamRow
from server.ledger.types import (
    EventRow,
    JobRow,
    JobState,
    Origin,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
    TurnRow,
    UploadRow,
    UploadState,
)

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def new_id() -> str:
    return str(uuid.uuid4())


def redacted(value: str = "Call [REDACTED_PHONE]", safe: bool = True) -> RedactedText:
    return RedactedText.restore(value, {"PHONE": value.count("[REDACTED_PHONE]")}, safe_for_llm=safe)


def session(session_id: str = "", client_id: str = "app", at: float = 0.0) -> SessionRow:
    return SessionRow(
        id=session_id or new_id(),
        client_id=client_id,
        request_id=new_id(),
        state=SessionState.STARTED,
        create_time=after(at),
        update_time=after(at),
        language="en",
        sealed_vocabulary="sealed",
        variant="b",
    )


def turn(session_id: str, utterance: int = 0, stream_id: str = "stream") -> TurnRow:
    return TurnRow(
        id=new_id(),
        session_id=session_id,
        stream_id=stream_id,
        utterance=utterance,
        source="speech",
        text=redacted(),
        create_time=after(utterance),
        confidence=0.9,
        language="en",
        start_s=1.0,
        end_s=2.5,
        compute_s=0.2,
    )


def comparison(turn: TurnRow, at: float = 0.0, text: RedactedText | None = None, **changes: Any) -> ComparisonRow:
    row = ComparisonRow(
        turn_id=turn.id,
        session_id=turn.session_id,
        weights="base",
        candidate="small",
        create_time=after(at),
        language=turn.language,
        audio_s=turn.end_s - turn.start_s,
        words=2,
        word_differences=0,
        entities_equal=True,
        compute_s=turn.compute_s,
        candidate_compute_s=0.4,
        latency_s=0.3,
        candidate_latency_s=0.6,
        text=text or turn.text,
    )
    return replace(row, **changes)


def upload(session_id: str) -> UploadRow:
    return UploadRow(
        id=new_id(),
        session_id=session_id,
        kind="meter",
        state=UploadState.ACCEPTED,
        size_bytes=5_000_000_000,
        sha256="ab" * 32,
        media_type="image/jpeg",
        create_time=NOW,
        update_time=NOW,
    )


def stream(session_id: str) -> StreamRow:
    return StreamRow(
        id=new_id(),
        session_id=session_id,
        token_hash="cd" * 32,
        encoding="pcm_s16le",
        sample_rate_hz=16000,
        channels=1,
        language="",
        create_time=NOW,
        update_time=NOW,
        detects=True,
    )


def job(session_id: str, at: float = 0.0, kind: str = "read_upload", due: float = 0.0, key: str = "") -> JobRow:
    return JobRow(
        id=new_id(),
        kind=kind,
        key=key or new_id(),
        session_id=session_id,
        payload={"upload_id": "u1"},
        state=JobState.QUEUED,
        policy="network",
        create_time=after(at),
        next_attempt_time=after(due),
    )


def recommendation(session_id: str, at: float = 0.0) -> RecommendationRow:
    return RecommendationRow(
        id=new_id(),
        session_id=session_id,
        state=RecommendationState.PENDING,
        record=redacted('{"summary":"Meter at [REDACTED_PHONE]"}'),
        content_hash="ef" * 32,
        origin=Origin.FALLBACK,
        create_time=after(at),
    )


def event(session_id: str, event_id: str = "", at: float = 0.0, name: str = "camera_opened") -> EventRow:
    return EventRow(
        id=event_id or new_id(),
        session_id=session_id,
        client_id="app",
        name=name,
        server_time=after(at),
        device_time=after(at - 1),
        sequence=3,
        took_s=0.25,
        properties={"lens": RedactedText.literal("wide"), "note": redacted(), "odd": redacted("x", safe=False)},
    )
