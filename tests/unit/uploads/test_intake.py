from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from models.audio_format import AUDIO_NAMES
from models.errors import Unavailable, UnsupportedMedia, VestibuleError
from models.images import PICTURE_NAMES
from server.ledger import events, jobs, recommendations, sessions, uploads
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
from server.ledger.writer import Ledger
from server.uploads.checks import Description, default_checks
from server.uploads.intake import UploadIntake
from server.uploads.spool import Spool
from server.watch import WatchHub
from tests.fakes.gateway import redacted

KIB = 1024
JPEG = b"\xff\xd8\xff\xe0" + os.urandom(300 * KIB)
WAV = b"RIFF\x24\0\0\0WAVEfmt " + os.urandom(5 * KIB)


@dataclass
class Desk:
    """An intake with everything around it."""

    ledger: Ledger
    session: SessionRow
    folder: Path
    limits: dict[str, int] = field(default_factory=lambda: {"upload_bytes": 1024 * KIB, "open_jobs": 3})
    hub: WatchHub = field(default_factory=WatchHub)
    woken: int = 0

    def __post_init__(self) -> None:
        self.spool = Spool(self.folder, bytes(32))
        self.intake = UploadIntake(
            self.ledger, self.spool, self.hub, default_checks(**self.limits), on_job=self.wake, stall_s=5.0
        )

    def wake(self) -> None:
        self.woken += 1

    def describe(self, content: bytes = JPEG, **changes: object) -> Description:
        described = Description(str(uuid4()), self.session.id, "", len(content), hashlib.sha256(content).digest())
        return replace(described, **changes)  # type: ignore[arg-type]

    async def accept(self, content: bytes = JPEG, piece: int = 64 * KIB, **changes: object) -> UploadRow:
        return await self.intake.accept(self.describe(content, **changes), pieces(content, piece))

    def files(self) -> list[str]:
        return [p.name for p in self.folder.iterdir()]

    async def close_session(self) -> None:
        await self.ledger.write(
            lambda cursor: sessions.transition(cursor, self.session.id, SessionState.ABANDONED, utc_now())
        )


@pytest.fixture
def desk(ledger: Ledger, session: SessionRow, tmp_path: Path) -> Desk:
    return Desk(ledger, session, tmp_path / "spool")


async def pieces(content: bytes, piece: int = 64 * KIB) -> AsyncIterator[bytes]:
    for start in range(0, len(content), piece):
        yield content[start : start + piece]


async def reason_of(call: Callable[[], object]) -> str:
    with pytest.raises(VestibuleError) as caught:
        await call()  # type: ignore[misc]
    return caught.value.reason


@pytest.mark.parametrize("piece", [1 * KIB, 100 * KIB, 256 * KIB, 1024 * KIB])
async def test_accepted_means_kept(desk: Desk, piece: int) -> None:
    with desk.hub.subscribe(desk.session.id) as news:
        row = await desk.accept(piece=piece, kind="meter", media_type="image/jpeg")
        assert isinstance(await anext(news), SessionRow)
        assert await anext(news) == row
    assert (row.state, row.media_type, row.size_bytes) == (UploadState.ACCEPTED, "image/jpeg", len(JPEG))
    assert row.sha256 == hashlib.sha256(JPEG).hexdigest()

    def stored(cursor: Cursor) -> tuple[UploadRow, SessionRow]:
        return uploads.get(cursor, row.id), sessions.get(cursor, desk.session.id)

    upload, session = await desk.ledger.read(stored)
    assert replace(upload, create_time=row.create_time, update_time=row.update_time) == row
    assert session.state is SessionState.IN_PROGRESS
    (job,) = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.session.id))
    assert (job.kind, job.key, job.policy, job.state) == (
        "read_upload",
        f"read_upload:{row.id}",
        "network",
        JobState.QUEUED,
    )
    assert desk.files() == [job.payload["spool_id"]]
    assert desk.spool.read(job.payload["spool_id"]) == JPEG
    assert desk.woken == 1
    (*_, event) = await desk.ledger.read(lambda cursor: events.list_of_session(cursor, desk.session.id))
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
        pytest.param(b"%PDF-1.7" + bytes(9000), {}, "UNSUPPORTED_MEDIA", id="a PDF"),
        pytest.param(b"MZ", {"media_type": "image/jpeg"}, "UNSUPPORTED_MEDIA", id="a tiny program"),
        pytest.param(WAV, {"media_type": "image/jpeg"}, "MEDIA_TYPE_MISMATCH", id="sound as picture"),
        pytest.param(JPEG, {"media_type": "audio/wav"}, "MEDIA_TYPE_MISMATCH", id="picture as sound"),
        pytest.param(JPEG, {"kind": "recording"}, "MEDIA_TYPE_MISMATCH", id="picture of kind recording"),
        pytest.param(WAV, {"kind": "meter"}, "MEDIA_TYPE_MISMATCH", id="sound of kind meter"),
    ],
)
async def test_refused_leaves_nothing(desk: Desk, content: bytes, changes: dict[str, Any], reason: str) -> None:
    assert await reason_of(lambda: desk.accept(content, **changes)) == reason
    assert desk.files() == []
    assert await desk.ledger.read(jobs.count_open) == 0
    assert desk.woken == 0
    session = await desk.ledger.read(lambda cursor: sessions.get(cursor, desk.session.id))
    assert session.state is SessionState.STARTED


@pytest.mark.parametrize(
    ("kind", "pictures", "audio"), [("meter", True, False), ("recording", False, True), ("", True, True)]
)
async def test_a_format_that_is_not_read_is_told_with_those_of_its_kind(
    desk: Desk, kind: str, pictures: bool, audio: bool
) -> None:
    with pytest.raises(UnsupportedMedia) as caught:
        await desk.accept(b"MZ" + bytes(9000), kind=kind)
    assert (PICTURE_NAMES in caught.value.hint, AUDIO_NAMES in caught.value.hint) == (pictures, audio)


async def test_an_ended_session_takes_nothing_but_a_repeat(desk: Desk) -> None:
    described = desk.describe()
    row = await desk.intake.accept(described, pieces(JPEG))
    await desk.close_session()
    assert await reason_of(desk.accept) == "SESSION_ENDED"
    assert (await desk.intake.accept(described, pieces(JPEG))).id == row.id


async def test_a_session_that_ends_meanwhile_is_noticed(desk: Desk) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield JPEG[:1000]
        await desk.close_session()
        yield JPEG[1000:]

    assert await reason_of(lambda: desk.intake.accept(desk.describe(), slow())) == "WRONG_STATE"
    assert desk.files() == []


@pytest.mark.parametrize("with_hash", [True, False])
async def test_repeating_does_no_harm(desk: Desk, with_hash: bool) -> None:
    described = desk.describe() if with_hash else desk.describe(sha256=b"")
    first = await desk.intake.accept(described, pieces(JPEG))
    again = await desk.intake.accept(described, pieces(JPEG))
    assert (again.id, again.sha256) == (first.id, first.sha256)
    assert len(desk.files()) == 1
    assert await desk.ledger.read(jobs.count_open) == 1


@pytest.mark.parametrize("with_hash", [True, False])
async def test_an_id_names_one_content_of_one_session(desk: Desk, with_hash: bool) -> None:
    first = desk.describe()
    await desk.intake.accept(first, pieces(JPEG))
    other = JPEG[:-1] + bytes([JPEG[-1] ^ 1])
    changed = replace(first, sha256=hashlib.sha256(other).digest() if with_hash else b"")
    moved = replace(first, session_id=str(uuid4()))
    assert await reason_of(lambda: desk.intake.accept(changed, pieces(other))) == "UPLOAD_ID_REUSED"
    assert await reason_of(lambda: desk.intake.accept(moved, pieces(JPEG))) == "UPLOAD_ID_REUSED"
    assert len(desk.files()) == 1


async def test_the_same_upload_on_two_streams_at_a_time_is_kept_once(desk: Desk) -> None:
    described = desk.describe()
    rows = await asyncio.gather(*(desk.intake.accept(described, pieces(JPEG)) for _ in range(3)))
    assert len({row.id for row in rows}) == 1
    (job,) = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.session.id))
    assert desk.files() == [job.payload["spool_id"]]
    assert desk.spool.read(job.payload["spool_id"]) == JPEG


async def test_a_full_queue_takes_no_more(desk: Desk) -> None:
    for _ in range(3):
        await desk.accept()
    with pytest.raises(VestibuleError) as caught:
        await desk.accept()
    assert (caught.value.reason, caught.value.retry_after_s) == ("JOBS_FULL", 5.0)


async def test_a_stream_that_breaks_leaves_nothing(desk: Desk) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        raise Unavailable("The connection broke.")

    assert await reason_of(lambda: desk.intake.accept(desk.describe(), broken())) == "UNAVAILABLE"
    assert desk.files() == []


async def test_a_stream_that_stalls_is_cut(desk: Desk) -> None:
    desk.intake._stall_s = 0.0

    async def stalled() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        await asyncio.Event().wait()

    assert await reason_of(lambda: desk.intake.accept(desk.describe(), stalled())) == "UPLOAD_STALLED"
    assert desk.files() == []


async def test_a_caller_who_leaves_while_sending_leaves_nothing(desk: Desk) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        begun.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(desk.intake.accept(desk.describe(), endless()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert desk.files() == []
    assert desk.intake._on_their_way == set()


async def test_a_caller_who_leaves_at_the_last_moment_changes_nothing(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = desk.ledger.write
    writing = asyncio.Event()

    async def observed(fn: Callable[[Cursor], object]) -> object:
        writing.set()
        return await write(fn)

    monkeypatch.setattr(desk.ledger, "write", observed)
    call = asyncio.create_task(desk.accept())
    await writing.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await desk.intake.drain()
    (job,) = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.session.id))
    assert desk.files() == [job.payload["spool_id"]]


async def test_a_ledger_that_fails_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.", reason="LEDGER_IO")

    monkeypatch.setattr(desk.ledger, "write", failing)
    assert await reason_of(desk.accept) == "LEDGER_IO"
    assert desk.files() == []


async def test_new_material_withdraws_a_record_that_waits(desk: Desk) -> None:
    await desk.accept()
    now = utc_now()
    record = RecommendationRow(
        str(uuid4()), desk.session.id, RecommendationState.PENDING, redacted("{}"), "00", Origin.MODEL, now
    )

    def propose(cursor: Cursor) -> None:
        recommendations.insert_recommendation(cursor, record)
        sessions.transition(cursor, desk.session.id, SessionState.AWAITING_APPROVAL, now)

    await desk.ledger.write(propose)
    await desk.accept(WAV)

    def found(cursor: Cursor) -> tuple[RecommendationState, SessionState]:
        return recommendations.get(cursor, record.id).state, sessions.get(cursor, desk.session.id).state

    assert await desk.ledger.read(found) == (RecommendationState.SUPERSEDED, SessionState.IN_PROGRESS)


class TestSweep:
    async def test_a_crash_between_spool_and_ledger_leaves_no_orphan(self, desk: Desk) -> None:
        kept = await desk.accept()
        desk.spool.put(str(uuid4()), [JPEG])  # committed to the spool, killed before the ledger
        half = desk.spool.writer(str(uuid4()))
        half.write(JPEG)
        restarted = Desk(desk.ledger, desk.session, desk.folder)
        assert await restarted.intake.sweep() == 2
        half.abort()
        (job,) = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.session.id))
        assert restarted.files() == [job.payload["spool_id"]]
        assert job.payload["upload_id"] == kept.id

    async def test_it_leaves_uploads_on_their_way_and_conversations_alone(self, desk: Desk) -> None:
        with desk.spool.open_log(desk.session.id) as log:
            log.append(b"sound")
        half_way, swept = asyncio.Event(), asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            for start in range(0, len(big), 256 * KIB):
                if start == 3 * 1024 * KIB:
                    half_way.set()
                    await swept.wait()
                yield big[start : start + 256 * KIB]

        big = JPEG[:4] + os.urandom(4096 * KIB)
        desk.limits["upload_bytes"] = 5000 * KIB
        desk.__post_init__()
        call = asyncio.create_task(desk.intake.accept(desk.describe(big), slow()))
        await half_way.wait()
        assert await desk.intake.sweep() == 0
        swept.set()
        await call
        assert len(desk.files()) == 2

    async def test_what_is_done_or_given_up_goes_what_can_be_redriven_stays(self, desk: Desk) -> None:
        from server.ledger import dead_letters

        rows = [await desk.accept() for _ in range(3)]
        found = await desk.ledger.read(lambda cursor: jobs.list_of_session(cursor, desk.session.id))
        by_upload = {job.payload["upload_id"]: job for job in found}
        done, dead, given_up = (by_upload[row.id] for row in rows)
        now = utc_now()

        def end(cursor: Cursor) -> None:
            jobs.finish(cursor, done.id)
            jobs.kill(cursor, dead.id, now, reason="WORKER_LOST", message="It died.")
            letter = jobs.kill(cursor, given_up.id, now, reason="WORKER_LOST", message="It died.")
            dead_letters.discard(cursor, letter.id, now, "duplicate")

        await desk.ledger.write(end)
        assert await desk.intake.sweep() == 2
        assert desk.files() == [dead.payload["spool_id"]]
