"""Calls in flight at an upstream whose breaker opens because it is silent. Each answer is given by hand."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import suppress

import httpx2
import pytest

from models.errors import DeadlineExceeded, VestibuleError
from models.reasons import Reason
from server.breakers.types import BreakerBounds, BreakerChange, BreakerState
from server.ledger.types import Origin
from server.llm.assistant import OpenAiAssistant
from server.llm.types import ReplyStream, WrittenRecord
from server.llm.upstream import Patience, Upstream
from tests.clocks import HandSeconds
from tests.unit.llm.assistants import llm_breaker, upstream_at
from tests.unit.llm.texts import SITE_VISIT, said_anew
from tests.unit.llm.wire import events, token

FAILURES = 3
HOUR_S = 3600.0
"""No call ends by a time limit of its own."""
SOON_S = 10.0
"""Bound of a test that waits for what does not come."""
EVENTS = {"content-type": "text/event-stream"}


class Call:
    """A call that arrived and waits for what the test does with it."""

    def __init__(self) -> None:
        self.answer: asyncio.Future[httpx2.Response] = asyncio.get_running_loop().create_future()
        self.left = asyncio.Event()
        self.may_leave = asyncio.Event()
        self.may_leave.set()

    def say(self, text: str) -> None:
        self.answer.set_result(httpx2.Response(200, content=events(token(text), token("", "stop")), headers=EVENTS))

    def stream(self, pieces: AsyncIterator[bytes]) -> None:
        self.answer.set_result(httpx2.Response(200, content=pieces, headers=EVENTS))

    def fail(self, status: int = 500) -> None:
        self.answer.set_result(httpx2.Response(status, content=b"{}"))

    def time_out(self) -> None:
        self.answer.set_exception(httpx2.ReadTimeout("No answer."))


class Endpoint:
    """An upstream, and the calls in the order of their arrival."""

    def __init__(self, name: str, clock: HandSeconds, probes: int = 1) -> None:
        self.calls: asyncio.Queue[Call] = asyncio.Queue()
        self.changes: list[BreakerChange] = []
        bounds = BreakerBounds(failures=FAILURES, reset_s=120, successes=2, probes=probes)
        self.breaker = llm_breaker(name, bounds, clock=clock, on_change=self.changes.append)
        transport = httpx2.MockTransport(self._arrive)
        self.upstream: Upstream = upstream_at(
            "http://llm.test/v1",
            breaker=self.breaker,
            patience=Patience(HOUR_S, HOUR_S, HOUR_S),
            clock=clock,
            transport=transport,
        )

    async def _arrive(self, request: httpx2.Request) -> httpx2.Response:
        call = Call()
        self.calls.put_nowait(call)
        try:
            return await call.answer
        except asyncio.CancelledError:
            call.left.set()
            await call.may_leave.wait()
            raise

    async def next_call(self) -> Call:
        """The next call, once it is in flight."""
        async with asyncio.timeout(SOON_S):
            return await self.calls.get()

    @property
    def state(self) -> BreakerState:
        return self.breaker.state


@pytest.fixture
def clock() -> HandSeconds:
    return HandSeconds()


@pytest.fixture
def first(clock: HandSeconds) -> Endpoint:
    return Endpoint("llm_api", clock)


@pytest.fixture
def second(clock: HandSeconds) -> Endpoint:
    return Endpoint("llm_api_2", clock)


@pytest.fixture
async def assistant(first: Endpoint, second: Endpoint, clock: HandSeconds) -> AsyncIterator[OpenAiAssistant]:
    made = OpenAiAssistant([first.upstream, second.upstream], clock=clock, turn_s=HOUR_S)
    yield made
    await made.aclose()


async def begin(
    assistant: OpenAiAssistant, at: Endpoint, *, fallback: bool = True
) -> tuple[asyncio.Task[ReplyStream], Call]:
    """Ask, and wait until the call is in flight."""
    task = asyncio.create_task(assistant.reply(said_anew(), [], language="en", fallback=fallback))
    return task, await at.next_call()


async def fall_silent(assistant: OpenAiAssistant, at: Endpoint, next_one: Endpoint | None = None) -> None:
    """Have as many calls time out as open the breaker; the next upstream answers those."""
    begun = [await begin(assistant, at) for _ in range(FAILURES)]
    for task, call in begun:
        call.time_out()
        if next_one is not None:
            (await next_one.next_call()).say("From the second.")
        await whole(await task)
    assert at.state is BreakerState.OPEN


async def open_at_once(endpoint: Endpoint) -> None:
    """Open the breaker without giving other tasks a turn."""
    for _ in range(FAILURES):
        with suppress(DeadlineExceeded):
            async with endpoint.breaker.guard():
                raise DeadlineExceeded("It was silent.", reason=Reason.UPSTREAM_TIMEOUT)
    assert endpoint.state is BreakerState.OPEN


async def whole(reply: ReplyStream) -> str:
    return "".join([piece async for piece in reply.pieces])


async def test_a_call_without_an_answer_moves_on_when_the_breaker_opens(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    waiting, call = await begin(assistant, first)
    await fall_silent(assistant, first, second)
    moved = await second.next_call()
    assert call.left.is_set()
    moved.say("From the second.")
    assert await whole(await waiting) == "From the second."


async def test_a_call_that_moved_on_counts_as_nothing(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    waiting, _ = await begin(assistant, first)
    await fall_silent(assistant, first, second)
    (await second.next_call()).say("From the second.")
    await waiting
    assert first.breaker.failure_count == FAILURES
    assert [(change.new, change.failures) for change in first.changes] == [(BreakerState.OPEN, FAILURES)]
    assert second.breaker.failure_count == 0


async def test_after_the_last_upstream_comes_the_local_fallback(first: Endpoint, clock: HandSeconds) -> None:
    alone = OpenAiAssistant([first.upstream], clock=clock, turn_s=HOUR_S)
    waiting, call = await begin(alone, first)
    await fall_silent(alone, first)
    async with asyncio.timeout(SOON_S):
        assert (await waiting).origin is Origin.FALLBACK
    assert call.left.is_set()
    await alone.aclose()


async def test_a_record_for_a_person_moves_on_too(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    waiting: asyncio.Task[WrittenRecord] = asyncio.create_task(
        assistant.propose([], flow=SITE_VISIT, language="en", fallback=True)
    )
    call = await first.next_call()
    await fall_silent(assistant, first, second)
    (await second.next_call()).fail()
    assert call.left.is_set()
    assert (await waiting).origin is Origin.FALLBACK


async def test_a_background_job_keeps_waiting(assistant: OpenAiAssistant, first: Endpoint, second: Endpoint) -> None:
    waiting, call = await begin(assistant, first, fallback=False)
    await fall_silent(assistant, first, second)
    call.say("After all.")
    assert await whole(await waiting) == "After all."
    assert second.calls.empty()


async def test_an_answer_that_has_begun_is_read_to_its_end(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    more = asyncio.Event()

    async def pieces() -> AsyncIterator[bytes]:
        yield b"data: " + json.dumps(token("One ")).encode() + b"\n\n"
        await more.wait()
        yield events(token("two."), token("", "stop"))

    waiting, call = await begin(assistant, first)
    call.stream(pieces())
    reply = await waiting
    await fall_silent(assistant, first, second)
    more.set()
    assert await whole(reply) == "One two."
    assert second.calls.empty()


async def test_errors_that_come_at_once_say_nothing_about_a_call_that_waits(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    """An upstream with a full quota refuses new calls and still answers those that it has accepted."""
    waiting, call = await begin(assistant, first)
    for _ in range(FAILURES):
        task, refused = await begin(assistant, first)
        refused.fail(429)
        (await second.next_call()).say("Hello.")
        await task
    assert first.state is BreakerState.OPEN
    call.say("From the first.")
    assert await whole(await waiting) == "From the first."
    assert second.calls.empty()


async def test_a_breaker_that_is_opened_by_hand_lets_calls_end(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    task, silent = await begin(assistant, first)
    silent.time_out()
    (await second.next_call()).say("Hello.")
    await task
    waiting, call = await begin(assistant, first)
    first.breaker.trip()
    call.say("From the first.")
    assert await whole(await waiting) == "From the first."


async def test_a_probe_beside_one_that_timed_out_moves_on(clock: HandSeconds, second: Endpoint) -> None:
    first = Endpoint("llm_api", clock, probes=2)
    assistant = OpenAiAssistant([first.upstream, second.upstream], clock=clock, turn_s=HOUR_S)
    await fall_silent(assistant, first, second)
    clock.advance(121)
    (one, silent), (other, call) = [await begin(assistant, first) for _ in range(2)]
    silent.time_out()
    for _ in range(2):
        (await second.next_call()).say("From the second.")
    assert [await whole(await task) for task in (one, other)] == ["From the second."] * 2
    assert call.left.is_set()
    assert first.state is BreakerState.OPEN
    await assistant.aclose()


async def test_a_breaker_that_opens_again_while_a_call_ends(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    waiting, call = await begin(assistant, first)
    call.may_leave.clear()
    await open_at_once(first)
    await call.left.wait()
    first.breaker.reset()
    await open_at_once(first)
    call.may_leave.set()
    (await second.next_call()).say("From the second.")
    assert await whole(await waiting) == "From the second."


async def test_a_client_that_leaves_is_not_moved_on(
    assistant: OpenAiAssistant, first: Endpoint, second: Endpoint
) -> None:
    """Not even when it leaves at the moment at which the breaker opens."""
    waiting, call = await begin(assistant, first)
    await open_at_once(first)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert call.left.is_set()
    assert second.calls.empty()
    assert not first.breaker.observers


async def test_a_timeout_of_the_call_itself_stays_a_timeout(first: Endpoint, clock: HandSeconds) -> None:
    """A background job's error is that of the upstream, also when its failure is the one that opens the breaker."""
    alone = OpenAiAssistant([first.upstream], clock=clock, turn_s=HOUR_S)
    errors: list[VestibuleError] = []
    for _ in range(FAILURES):
        task, call = await begin(alone, first, fallback=False)
        call.time_out()
        with pytest.raises(DeadlineExceeded) as caught:
            await task
        errors.append(caught.value)
    assert {error.reason for error in errors} == {"UPSTREAM_TIMEOUT"}
    assert first.state is BreakerState.OPEN
    await alone.aclose()
