"""A reply that nobody waits for any more is closed in order, over loopback HTTP: asyncio has nothing to log."""

from __future__ import annotations

import asyncio
import gc
import logging
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, cast

import pytest

from models.redaction.types import NO_SCOPE
from models.text import RedactedText
from server.ledger.types import TurnRow
from server.llm.assistant import OpenAiAssistant
from server.observability.metrics import Metrics
from server.streaming.events import Output, ReplyPiece
from server.streaming.responder import Answer, ReplyBackend, Responder, SentReply
from tests.eventually import eventually
from tests.fakes.gateway import FakeGateway
from tests.unit.ledger.makers import turn
from tests.unit.llm.assistants import assistant_at
from tests.unit.llm.scripted_upstream import KEY, ScriptedUpstream
from tests.unit.llm.wire import SAID

SLOW_S = 0.01


@contextmanager
def left_to_the_collector() -> Iterator[list[str]]:
    """Names of the asynchronous generators that were not closed, but found by the garbage collector."""
    found: list[str] = []
    before = sys.get_asyncgen_hooks()

    def finalize(generator: AsyncGenerator[Any, Any]) -> None:
        found.append(getattr(generator, "__qualname__", repr(generator)))
        assert before.finalizer is not None
        before.finalizer(generator)

    sys.set_asyncgen_hooks(finalizer=finalize)
    try:
        yield found
        gc.collect()
    finally:
        sys.set_asyncgen_hooks(*before)


class NoStore:
    """Replies are not stored here."""

    async def store_reply(self, reply: SentReply) -> None:
        raise AssertionError("no reply is whole")

    async def enqueue_retry(self, turn: TurnRow) -> None:
        raise AssertionError("no reply is repeated")

    async def number_tags(self, text: RedactedText) -> RedactedText:
        return text


@pytest.fixture
async def assistant(scripted: ScriptedUpstream) -> AsyncIterator[OpenAiAssistant]:
    made = assistant_at(f"{scripted.url}/v1", KEY)
    scripted.script("slow", delay_s=SLOW_S)
    yield made
    scripted.script("answer")
    await made.aclose()


async def read_a_piece(assistant: OpenAiAssistant, _: ScriptedUpstream) -> None:
    """A client that leaves while the reply is sent to it."""
    began = asyncio.Event()

    async def emit(output: Output) -> None:
        if isinstance(output, ReplyPiece):
            began.set()
            await asyncio.Event().wait()

    responder = Responder(
        ReplyBackend(assistant, FakeGateway(), cast(Any, None)),  # nothing is proposed
        NoStore(),
        NO_SCOPE,
        language="en",
        earlier=[],
        emit=emit,
        metrics=Metrics(),
    )
    responding = asyncio.create_task(responder.respond(Answer(turn("session", 0))))
    await began.wait()
    responding.cancel()
    with pytest.raises(asyncio.CancelledError):
        await responding


async def wait_for_the_next_piece(assistant: OpenAiAssistant, _: ScriptedUpstream) -> None:
    """A job that is ended while the LLM writes."""
    reply = await assistant.reply(SAID, [], language="en", fallback=False)

    async def read() -> None:
        async for _piece in reply.pieces:
            pass

    reading = asyncio.create_task(read())
    await asyncio.sleep(SLOW_S * 1.5)
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def wait_for_the_first_piece(assistant: OpenAiAssistant, scripted: ScriptedUpstream) -> None:
    """A call that is cancelled before the LLM answers."""
    scripted.script("hang")
    held = scripted.held()
    asking = asyncio.create_task(assistant.reply(SAID, [], language="en", fallback=False))
    await eventually(lambda: scripted.held() > held)
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


@pytest.mark.parametrize("leave", [read_a_piece, wait_for_the_next_piece, wait_for_the_first_piece])
async def test_a_reply_that_is_left_is_closed_at_once(
    leave: Callable[[OpenAiAssistant, ScriptedUpstream], Awaitable[None]],
    assistant: OpenAiAssistant,
    scripted: ScriptedUpstream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.WARNING), left_to_the_collector() as left:
        for _ in range(3):
            await leave(assistant, scripted)
        await asyncio.sleep(0)
    assert left == []
    assert caplog.records == []
