"""What a sweep of the spool removes, and what it leaves."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from uuid import uuid4

from server.ledger import job_ends
from server.ledger.columns import Cursor
from server.ledger.types import utc_now
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, KIB, UploadHarness

HOUR = timedelta(hours=1)


async def test_a_crash_between_spool_and_ledger_leaves_no_orphan(harness: UploadHarness) -> None:
    kept = await harness.accept()
    harness.spool.put(str(uuid4()), [JPEG])  # committed to the spool, killed before the ledger
    half = harness.spool.writer(str(uuid4()))
    half.write(JPEG)
    restarted = UploadHarness(harness.ledger, harness.session, harness.folder)
    assert await restarted.intake.sweep() == 2
    half.abort()
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert restarted.files() == [job.payload["spool_id"]]
    assert job.payload["upload_id"] == kept.id


async def test_a_sweep_leaves_uploads_receiving_and_conversations_alone(harness: UploadHarness) -> None:
    with harness.spool.open_log(harness.session.id) as log:
        log.append(b"sound")
    half_way, swept = asyncio.Event(), asyncio.Event()

    async def slow() -> AsyncIterator[bytes]:
        for start in range(0, len(big), 256 * KIB):
            if start == 3 * 1024 * KIB:
                half_way.set()
                await swept.wait()
            yield big[start : start + 256 * KIB]

    big = JPEG[:4] + random.Random(4).randbytes(4096 * KIB)
    harness = harness.with_limits(upload_bytes=5000 * KIB)
    call = asyncio.create_task(harness.intake.accept(harness.describe(big), slow()))
    await half_way.wait()
    assert await harness.intake.sweep() == 0
    swept.set()
    await call
    assert len(harness.files()) == 2


async def test_content_is_deleted_unless_its_job_can_still_run(harness: UploadHarness) -> None:
    rows = [await harness.accept() for _ in range(3)]
    found = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    by_upload = {job.payload["upload_id"]: job for job in found}
    done, dead, given_up = (by_upload[row.id] for row in rows)
    now = utc_now()

    def end(cursor: Cursor) -> None:
        job_ends.finish(cursor, done.id, owner="")
        job_ends.fail(cursor, dead.id, now, reason="WORKER_LOST", message="It died.", owner="")
        letter = job_ends.fail(cursor, given_up.id, now, reason="WORKER_LOST", message="It died.", owner="")
        job_ends.discard(cursor, letter.id, now, "duplicate")

    await harness.ledger.write(end)
    assert await harness.intake.sweep() == 2
    assert harness.files() == [dead.payload["spool_id"]]


async def test_a_sweep_keeps_what_any_job_needs_that_can_still_run(harness: UploadHarness) -> None:
    """Jobs that were never tried, run, wait for their next attempt, or were redriven; and one whose lease ran out."""
    harness = harness.with_limits(open_jobs=10, session_jobs=10)
    for _ in range(5):
        await harness.accept()
    found = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    _, running, waiting, redriven, lost = found
    now = utc_now()

    def move(cursor: Cursor) -> None:
        for job, until in ((running, now + HOUR), (lost, now - HOUR)):
            cursor.execute("UPDATE jobs SET state = 'RUNNING', lease_until = ? WHERE id = ?", [until, job.id])
        cursor.execute("UPDATE jobs SET attempts = 3, next_attempt_time = ? WHERE id = ?", [now + HOUR, waiting.id])
        letter = job_ends.fail(cursor, redriven.id, now, reason="WORKER_LOST", message="It died.", owner="")
        job_ends.redrive(cursor, letter.id, now)

    await harness.ledger.write(move)
    assert await harness.intake.sweep() == 0
    assert set(harness.files()) == {job.payload["spool_id"] for job in found}


async def test_only_what_is_deleted_now_counts(harness: UploadHarness) -> None:
    harness.spool.put(str(uuid4()), [JPEG])
    harness.spool.keep()  # a backup copies the files
    for _ in range(2):
        assert await harness.intake.sweep() == 0
    assert len(harness.files()) == 1
    harness.spool.let_go()
    assert harness.files() == []
    assert await harness.intake.sweep() == 0
