"""A session in which much happened, for the pages that show one."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from models.text import RedactedText
from server.ledger import events, job_attempts, jobs, recommendations, server_events, sessions, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.types import (
    Artifact,
    JobState,
    Origin,
    RecommendationState,
    SessionState,
    UploadState,
)
from server.records.events import make_event
from tests.unit.ledger.makers import after, job, new_id, recommendation, redacted, session, turn, upload

SAID = "I am [REDACTED_NAME], and the <b>meter</b> reads 4821."
REPLY = "Thank you. Please photograph the meter."
UNSAFE = "not vouched for"


class Lively:
    """The session and its ids.

    Args:
        pictures: Folder of the redacted pictures.
        picture: Bytes of the redacted picture of its first upload.
    """

    def __init__(self, pictures: Path, picture: bytes = b"\xff\xd8\xff picture") -> None:
        self.session = replace(session(client_id="app"), stage_time=None)
        self.id = self.session.id
        self.spoken = replace(
            turn(self.id, stream_id=self.id),
            text=redacted(SAID),
            create_time=after(9),
            reply=redacted(REPLY),
            reply_origin=Origin.MODEL,
        )
        self.unsafe = replace(
            turn(self.id, 1, self.id), text=redacted(UNSAFE, safe=False), source="typed", create_time=after(21)
        )
        artifact = Artifact("p.jpg", "image/jpeg", len(picture), 2, 640, 480)
        self.picture = replace(
            upload(self.id),
            state=UploadState.DONE,
            progress=1.0,
            text=redacted("04821 kWh"),
            create_time=after(14),
            update_time=after(19),
            artifact=artifact,
        )
        self.failed = replace(
            upload(self.id),
            kind="visitor_register",
            state=UploadState.FAILED,
            failure_reason="PICTURE_BROKEN",
            create_time=after(24),
            update_time=after(26),
        )
        self.proposed = replace(
            recommendation(self.id, 30),
            state=RecommendationState.PENDING,
            record=RedactedText.restore(
                json.dumps(
                    {
                        "summary": "A visit to read a meter.",
                        "fields": [{"name": "meter_reading", "value": "4821", "source_id": self.spoken.id}],
                        "missing": ["visitor_count"],
                    }
                ),
                {},
                safe_for_llm=True,
            ),
        )
        pictures.mkdir(parents=True, exist_ok=True)
        (pictures / artifact.path).write_bytes(picture)

    def store(self, cursor: Cursor, *, decided_after: timedelta | None = None) -> None:
        """Store all of it."""
        sessions.insert_or_get(cursor, self.session)
        row = sessions.transition(cursor, self.id, SessionState.IN_PROGRESS, after(2))
        for one in (self.spoken, self.unsafe):
            turns.insert_turn(cursor, one)
        for file in (self.picture, self.failed):
            uploads.insert_upload(cursor, file)
        self._work(cursor)
        events.append(cursor, make_event(row, "stream_opened", after(2), encoding="PCM_S16LE", language="en"))
        events.append(cursor, make_event(row, "step_meter", after(4)))
        events.append(cursor, make_event(row, "replied", after(11), took_s=2.0, origin=Origin.MODEL))
        recommendations.insert_recommendation(cursor, self.proposed)
        events.append(cursor, make_event(row, "record_proposed", after(30), origin=Origin.MODEL))
        row = sessions.transition(cursor, self.id, SessionState.AWAITING_APPROVAL, after(30))
        if decided_after is not None:
            at = after(30) + decided_after
            took_s = decided_after.total_seconds()
            decided = make_event(row, "record_decided", at, took_s=took_s, decision="approved", origin=Origin.MODEL)
            events.append(cursor, decided)
            sessions.transition(cursor, self.id, SessionState.COMPLETED, at)

    def _work(self, cursor: Cursor) -> None:
        for begin, end, number, outcome, reason in (
            (14.2, 15.0, 1, "retry", "WORKER_LOST"),
            (16.0, 19.0, 2, "done", ""),
        ):
            one = replace(
                job(self.id, kind="read_picture"), key=new_id(), claim_time=after(begin), attempts=number,
                state=JobState.QUEUED, lease_owner="v1/1",
            )  # fmt: skip
            jobs.enqueue(cursor, one)
            job_attempts.insert_attempt(cursor, one, after(end), outcome, reason)
        for at, state in ((-400.0, "closed"), (15.5, "open"), (17.5, "half-open"), (18.0, "closed")):
            properties: dict[str, str | int | float] = {
                "old": "closed",
                "new": state,
                "failures": 3,
                "cause": "failures",
            }
            server_events.append(cursor, "breaker_changed", "vision", properties, after(at))
