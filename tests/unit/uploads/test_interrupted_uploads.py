"""Interrupted uploads are stored whole or leave nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger import erasure
from server.ledger.columns import Cursor, count
from server.uploads.pace import UploadPace
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, KIB, UploadHarness, reason_of


async def test_a_session_that_ends_meanwhile_is_noticed(harness: UploadHarness) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield JPEG[:1000]
        await harness.close_session()
        yield JPEG[1000:]

    assert await reason_of(lambda: harness.intake.accept(harness.describe(), slow())) == "SESSION_ENDED"
    assert harness.files() == []


async def test_a_broken_upload_leaves_no_file_and_no_row(harness: UploadHarness) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        raise Unavailable("The connection broke.")

    assert await reason_of(lambda: harness.intake.accept(harness.describe(), broken())) == "UNAVAILABLE"
    assert harness.files() == []


async def test_a_stalled_upload_is_refused(harness: UploadHarness) -> None:
    harness.intake._pace = UploadPace(stall_s=0.05)

    async def stalled() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        await asyncio.Event().wait()

    assert await reason_of(lambda: harness.intake.accept(harness.describe(), stalled())) == "UPLOAD_STALLED"
    assert harness.files() == []


async def test_a_caller_that_leaves_while_sending_leaves_no_file(harness: UploadHarness) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        begun.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(harness.intake.accept(harness.describe(), endless()))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert harness.files() == []
    assert harness.intake._arriving.size_bytes == 0


async def test_a_caller_that_leaves_during_the_commit_does_not_undo_it(
    harness: UploadHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = harness.ledger.write
    writing = asyncio.Event()

    async def observed(fn: Callable[[Cursor], object]) -> object:
        if harness.files():  # not the write that counts the attempt
            writing.set()
        return await write(fn)

    monkeypatch.setattr(harness.ledger, "write", observed)
    call = asyncio.create_task(harness.accept())
    await writing.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await harness.intake.drain()
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert harness.files() == [job.payload["spool_id"]]


async def test_a_failing_ledger_leaves_no_file(harness: UploadHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.", reason=Reason.LEDGER_IO)

    monkeypatch.setattr(harness.ledger, "write", failing)
    assert await reason_of(harness.accept) == "LEDGER_IO"
    assert harness.files() == []


async def test_an_upload_of_a_session_that_is_erased_ends_at_once(harness: UploadHarness) -> None:
    begun = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield JPEG[: 100 * KIB]
        begun.set()
        await asyncio.Event().wait()

    call = asyncio.create_task(harness.intake.accept(harness.describe(), endless()))
    await begun.wait()
    await harness.intake.end_sessions(frozenset({"another"}))
    assert not call.done()
    await harness.intake.end_sessions(frozenset({harness.session.id}))
    assert (harness.intake._arriving.size_bytes, harness.files()) == (0, [])
    with pytest.raises(VestibuleError) as caught:
        await call
    assert caught.value.reason == "SESSION_NOT_FOUND"


async def test_an_erasure_waits_for_an_upload_that_is_being_stored(
    harness: UploadHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = harness.ledger.write
    writing, go_on = asyncio.Event(), asyncio.Event()

    async def held(fn: Callable[[Cursor], object]) -> object:
        if harness.files():  # not the write that counts the attempt
            writing.set()
            await go_on.wait()
        return await write(fn)

    monkeypatch.setattr(harness.ledger, "write", held)
    call = asyncio.create_task(harness.accept())
    await writing.wait()
    ending = asyncio.create_task(harness.intake.end_sessions(frozenset({harness.session.id})))
    await asyncio.wait([call])
    assert not ending.done()
    go_on.set()
    await ending
    (job,) = await harness.ledger.read(lambda cursor: jobs_of_session(cursor, harness.session.id))
    assert harness.files() == [job.payload["spool_id"]]
    assert isinstance(call.exception(), VestibuleError)


async def test_a_refusal_after_the_erasure_writes_nothing_of_the_session(harness: UploadHarness) -> None:
    async def erased_meanwhile() -> AsyncIterator[bytes]:
        yield JPEG[:1000]
        await harness.ledger.write(lambda cursor: erasure.erase(cursor, frozenset({harness.session.id})))
        yield JPEG[1000:]

    described = harness.describe(sha256=bytes(32))
    assert await reason_of(lambda: harness.intake.accept(described, erased_meanwhile())) == "HASH_MISMATCH"
    of_session = "SELECT count(*) FROM events WHERE session_id = ?"
    assert await harness.ledger.read(lambda cursor: count(cursor, of_session, [harness.session.id])) == 0
