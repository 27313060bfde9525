"""Uploads that stop on their way: nothing is left of them, or everything is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import Cursor
from tests.unit.ledger.stored import jobs_of_session
from tests.unit.uploads.upload_harness import JPEG, KIB, Desk, reason_of


async def test_a_session_that_ends_meanwhile_is_noticed(desk: Desk) -> None:
    async def slow() -> AsyncIterator[bytes]:
        yield JPEG[:1000]
        await desk.close_session()
        yield JPEG[1000:]

    assert await reason_of(lambda: desk.intake.accept(desk.describe(), slow())) == "WRONG_STATE"
    assert desk.files() == []


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
    assert desk.intake._receiving == set()


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
    (job,) = await desk.ledger.read(lambda cursor: jobs_of_session(cursor, desk.session.id))
    assert desk.files() == [job.payload["spool_id"]]


async def test_a_ledger_that_fails_leaves_nothing(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.", reason=Reason.LEDGER_IO)

    monkeypatch.setattr(desk.ledger, "write", failing)
    assert await reason_of(desk.accept) == "LEDGER_IO"
    assert desk.files() == []
