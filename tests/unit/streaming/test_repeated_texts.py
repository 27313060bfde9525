"""A text that comes again on another stream takes a number there that no later turn gets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from uuid import uuid4

from models.text import RawText
from server.streaming import events
from server.streaming.events import Input
from tests.unit.streaming.stream_harness import StreamHarness, until


async def only(item: Input) -> AsyncIterator[Input]:
    """The input of a client that vanishes after it."""
    yield item
    await asyncio.Event().wait()


async def test_each_final_is_sent_over_two_breaks(harness: StreamHarness) -> None:
    text = events.TextIn(RawText("I am at the Riverside site."), id=str(uuid4()))
    async with harness.streams.open(harness.config) as stream:
        await until(stream, only(text), events.Final)
    async with harness.streams.open(harness.config) as other:
        *_, repeated = await until(other, only(text), events.Final)
    assert isinstance(repeated, events.Final)
    resumed = replace(harness.config, resume_token=other.token, next_utterance=repeated.turn.utterance + 1)
    async with harness.streams.open(resumed) as again:
        await until(again, only(events.TextIn(RawText("It hums."))), events.Final)
    async with harness.streams.open(resumed) as again:
        assert [turn.text.value for turn in again.missed] == ["It hums."]
