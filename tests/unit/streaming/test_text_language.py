"""Typed text is redacted and answered in the language that the session has, also where that was detected."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.text import RawText
from server.ledger import streams
from server.ledger.types import TurnRow
from server.streaming import events
from server.streaming.events import Input
from server.streaming.stream_config import StreamConfig
from tests.unit.jobs.form_helpers import ReadingGateway
from tests.unit.ledger.makers import new_id, stream
from tests.unit.streaming.conversation_harness import chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, endless, talk, until

UTTERANCE = speech(1.0) + quiet(0.5)
PHONE = "Meine Nummer ist null sechs sechs vier eins zwei drei vier fünf sechs sieben"
TYPED = events.TextIn(RawText(PHONE))


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path, language="", gateway=ReadingGateway(detects=("de", 0.95)))
    yield built
    built.ledger.close()


async def begun(harness: StreamHarness) -> StreamConfig:
    """Speak once in German on a stream that breaks then; returns what resumes it."""
    async with harness.streams.open(harness.config) as opened:
        await until(opened, endless(UTTERANCE), events.Final)
    return replace(harness.config, resume_token=opened.token)


async def typed(harness: StreamHarness, config: StreamConfig) -> TurnRow:
    """Type the text on a stream; returns its turn as it is stored."""
    async with harness.streams.open(config) as opened:
        _ = [output async for output in talk(opened).run(these(TYPED))]
    [turn] = [turn for turn in await harness.turns() if turn.source == "typed"]
    return turn


async def test_on_the_stream_that_detected_it(harness: StreamHarness) -> None:
    heard = asyncio.Event()

    async def inputs() -> AsyncIterator[Input]:
        async for chunk in chunks(UTTERANCE):
            yield chunk
        await heard.wait()
        yield TYPED

    async with harness.streams.open(replace(harness.config, reply=True)) as opened:
        async for output in talk(opened).run(inputs()):
            if isinstance(output, events.Final):
                heard.set()
    spoken, written = await harness.turns()
    assert written.text.value == "Meine Nummer ist [REDACTED_PHONE]"
    assert (spoken.language, written.language) == ("de", "de")
    assert [asked.language for asked in harness.assistant.asked_replies] == ["de", "de"]


async def test_on_another_stream_of_the_session(harness: StreamHarness) -> None:
    await begun(harness)
    turn = await typed(harness, replace(harness.config, reply=True))
    assert (turn.text.value, turn.language) == ("Meine Nummer ist [REDACTED_PHONE]", "de")
    assert [asked.language for asked in harness.assistant.asked_replies] == ["de"]


@pytest.mark.parametrize("resumes", [False, True])
async def test_after_a_doubtful_final_that_lets_it_go(harness: StreamHarness, resumes: bool) -> None:
    resumed = await begun(harness)
    harness.gateway.confidence = 0.2
    async with harness.streams.open(resumed) as again:
        await until(again, chunks(2 * UTTERANCE, start=again.next_offset), events.Final)
    turn = await typed(harness, resumed if resumes else harness.config)
    assert (turn.text.value, turn.language) == ("Meine Nummer ist [REDACTED_PHONE]", "de")


async def test_speech_on_another_stream_is_detected_anew(harness: StreamHarness) -> None:
    """A person may go on in another language."""
    await begun(harness)
    before = len(harness.gateway.called("speech_step"))
    async with harness.streams.open(harness.config) as opened:
        _ = [output async for output in talk(opened).run(chunks(UTTERANCE))]
    assert harness.gateway.called("speech_step")[before].detail == ""


async def test_without_a_known_language_it_is_english(harness: StreamHarness) -> None:
    turn = await typed(harness, harness.config)
    assert (turn.text.value, turn.language) == (PHONE, "")


async def test_a_finished_stream_tells_the_progress_in_it(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as opened:
        _ = [output async for output in talk(opened).run(these(TYPED))]
    other = replace(stream(harness.config.session_id), id=new_id(), language="de")
    await harness.ledger.write(lambda cursor: streams.insert_stream(cursor, other))
    finished = replace(harness.config, resume_token=opened.token, next_utterance=0)
    async with harness.streams.open(finished) as again:
        assert again.progress is not None
        assert again.progress.language == "de"
