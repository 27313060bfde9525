"""Bounds on what arrives and waits: the seed's size, jobs and bytes of the server and of a session, the spool."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Overloaded, TooLarge
from server.ledger import jobs, sessions
from server.ledger.types import SessionRow, SessionState
from server.setting_groups import MEBIBYTE, LimitSettings
from server.uploads.spool import Spool
from server.uploads.usage import LogBounds
from tests.eventually import eventually
from tests.fakes.cleaner import OtherBytes
from tests.unit.uploads.upload_harness import JPEG, KIB, UploadHarness, pieces, reason_at_once, reason_of


async def test_11_mb_is_refused(harness: UploadHarness) -> None:
    server = replace(harness, limits=LimitSettings())
    with pytest.raises(TooLarge) as caught:
        await server.accept(JPEG, size_bytes=11 * MEBIBYTE)
    assert caught.value.reason == "UPLOAD_TOO_LARGE"
    largest = JPEG[:4] + bytes(10 * MEBIBYTE - 4)
    assert (await server.accept(largest)).size_bytes == 10 * MEBIBYTE


async def test_11_mb_that_are_declared_as_10_are_cut_off(harness: UploadHarness) -> None:
    server = replace(harness, limits=LimitSettings())
    taken = 0

    async def lies() -> AsyncIterator[bytes]:
        nonlocal taken
        async for chunk in pieces(JPEG[:4] + bytes(11 * MEBIBYTE), 256 * KIB):
            taken += len(chunk)
            yield chunk

    described = server.describe(JPEG, size_bytes=10 * MEBIBYTE)
    assert await reason_of(lambda: server.intake.accept(described, lies())) == "SIZE_MISMATCH"
    assert taken == 10 * MEBIBYTE + 256 * KIB, "cut at the first message too many"


async def another_session(harness: UploadHarness) -> str:
    now = harness.clock()
    row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now)
    await harness.ledger.write(lambda cursor: sessions.insert_or_get(cursor, row))
    return row.id


@pytest.mark.parametrize("bound", [{"session_jobs": 2}, {"session_spool_bytes": 1024 * KIB}])
async def test_what_waits_is_bounded_for_a_session(harness: UploadHarness, bound: dict[str, int]) -> None:
    server = harness.with_limits(open_jobs=100, **bound)
    for _ in range(bound.get("session_jobs", 3)):  # three times 300 KiB fit into a mebibyte
        await server.accept()
    assert await reason_of(server.accept) == "SESSION_JOBS_FULL"
    await server.accept(session_id=await another_session(server))


async def test_jobs_that_wait_for_an_upstream_refuse_no_upload(harness: UploadHarness) -> None:
    """A key that ran out over a weekend, or a server without a remote LLM, keeps jobs for days."""
    server = harness.with_limits(open_jobs=2, session_jobs=2)
    kinds = [("reply", "llm_api"), ("propose_record", "llm_api"), ("label_picture", "vision_api")]
    kept = [
        jobs.new_job(kind, f"{kind}:{n}", server.session.id, {}, policy, server.clock())
        for kind, policy in kinds
        for n in range(3)
    ]
    for job in kept:
        await server.ledger.write(partial(jobs.insert_job, row=job))
    for _ in range(2):
        await server.accept()
    assert await reason_of(server.accept) in ("JOBS_FULL", "SESSION_JOBS_FULL")


async def test_what_waits_for_a_session_counts_as_it_is_stored(harness: UploadHarness) -> None:
    larger = OtherBytes(JPEG * 3)  # as recordings become when they are encoded anew
    server = replace(harness.with_limits(open_jobs=100, session_spool_bytes=1024 * KIB), cleaner=larger)
    await server.accept()
    assert folder_bytes(server.folder) > 900 * KIB
    assert await reason_of(server.accept) == "SESSION_JOBS_FULL"
    await server.accept(session_id=await another_session(server))


async def test_the_bytes_that_arrive_at_a_time_are_bounded(harness: UploadHarness) -> None:
    server = harness.with_limits(arriving_bytes=1024 * KIB)
    end, started = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        yield JPEG[:5000]
        started.set()
        await end.wait()
        yield JPEG[5000 : 300 * KIB]

    call = asyncio.create_task(server.intake.accept(server.describe(JPEG[: 300 * KIB]), slow()))
    await started.wait()
    assert await reason_of(lambda: server.accept(JPEG[:4] + bytes(900 * KIB))) == "UPLOADS_FULL"
    end.set()
    await call
    await server.accept(JPEG[:4] + bytes(900 * KIB))


async def test_repeats_without_a_hash_are_among_the_bytes_that_arrive(harness: UploadHarness) -> None:
    server = harness.with_limits(arriving_bytes=1024 * KIB)
    described = server.describe(sha256=b"")
    await server.intake.accept(described, pieces(JPEG))
    started: list[int] = []

    async def stalled() -> AsyncIterator[bytes]:
        started.append(1)
        yield JPEG[:5000]
        await asyncio.Event().wait()

    calls = [asyncio.create_task(server.intake.accept(described, stalled())) for _ in range(3)]
    await eventually(lambda: len(started) == 3)  # 900 KiB
    assert await reason_of(lambda: server.intake.accept(described, pieces(JPEG))) == "UPLOADS_FULL"
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    await server.intake.drain()
    await server.intake.accept(described, pieces(JPEG))


async def test_a_full_spool_refuses_before_the_first_byte(harness: UploadHarness) -> None:
    server = harness.with_limits(spool_bytes=1024 * KIB, open_jobs=100)
    for _ in range(3):
        await server.accept()
    with pytest.raises(Overloaded) as caught:
        await server.accept()
    assert (caught.value.reason, caught.value.retry_after_s) == ("SPOOL_FULL", 5.0)


def folder_bytes(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.iterdir())


def test_the_spool_counts_what_is_in_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "spool"
    spool = Spool(folder, bytes(32))
    kept, deleted, stream = str(uuid4()), str(uuid4()), str(uuid4())
    spool.put(kept, [JPEG, b"more"])
    spool.put(deleted, [JPEG])
    spool.delete(deleted)
    spool.delete(deleted)
    half = spool.writer(str(uuid4()))
    half.write(JPEG)
    assert spool.usage.used_bytes == folder_bytes(folder) > 600 * KIB
    half.abort()
    half.abort()
    with spool.open_log(stream) as log:
        log.append(bytes(5000))
        log.mark()
    assert spool.usage.used_bytes == folder_bytes(folder)
    assert Spool(folder, bytes(32)).usage.used_bytes == folder_bytes(folder), "counted at the start"
    with (folder / f"{stream}.log").open("ab") as torn:
        torn.write(b"half a frame")
    again = Spool(folder, bytes(32))
    again.open_log(stream).close()
    assert again.usage.used_bytes == folder_bytes(folder)
    again.delete_log(stream)
    again.delete(kept)
    assert again.usage.used_bytes == folder_bytes(folder) == 0


def test_a_full_spool_takes_neither_media_nor_audio(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(32), limit_bytes=100 * KIB)
    assert reason_at_once(lambda: spool.put(str(uuid4()), [JPEG])) == "SPOOL_FULL"
    assert (spool.usage.used_bytes, list(tmp_path.iterdir())) == (0, [])
    with spool.open_log(stream := str(uuid4())) as log:
        log.append(bytes(60 * KIB))
        assert reason_at_once(lambda: log.append(bytes(60 * KIB))) == "SPOOL_FULL"
    assert spool.usage.used_bytes == folder_bytes(tmp_path) <= 100 * KIB
    assert spool.log_bytes(stream) == 60 * KIB, "only whole frames are kept"


def test_logs_that_a_backup_keeps_count_until_they_are_deleted(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(32), limit_bytes=1000 * KIB, client_logs=LogBounds(size_bytes=200 * KIB))
    spool.keep()

    def stream_and_finish() -> None:
        stream = str(uuid4())
        spool.logs.assign(stream, "greedy")
        try:
            with spool.open_log(stream) as log:
                log.append(bytes(60 * KIB))
        finally:
            spool.delete_log(stream)

    for _ in range(3):
        stream_and_finish()
    assert reason_at_once(stream_and_finish) == "CLIENT_AUDIO_FULL"
    assert spool.usage.used_bytes == folder_bytes(tmp_path) <= 200 * KIB, "its neighbours have the rest"
    with spool.open_log(str(uuid4())) as neighbour:
        neighbour.append(bytes(600 * KIB))
    spool.let_go()
    stream_and_finish()
    assert spool.usage.used_bytes == folder_bytes(tmp_path)


def test_what_is_written_after_a_log_was_deleted_does_not_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(32), client_logs=LogBounds(size_bytes=100 * KIB, logs=1))
    stream = str(uuid4())
    spool.logs.assign(stream, "app")
    log = spool.open_log(stream)
    log.append(bytes(1000))
    spool.delete_log(stream)
    assert reason_at_once(lambda: log.append(bytes(1000))) == "STREAM_NOT_FOUND"
    log.close()
    assert (spool.usage.used_bytes, list(tmp_path.iterdir())) == (0, [])
    assert spool.logs.problem("app") is None
    spool.logs.assign(other := str(uuid4()), "app")
    with spool.open_log(other) as log:
        log.append(bytes(50 * KIB))
    spool.delete_log(other)
    assert spool.usage.used_bytes == 0


def test_an_append_that_fails_after_its_log_was_deleted_takes_nothing_from_the_count(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(32))
    kept, stream = str(uuid4()), str(uuid4())
    spool.put(kept, [JPEG])
    used = spool.usage.used_bytes
    with spool.open_log(stream) as log:
        log.append(bytes(1000))
        spool.delete_log(stream)
        spool.logs.remove(stream, 1000)
    assert spool.usage.used_bytes == used


def test_the_logs_of_a_client_are_counted_as_long_as_they_are_there(tmp_path: Path) -> None:
    spool = Spool(tmp_path, bytes(32), client_logs=LogBounds(size_bytes=100 * KIB, logs=2))
    first, second = str(uuid4()), str(uuid4())
    for stream in (first, second):
        spool.logs.assign(stream, "app")
        with spool.open_log(stream) as log:
            log.append(bytes(40 * KIB))
            if stream == second:
                assert reason_at_once(lambda: log.append(bytes(40 * KIB))) == "CLIENT_AUDIO_FULL"
    assert spool.log_bytes(second) == 40 * KIB, "only whole frames are kept"
    assert spool.logs.problem("app") is not None
    with spool.open_log(str(uuid4())) as of_nobody:
        of_nobody.append(bytes(200 * KIB))
    spool.delete_log(first)
    spool.delete_log(first)
    assert spool.logs.problem("app") is None
    with spool.open_log(second) as log:
        log.append(bytes(50 * KIB))
    assert spool.usage.used_bytes == folder_bytes(tmp_path)
