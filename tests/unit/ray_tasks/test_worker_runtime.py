"""What leaves a worker, and how it waits for the redaction; no Ray is started."""

from __future__ import annotations

import asyncio
import logging
import threading
import traceback

import pytest

from models.cancellation import Cancellation, Cancelled
from models.errors import BrokenMedia, DeadlineExceeded, InternalError, Overloaded, RedactionFailed
from models.redaction.types import Redaction, RedactionContext
from models.text import RawText
from ray_tasks.worker_runtime import REDACTION_TIMEOUT_S, STUCK_S, BoundedExecutor, ErrorBoundary, RemoteRedactor
from tests.fakes.gateway import FakeGateway

SECRET = "John Carter"


def test_vestibule_errors_leave_without_their_cause() -> None:
    with pytest.raises(BrokenMedia) as caught, ErrorBoundary("vision"):
        try:
            raise ValueError(SECRET)
        except ValueError as exc:
            raise BrokenMedia("It does not decode.", hint="Again.", retry_after_s=2.0) from exc
    left = caught.value
    assert (left.message, left.hint, left.retry_after_s) == ("It does not decode.", "Again.", 2.0)
    assert left.__cause__ is None
    assert SECRET not in "".join(traceback.format_exception(left))


def test_other_errors_are_logged_by_type_name_only(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR, "ray.serve.vestibule")
    with pytest.raises(InternalError) as caught, ErrorBoundary("speech"):
        raise KeyError(SECRET)
    assert caught.value.reason == "WORKER_FAILED"
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    assert SECRET not in caplog.text
    assert "KeyError" in caplog.text


def test_a_cancellation_passes_the_error_boundary() -> None:
    with pytest.raises(asyncio.CancelledError), ErrorBoundary("speech"):
        raise asyncio.CancelledError


async def test_the_executor_runs_calls_in_order_and_drops_cancelled_ones() -> None:
    executor = BoundedExecutor("test", 1)
    go, done = threading.Event(), []

    def work(name: str) -> str:
        go.wait(60)
        done.append(name)
        return name

    first, second, third = (asyncio.create_task(executor.run(Cancellation(), work, name)) for name in ("a", "b", "c"))
    await asyncio.sleep(0)
    second.cancel()
    await asyncio.sleep(0)
    go.set()
    assert await first == "a"
    assert await third == "c"
    assert done == ["a", "c"]


async def test_a_running_call_is_told_that_its_caller_gave_up() -> None:
    executor, cancellation = BoundedExecutor("test", 1), Cancellation()
    begun, ended = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        if cancellation.wait(60):
            ended.set()

    task = asyncio.create_task(executor.run(cancellation, work))
    await asyncio.to_thread(begun.wait, 10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await asyncio.to_thread(ended.wait, 10)


async def test_a_call_whose_time_was_over_while_it_waited_never_runs() -> None:
    executor, now = BoundedExecutor("test", 1), [0.0]
    go, done = threading.Event(), list[str]()

    def work(name: str) -> None:
        go.wait(60)
        done.append(name)

    first = asyncio.create_task(executor.run(Cancellation(), work, "first"))
    second = asyncio.create_task(executor.run(Cancellation(5.0, lambda: now[0]), work, "second"))
    await asyncio.sleep(0)
    now[0] = 5.0
    go.set()
    await first
    with pytest.raises(DeadlineExceeded):
        await second
    assert done == ["first"]


async def test_a_hung_executor_is_reported() -> None:
    now = [0.0]
    executor = BoundedExecutor("test", 1, clock=lambda: now[0])
    begun, go = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        go.wait(60)

    cancellation = Cancellation(clock=lambda: now[0])
    task = asyncio.create_task(executor.run(cancellation, work))
    await asyncio.to_thread(begun.wait, 5)
    now[0] = STUCK_S
    executor.check()
    now[0] = STUCK_S + 1
    with pytest.raises(InternalError):
        executor.check()
    cancellation.check()  # work that looks at its cancellation goes on
    executor.check()
    go.set()
    await task
    executor.check()


async def test_a_remote_redactor_can_be_called_from_a_thread() -> None:
    gateway = FakeGateway(secrets={SECRET: "NAME"})

    async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
        return await gateway.redact(texts, context, timeout_s=1.0)

    redactor = RemoteRedactor(ask, asyncio.get_running_loop())
    result = await asyncio.to_thread(redactor.redact, RawText(f"{SECRET} is here"), RedactionContext())
    assert result.text.value == "[REDACTED_NAME] is here"
    assert redactor.redact_many([], RedactionContext()) == []


@pytest.mark.parametrize("error", [RedactionFailed("It broke."), Overloaded("Full.", retry_after_s=1.0)])
async def test_a_remote_redactor_fails_closed(error: RedactionFailed | Overloaded) -> None:
    async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
        raise error

    redactor = RemoteRedactor(ask, asyncio.get_running_loop())
    with pytest.raises(type(error)):
        await asyncio.to_thread(redactor.redact, RawText(SECRET), RedactionContext())


async def test_a_thread_that_waits_for_the_redaction_stops_when_the_caller_gives_up() -> None:
    asked, dropped = asyncio.Event(), asyncio.Event()

    async def ask(texts: list[RawText], context: RedactionContext, _timeout_s: float) -> list[Redaction]:
        asked.set()
        try:
            await asyncio.Event().wait()
        finally:
            dropped.set()
        return []

    cancellation = Cancellation()
    redactor = RemoteRedactor(ask, asyncio.get_running_loop(), cancellation=cancellation)
    thread = asyncio.create_task(asyncio.to_thread(redactor.redact, RawText(SECRET), RedactionContext()))
    await asked.wait()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        await thread
    await asyncio.wait_for(dropped.wait(), 10)


async def test_the_redaction_gets_the_time_that_the_call_has_left() -> None:
    given: list[float] = []

    async def ask(texts: list[RawText], context: RedactionContext, timeout_s: float) -> list[Redaction]:
        given.append(timeout_s)
        raise RedactionFailed("It broke.")

    now = [0.0]
    for left_s in (7.0, 1_000.0):
        cancellation = Cancellation(left_s, lambda: now[0])
        redactor = RemoteRedactor(ask, asyncio.get_running_loop(), cancellation=cancellation)
        with pytest.raises(RedactionFailed):
            await asyncio.to_thread(redactor.redact, RawText(SECRET), RedactionContext())
    assert given == [7.0, REDACTION_TIMEOUT_S]
