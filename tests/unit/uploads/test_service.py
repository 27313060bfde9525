"""What the upload service accepts, refuses, and does with a repeated upload."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace
from typing import Any
from uuid import uuid4

import pytest

from models.errors import InvalidInput, UnsupportedMedia, VestibuleError
from models.media.formats import AUDIO_NAMES, IMAGE_NAMES
from server.ledger import jobs, recommendations, sessions, uploads
from server.ledger.columns import Cursor
from server.ledger.types import (
    JobState,
    Origin,
    RecommendationRow,
    RecommendationState,
    SessionRow,
    SessionState,
    UploadRow,
    UploadState,
    utc_now,
)
from tests.fakes.gateway import redacted
from tests.unit.ledger.stored import events_of_session, jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, KIB, WAV, UploadHarness, pieces, reason_of


@pytest.mark.parametrize("piece", [1 * KIB, 100 * KIB, 256 * KIB, 1024 * KIB])
async def test_an_accepted_upload_is_durable(harness: UploadHarness, piece: int) -> None:
    with harness.pubsub.subscribe(harness.session.id) as news:
        row = await harness.accept(piece=piece, kind="meter", media_type="image/jpeg")
        assert isinstance(await anext(news), SessionRow)
        assert await anext(news) == row
    assert (row.state, row.media_type, row.size_bytes) == (UploadState.ACCEPTED, "image/jpeg", len(JPEG))
    assert row.sha256 == hashlib.sha256(JPEG).hexdigest()

    def stored(cursor: Cursor) -> tuple[UploadRow, SessionRow]:
        return uploads.get(cursor, row.id), sessions.get(cursor, harness.session.id)

    upload, session = await harness.ledger.read(stored)
    assert replace(upload, create_time=row.create_time, update_time=row.update_time) == row
    assert session.state is SessionState.IN_PROGRESS
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert (job.kind, job.key, job.policy, job.state) == (
        "read_picture",
        f"read_picture:{row.id}",
        "network",
        JobState.QUEUED,
    )
    assert harness.files() == [job.payload["spool_id"]]
    assert harness.spool.read(job.payload["spool_id"]) == JPEG
    assert harness.woken == 1
    (*_, event) = await harness.ledger.read(lambda cursor: events_of_session(cursor, harness.session.id))
    assert (event.name, event.properties["kind"].value) == ("upload_accepted", "meter")


@pytest.mark.parametrize(
    ("content", "changes", "reason"),
    [
        pytest.param(JPEG, {"session_id": str(uuid4())}, "SESSION_NOT_FOUND", id="no session"),
        pytest.param(JPEG, {"size_bytes": 2048 * KIB}, "UPLOAD_TOO_LARGE", id="too large"),
        pytest.param(JPEG, {"size_bytes": 0}, "UPLOAD_EMPTY", id="empty"),
        pytest.param(JPEG, {"size_bytes": len(JPEG) - 1}, "SIZE_MISMATCH", id="a byte more"),
        pytest.param(JPEG, {"size_bytes": len(JPEG) + 1}, "SIZE_MISMATCH", id="a byte less"),
        pytest.param(b"", {"size_bytes": 10}, "SIZE_MISMATCH", id="nothing at all"),
        pytest.param(JPEG, {"sha256": bytes(32)}, "HASH_MISMATCH", id="another hash"),
        pytest.param(b"GIF89a" + bytes(9000), {}, "UNSUPPORTED_MEDIA", id="a GIF"),
        pytest.param(b"MZ", {"media_type": "image/jpeg"}, "UNSUPPORTED_MEDIA", id="a tiny program"),
        pytest.param(WAV, {"media_type": "image/jpeg"}, "MEDIA_TYPE_MISMATCH", id="sound as picture"),
        pytest.param(JPEG, {"media_type": "audio/wav"}, "MEDIA_TYPE_MISMATCH", id="picture as sound"),
        pytest.param(JPEG, {"kind": "recording"}, "MEDIA_TYPE_MISMATCH", id="picture of kind recording"),
        pytest.param(WAV, {"kind": "meter"}, "MEDIA_TYPE_MISMATCH", id="sound of kind meter"),
    ],
)
async def test_a_refused_upload_leaves_no_file_and_no_row(
    harness: UploadHarness, content: bytes, changes: dict[str, Any], reason: str
) -> None:
    assert await reason_of(lambda: harness.accept(content, **changes)) == reason
    assert harness.files() == []
    assert await harness.ledger.read(jobs.count_open) == 0
    assert harness.woken == 0
    session = await harness.ledger.read(lambda cursor: sessions.get(cursor, harness.session.id))
    assert session.state is SessionState.STARTED


@pytest.mark.parametrize(
    ("kind", "pictures", "audio"), [("meter", True, False), ("recording", False, True), ("", True, True)]
)
async def test_an_unsupported_format_names_the_supported_ones(
    harness: UploadHarness, kind: str, pictures: bool, audio: bool
) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        await harness.accept(b"MZ" + bytes(9000), kind=kind)
    assert (IMAGE_NAMES in caught.value.hint, AUDIO_NAMES in caught.value.hint) == (pictures, audio)


@pytest.mark.parametrize(
    ("content", "kind", "found", "fitting"),
    [
        (JPEG, "recording", "image/jpeg", "visitor_register, meter, document, site"),
        (WAV, "meter", "audio/wav", "recording"),
    ],
)
async def test_a_wrong_kind_names_what_was_found_and_the_kinds_for_it(
    harness: UploadHarness, content: bytes, kind: str, found: str, fitting: str
) -> None:
    with pytest.raises(InvalidInput, match=f"is {found}, which") as caught:
        await harness.accept(content, kind=kind)
    assert caught.value.hint == f"Kinds for it: {fitting}."


async def test_an_ended_session_accepts_only_a_repeated_upload(harness: UploadHarness) -> None:
    described = harness.describe()
    row = await harness.intake.accept(described, pieces(JPEG))
    await harness.close_session()
    assert await reason_of(harness.accept) == "SESSION_ENDED"
    assert (await harness.intake.accept(described, pieces(JPEG))).id == row.id


@pytest.mark.parametrize("with_hash", [True, False])
async def test_a_repeated_upload_is_stored_once(harness: UploadHarness, with_hash: bool) -> None:
    described = harness.describe() if with_hash else harness.describe(sha256=b"")
    first = await harness.intake.accept(described, pieces(JPEG))
    again = await harness.intake.accept(described, pieces(JPEG))
    assert (again.id, again.sha256) == (first.id, first.sha256)
    assert len(harness.files()) == 1
    assert await harness.ledger.read(jobs.count_open) == 1


@pytest.mark.parametrize("with_hash", [True, False])
async def test_an_upload_id_belongs_to_one_content_of_one_session(harness: UploadHarness, with_hash: bool) -> None:
    first = harness.describe()
    await harness.intake.accept(first, pieces(JPEG))
    other = JPEG[:-1] + bytes([JPEG[-1] ^ 1])
    changed = replace(first, sha256=hashlib.sha256(other).digest() if with_hash else b"")
    moved = replace(first, session_id=str(uuid4()))
    assert await reason_of(lambda: harness.intake.accept(changed, pieces(other))) == "UPLOAD_ID_REUSED"
    assert await reason_of(lambda: harness.intake.accept(moved, pieces(JPEG))) == "SESSION_NOT_FOUND"
    assert len(harness.files()) == 1


async def test_the_same_upload_on_two_concurrent_streams_is_stored_once(harness: UploadHarness) -> None:
    described = harness.describe()
    rows = await asyncio.gather(*(harness.intake.accept(described, pieces(JPEG)) for _ in range(3)))
    assert len({row.id for row in rows}) == 1
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert harness.files() == [job.payload["spool_id"]]
    assert harness.spool.read(job.payload["spool_id"]) == JPEG


async def test_a_full_queue_refuses_uploads(harness: UploadHarness) -> None:
    for _ in range(3):
        await harness.accept()
    with pytest.raises(VestibuleError) as caught:
        await harness.accept()
    assert (caught.value.reason, caught.value.retry_after_s) == ("JOBS_FULL", 5.0)
    assert caught.value.hint == "Try again in 5 seconds."


async def test_a_new_upload_supersedes_a_pending_record(harness: UploadHarness) -> None:
    await harness.accept()
    now = utc_now()
    record = RecommendationRow(
        str(uuid4()), harness.session.id, RecommendationState.PENDING, redacted("{}"), "00", Origin.MODEL, now
    )

    def propose(cursor: Cursor) -> None:
        recommendations.insert_recommendation(cursor, record)
        sessions.transition(cursor, harness.session.id, SessionState.AWAITING_APPROVAL, now)

    await harness.ledger.write(propose)
    await harness.accept(WAV)

    def found(cursor: Cursor) -> tuple[RecommendationState, SessionState]:
        return recommendations.get(cursor, record.id).state, sessions.get(cursor, harness.session.id).state

    assert await harness.ledger.read(found) == (RecommendationState.SUPERSEDED, SessionState.IN_PROGRESS)
