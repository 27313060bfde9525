"""A turn answers the question that the person knew when they began, and no other one."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import pytest

from models.text import RawText, TextSource
from server.flows.progress import FieldState, Progress
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.streaming import events
from server.streaming.events import Input, Output
from tests.fakes.guide import GUIDE
from tests.unit.streaming.conversation_harness import chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, talk

SITE: Final = ("Riverside North.", "It hums a little.", "4821", "In cubic metres", "No", "skip", "Yesterday.", "fine")


async def typed(harness: StreamHarness, texts: Sequence[str], *, waits: bool, guided: bool = True) -> list[Output]:
    """Type texts, each after the one before was answered, or all before the first is read; returns what came."""
    answered: asyncio.Queue[None] = asyncio.Queue()
    taken = asyncio.Event() if waits else harness.gateway.hold("redact")

    async def inputs() -> AsyncIterator[Input]:
        for text in texts:
            yield events.TextIn(RawText(text))
            if waits:
                await answered.get()
        taken.set()

    seen: list[Output] = []
    async with harness.streams.open(replace(harness.config, guided=guided, reply=not guided)) as stream:
        async for output in talk(stream).run(inputs()):
            seen.append(output)
            if isinstance(output, events.ReplyEnded if not guided else events.Final):
                answered.put_nowait(None)
    return seen


async def states(harness: StreamHarness) -> dict[str, tuple[FieldState, str]]:
    def read(cursor: Cursor) -> Progress:
        return GUIDE.progress(cursor, sessions.get(cursor, harness.config.session_id))

    progress = await harness.ledger.read(read)
    return {one.field.name: (one.state, one.value.value) for one in progress.fields}


@pytest.mark.parametrize("guided", [True, False])
async def test_a_text_that_is_sent_after_a_question_answers_it(harness: StreamHarness, guided: bool) -> None:
    texts = ("Riverside North.", "4821", "It hums a little.", "It hums again.")
    await typed(harness, texts if guided else ("Hello.", *texts), waits=True, guided=guided)
    found = await states(harness)
    assert found["site_name"] == (FieldState.ANSWERED, "Riverside North")
    assert found["meter_reading"] == (FieldState.ANSWERED, "4821")
    assert found["meter_unit"][0] is FieldState.SKIPPED, "it was asked twice, and something else was said"


@pytest.mark.parametrize("first", range(1, len(SITE)))
async def test_a_text_that_is_sent_before_a_question_does_not_answer_it(harness: StreamHarness, first: int) -> None:
    await typed(harness, [SITE[0], *SITE[first:], *SITE[1:first]], waits=False)
    found = await states(harness)
    assert found.pop("site_name") == (FieldState.ANSWERED, "Riverside North")
    assert {state for state, _ in found.values()} <= {FieldState.MISSING, FieldState.ANSWERED}
    assert found["meter_reading"][0] is FieldState.MISSING, "a bare number is no answer to a question that nobody knew"


async def test_speech_that_goes_on_after_a_pause_does_not_answer_the_next_question(harness: StreamHarness) -> None:
    await typed(harness, ("Riverside North.",), waits=True)
    harness.gateway.spoken = "4821"
    audio = speech(1.0) + quiet(1.0) + speech(1.0) + quiet(1.0)
    heard = harness.gateway.hold("speech_step")

    async def inputs() -> AsyncIterator[Input]:
        async for chunk in chunks(audio):
            yield chunk
        heard.set()

    async with harness.streams.open(replace(harness.config, guided=True)) as stream:
        outputs = [output async for output in talk(stream).run(inputs())]
    assert sum(isinstance(output, events.Final) for output in outputs) == 2
    found = await states(harness)
    assert found["meter_reading"] == (FieldState.ANSWERED, "4821")
    assert found["meter_unit"][0] is FieldState.MISSING


async def test_the_question_of_a_reply_that_was_interrupted_is_not_known(harness: StreamHarness) -> None:
    await typed(harness, ("Hello.", "Riverside North."), waits=True, guided=False)
    await typed(harness, ("4821", "It hums a little."), waits=False, guided=False)
    found = await states(harness)
    assert found["meter_reading"] == (FieldState.ANSWERED, "4821")
    assert found["meter_unit"][0] is FieldState.MISSING


async def test_a_new_stream_knows_the_question_of_the_newest_reply_there_is(harness: StreamHarness) -> None:
    """The reply to the last turn may not be stored: the connection broke, or it was stopped before its first word."""
    await typed(harness, ("Hello.", "Riverside North."), waits=True, guided=False)
    harness.now += timedelta(seconds=9)
    async with harness.streams.open(replace(harness.config, reply=False)) as stream:
        async for _ in talk(stream).run(these(events.TextIn(RawText("What do you mean?")))):
            pass
    harness.gateway.calls.clear()
    await typed(harness, ("4821",), waits=True, guided=False)
    assert [call.asked_for for call in harness.gateway.called("redact") if call.detail == TextSource.TYPED] == [
        ("READING",)
    ]
    assert (await states(harness))["meter_reading"] == (FieldState.ANSWERED, "4821")
