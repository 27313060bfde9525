"""What a person says and types is redacted with the words of the flow of the session."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.text import RawText
from server.flows.asking import flow_words
from server.ledger import sessions
from server.streaming import events
from server.streaming.events import Input
from tests.fakes.guide import GUIDE
from tests.unit.streaming.conversation_harness import chunks, quiet, speech
from tests.unit.streaming.stream_harness import StreamHarness, talk


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path)
    yield built
    built.ledger.close()


async def said_and_typed() -> AsyncIterator[Input]:
    yield events.TextIn(RawText("The meter is in the cellar."))
    async for chunk in chunks(speech(1.0) + quiet(0.5)):
        yield chunk


async def test_every_window_and_text_comes_with_them(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as opened:
        _ = [output async for output in talk(opened).run(said_and_typed())]
    session = await harness.ledger.read(lambda cursor: sessions.get(cursor, harness.config.session_id))
    known = flow_words(GUIDE.flow(session))
    calls = [*harness.gateway.called("speech_step"), *harness.gateway.called("redact")]
    assert {call.method for call in calls} == {"speech_step", "redact"}
    assert known.phrases and all(call.scope.flow_words == known for call in calls)
