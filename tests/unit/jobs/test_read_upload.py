"""The job that reads an upload."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from vestibule.v1 import media_pb2

from models.errors import (
    BreakerOpen,
    BrokenMedia,
    DeadlineExceeded,
    InternalError,
    InvalidInput,
    NoSpeech,
    TooLarge,
    Unavailable,
    VestibuleError,
    WorkerLost,
    WorkTooLong,
)
from models.reasons import Reason
from models.retry import POLICIES
from ray_tasks.types import RecordingResult
from server.jobs.read_recording import ReadRecording
from server.jobs.types import JobOutcome
from server.ledger import dead_letters, erasure, job_attempts, retention
from server.ledger.columns import count
from server.ledger.types import JobState, UploadRow, UploadState
from server.rpc import convert
from server.rpc.interceptors.validate import Validate
from server.runtime.lifecycle import Lifecycle
from server.services.media import MediaService
from tests.eventually import eventually
from tests.fakes.gateway import FakeGateway, redacted
from tests.unit.jobs.conftest import JPEG, WAV, World
from tests.unit.ledger.stored import events_of_session


async def test_a_picture_becomes_text_and_a_redacted_picture(world: World) -> None:
    await world.start()
    upload = await world.upload(kind="visitor_register")
    await world.settle()
    done = await world.uploaded(upload.id)
    assert (done.state, done.progress, done.attempts) == (UploadState.DONE, 1.0, 1)
    assert done.text is not None
    assert "VISITOR REGISTER" in done.text.value
    assert done.artifact is not None
    assert (done.artifact.media_type, done.artifact.width, done.artifact.painted) == ("image/png", 1, 2)
    assert (world.artifacts / done.artifact.path).stat().st_size == done.artifact.size_bytes
    (call,) = world.gateway.called("read_picture")
    assert (call.argument, call.detail) == (JPEG, "visitor_register")
    assert world.spool.ids() == set()
    assert [job.state for job in await world.jobs()] == [JobState.DONE]
    names = [e.name for e in await world.read(lambda cursor: events_of_session(cursor, world.session_id))]
    of_upload = [name for name in names if not name.startswith(("step_", "field_"))]
    assert of_upload == ["stage_entered", "stage_entered", "upload_accepted", "upload_read"]
    assert "field_answered" in names, "the register answers how many visitors there were"


async def test_a_picture_of_a_session_that_another_server_erases_meanwhile_is_not_left(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That one looked for files before this one was written."""
    read = world.gateway.read_picture

    async def erased_meanwhile(*given: Any, **named: Any) -> Any:
        page = await read(*given, **named)
        await world.ledger.write(lambda cursor: erasure.erase(cursor, frozenset({world.session_id})))
        return page

    monkeypatch.setattr(world.gateway, "read_picture", erased_meanwhile)
    await world.start()
    await world.upload()
    await world.settle()
    assert [attempt.outcome for attempt in world.attempts] == [JobOutcome.LOST]
    assert list(world.artifacts.iterdir()) == []
    assert not await world.read(lambda cursor: count(cursor, "SELECT count(*) FROM dead_letters"))


async def test_a_recording_becomes_text(world: World) -> None:
    await world.start()
    upload = await world.upload(WAV, kind="recording")
    await world.settle()
    done = await world.uploaded(upload.id)
    assert done.state is UploadState.DONE
    assert done.text is not None
    assert "[REDACTED_NAME]" in done.text.value
    assert done.artifact is None
    assert world.gateway.called("read_recording")[0].argument == WAV


@pytest.mark.parametrize(
    "refused",
    [
        BreakerOpen("Paused.", retry_after_s=60.0),
        Unavailable("Away.", reason=Reason.WORKERS_NOT_READY, retry_after_s=60.0),
    ],
    ids=["breaker", "workers"],
)
async def test_a_refusal_is_no_attempt_at_an_upload(world: World, refused: VestibuleError) -> None:
    lost = WorkerLost("It died.")
    world.gateway.will("read_picture", refused, lost, refused)
    await world.start()
    upload = await world.upload()
    seen = []
    for _ in range(4):
        await world.settle()
        row = await world.uploaded(upload.id)
        seen.append((row.state, row.attempts))
        world.clock.advance(70)
    assert seen == [
        (UploadState.ACCEPTED, 0),
        (UploadState.PROCESSING, 1),
        (UploadState.ACCEPTED, 1),
        (UploadState.DONE, 2),
    ]
    assert len(world.gateway.called("read_picture")) == 4


async def test_an_upload_that_nobody_could_read_in_time_has_no_attempts(world: World) -> None:
    wait_s = POLICIES["network"].total_s / 2
    world.gateway.will("read_picture", *[BreakerOpen("Paused.", retry_after_s=wait_s)] * 3)
    await world.start()
    upload = await world.upload()
    for _ in range(3):
        await world.settle()
        world.clock.advance(wait_s * 1.2)
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.reason, letter.attempts) == (Reason.BREAKER_OPEN, 0)
    failed = await world.uploaded(upload.id)
    assert (failed.state, failed.attempts) == (UploadState.FAILED, 0)
    assert await world.read(lambda cursor: job_attempts.list_of_job(cursor, letter.job_id)) == []


@pytest.mark.parametrize(
    ("error", "letters"),
    [
        (TooLarge("Too many lines.", reason=Reason.PAGE_TOO_DENSE), 0),
        (WorkTooLong("It was ended after 60 s.", reason=Reason.PAGE_TOO_SLOW), 1),
    ],
)
async def test_a_page_of_dense_print_is_tried_once(world: World, error: VestibuleError, letters: int) -> None:
    world.gateway.will("read_picture", error)
    await world.start()
    upload = await world.upload()
    await world.settle()
    failed = await world.uploaded(upload.id)
    assert (failed.state, failed.failure_reason, failed.attempts) == (UploadState.FAILED, error.reason, 1)
    assert failed.artifact is None
    assert not world.artifacts.exists(), "nothing of it is kept"
    assert len(world.gateway.called("read_picture")) == 1
    assert len(world.spool.ids()) == letters, "what can be redriven needs its content"


async def test_recordings_hold_up_no_picture_and_each_other_beyond_two(world: World) -> None:
    free = world.gateway.hold("read_recording")
    await world.start()
    sessions = [await world.new_session() for _ in range(3)]
    recordings = [await world.upload(WAV, kind="recording", session_id=session_id) for session_id in sessions]
    await world.until_called("read_recording", times=2)
    picture = await world.upload(session_id=sessions[0])
    await eventually(lambda: world.outcomes == ["done"])
    assert (await world.uploaded(picture.id)).state is UploadState.DONE
    assert len(world.gateway.called("read_recording")) == 2
    free.set()
    await world.settle()
    assert [(await world.uploaded(row.id)).state for row in recordings] == [UploadState.DONE] * 3


async def test_the_wait_for_room_is_left_out_of_the_deadline_of_a_recording(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ReadRecording, "reading_s", 0.0)
    room, _never = world.gateway.hold("room"), world.gateway.hold("read_recording")
    await world.start()
    await world.upload(WAV, kind="recording")
    await eventually(lambda: world.gateway.running)
    for _ in range(10):
        await asyncio.sleep(0)
    assert not world.gateway.cancelled
    room.set()
    await eventually(lambda: world.outcomes)
    assert [(one.outcome, one.reason) for one in world.attempts] == [("retry", "DEADLINE_EXCEEDED")]


async def test_a_muted_recording_is_kept_when_configured(world: World) -> None:
    world.keep_recordings = True
    await world.start()
    upload = await world.upload(WAV, kind="recording")
    await world.settle()
    done = await world.uploaded(upload.id)
    assert done.artifact is not None
    assert (done.artifact.media_type, done.artifact.painted) == ("audio/flac", 1)
    kept = [path.read_bytes() for path in world.artifacts.iterdir()]
    assert kept == [(world.artifacts / done.artifact.path).read_bytes()]
    assert len(kept[0]) == done.artifact.size_bytes
    message = convert.upload(done)
    assert (message.has_redacted_recording, message.has_redacted_image) == (True, False)
    media = MediaService(world.intake, world.ledger, world.pubsub, Lifecycle(), world.artifacts)
    request = media_pb2.DownloadRedactedRequest(upload_id=upload.id)
    first, *parts = [part async for part in media.DownloadRedacted(request, None)]
    assert first.WhichOneof("payload") == "recording"
    assert (first.recording.media_type, first.recording.muted_count) == ("audio/flac", 1)
    assert first.recording.size_bytes == len(kept[0])
    assert b"".join(part.data for part in parts) == kept[0]


async def test_a_recording_not_proven_safe_is_not_kept(world: World) -> None:
    world.keep_recordings = True
    unproven = RecordingResult(redacted("my name is Maria"), "en", audio_s=4.0, compute_s=0.1)
    world.gateway.will("read_recording", unproven)
    await world.start()
    upload = await world.upload(WAV, kind="recording")
    await world.settle()
    done = await world.uploaded(upload.id)
    assert (done.state, done.artifact) == (UploadState.DONE, None)
    assert not world.artifacts.exists()
    assert not convert.upload(done).has_redacted_recording


async def refusal(world: World, upload_id: str) -> VestibuleError:
    """Why an upload cannot be downloaded."""
    media = MediaService(world.intake, world.ledger, world.pubsub, Lifecycle(), world.artifacts)
    with pytest.raises(VestibuleError) as caught:
        async for _ in media.DownloadRedacted(media_pb2.DownloadRedactedRequest(upload_id=upload_id), None):
            pytest.fail("downloaded")
    return caught.value


async def test_a_download_tells_what_is_true_of_the_upload(world: World) -> None:
    waiting = await world.upload(WAV, kind="recording")
    assert (await refusal(world, waiting.id)).reason is Reason.UPLOAD_NOT_READ
    world.gateway.will("read_picture", BrokenMedia("It does not decode."))
    await world.start()
    broken = await world.upload()
    picture = await world.upload(JPEG + b"2")
    await world.settle()
    kept_none = await refusal(world, waiting.id)
    assert (kept_none.reason, "recording" in kept_none.message) == (Reason.NO_RECORDING, True)
    assert "VESTIBULE_KEEP_REDACTED_RECORDINGS" in kept_none.hint
    failed = await refusal(world, broken.id)
    assert (failed.reason, failed.message) == (
        Reason.NO_PICTURE,
        "The upload failed, so there is no redacted picture.",
    )
    await world.ledger.write(lambda cursor: retention.clear_artifacts(cursor, datetime.max.replace(tzinfo=UTC)))
    for upload, reason in ((waiting, Reason.NO_RECORDING), (picture, Reason.NO_PICTURE)):
        old = await refusal(world, upload.id)
        assert (old.reason, old.message.endswith("was deleted by age.")) == (reason, True)


async def test_an_empty_upload_passes_the_rules_of_the_proto_and_is_told_as_such(world: World) -> None:
    described = media_pb2.UploadDescription(upload_id=str(uuid4()), session_id=world.session_id)
    first = media_pb2.UploadRequest(description=described)
    Validate().check_message(first)

    async def requests() -> AsyncIterator[media_pb2.UploadRequest]:
        yield first

    media = MediaService(world.intake, world.ledger, world.pubsub, Lifecycle(), world.artifacts)
    with pytest.raises(InvalidInput) as caught:
        await media.Upload(requests(), None)
    assert caught.value.reason is Reason.UPLOAD_EMPTY


async def test_progress_is_published(world: World) -> None:
    await world.start()
    seen: list[float] = []
    with world.pubsub.subscribe(world.session_id, queue_updates=100) as news:

        async def follow() -> None:
            async for update in news:
                if isinstance(update, UploadRow):
                    seen.append(update.progress)
                    if update.state is UploadState.DONE:
                        return

        following = asyncio.create_task(follow())
        await world.upload()
        await asyncio.wait_for(following, 10)
    assert seen == [0.0, 0.1, 0.5, 0.9, 1.0]


LATE = DeadlineExceeded("The workers did not answer in time.")


@pytest.mark.parametrize(
    "error", [BrokenMedia("It does not decode."), NoSpeech("Nobody speaks."), TooLarge("Too many pixels.")]
)
async def test_a_bad_file_fails_without_a_dead_letter(world: World, error: VestibuleError) -> None:
    world.gateway.will("read_picture", error)
    await world.start()
    upload = await world.upload()
    await world.settle()
    failed = await world.uploaded(upload.id)
    assert (failed.state, failed.failure_reason) == (UploadState.FAILED, error.reason)
    assert [job.state for job in await world.jobs()] == [JobState.DONE]
    assert await world.read(dead_letters.count_open) == 0
    assert world.spool.ids() == set()
    assert world.outcomes == ["refused"]


async def test_a_transient_failure_is_retried_by_the_policy(world: World) -> None:
    world.gateway.will("read_picture", *[LATE] * 2)
    await world.start()
    upload = await world.upload()
    await world.settle()
    delays: list[float] = []
    for _ in range(2):
        delay_s = world.attempts[-1].retry_in_s
        assert delay_s is not None
        delays.append(delay_s)
        world.clock.advance(delay_s - 0.01)
        assert await world.runner.claim() == 0
        world.clock.advance(0.02)
        await world.settle()
    policy = POLICIES["network"]
    for retry, delay_s in enumerate(delays):
        whole = policy.first_delay_s * policy.factor**retry
        assert whole / 2 <= delay_s <= whole
    assert world.outcomes == ["retry", "retry", "done"]
    done = await world.uploaded(upload.id)
    assert (done.state, done.attempts) == (UploadState.DONE, 3)


async def exhaust(world: World) -> None:
    await world.settle()
    while (delay_s := world.attempts[-1].retry_in_s) is not None:
        world.clock.advance(delay_s)
        await world.settle()


async def test_exhaustion_ends_in_a_dead_letter_that_can_be_redriven(world: World) -> None:
    world.gateway.will("read_picture", *[LATE] * 6)
    await world.start()
    upload = await world.upload()
    await exhaust(world)
    assert world.outcomes == ["retry"] * 5 + ["dead"]
    failed = await world.uploaded(upload.id)
    assert (failed.state, failed.failure_reason) == (UploadState.FAILED, "DEADLINE_EXCEEDED")
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.reason, letter.attempts, letter.policy) == ("DEADLINE_EXCEEDED", 6, "network")
    assert await world.intake.sweep() == 0
    assert len(world.spool.ids()) == 1

    await world.runner.redrive(letter.id)
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert world.spool.ids() == set()
    assert (await world.runner.redrive(letter.id)).closed_as == "retried"
    assert (await world.uploaded(upload.id)).state is UploadState.DONE


async def test_a_permanent_failure_is_not_retried(world: World) -> None:
    world.gateway.will("read_picture", InternalError("A defect."))
    await world.start()
    await world.upload()
    await world.settle()
    assert world.outcomes == ["dead"]
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.reason, letter.policy, letter.attempts) == ("INTERNAL", "", 1)


async def test_discarding_a_letter_deletes_the_content(world: World) -> None:
    world.gateway.will("read_picture", InternalError("A defect."))
    await world.start()
    upload = await world.upload()
    await world.settle()
    (letter,), _ = await world.read(dead_letters.list_letters)
    await world.runner.discard(letter.id, "duplicate")
    assert world.spool.ids() == set()
    assert (await world.uploaded(upload.id)).state is UploadState.FAILED


async def test_damaged_content_becomes_a_dead_letter(world: World) -> None:
    await world.upload()
    (path,) = (world.folder / "spool").iterdir()
    path.write_bytes(path.read_bytes()[:-1])
    await world.start()
    await world.settle()
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert letter.reason == "SPOOL_CORRUPT"


async def test_the_session_keeps_its_order(world: World) -> None:
    free = world.gateway.hold("read_picture")
    await world.start()
    first = await world.upload()
    world.clock.advance(0.001)  # jobs of one moment have no order but that of their random ids
    second = await world.upload()
    await world.until_called("read_picture")
    assert (await world.uploaded(second.id)).state is UploadState.ACCEPTED
    free.set()
    await world.settle()
    assert (await world.uploaded(first.id)).state is UploadState.DONE
    assert (await world.uploaded(second.id)).state is UploadState.DONE


def contents_below(folder: Path) -> list[bytes]:
    return [f.read_bytes() for f in folder.rglob("*") if f.is_file()]


async def test_pictures_are_private_and_no_unredacted_content_remains(tmp_path: Path) -> None:
    world = World(tmp_path, gateway=FakeGateway(printed=("VISITOR REGISTER",)))
    await world.start()
    await world.upload()
    await world.settle()
    await world.runner.stop(0)
    world.ledger.close()
    assert world.artifacts.stat().st_mode & 0o077 == 0
    assert all(b"a photograph" not in content for content in contents_below(tmp_path))
