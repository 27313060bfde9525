"""Whoever compares finals is told of each that was stored, with what the workers were sent."""

from __future__ import annotations

import pytest

from models.text import RawText
from server.streaming.events import Final, TextIn
from tests.unit.streaming.conversation_harness import chunks, quiet, speech, these
from tests.unit.streaming.stream_harness import StreamHarness, talk

UTTERANCE = speech(1.0) + quiet(0.5)


@pytest.mark.parametrize("complete", [True, False])
async def test_a_final_of_speech_is_told_with_its_window(harness: StreamHarness, complete: bool) -> None:
    harness.gateway.complete = complete
    harness.gateway.spoken = "I am [REDACTED_NAME]."
    async with harness.streams.open(harness.config) as stream:
        outputs = [output async for output in talk(stream).run(chunks(3 * UTTERANCE))]
    finals = [output.turn for output in outputs if isinstance(output, Final)]
    assert [turn for turn, *_ in harness.heard] == finals == await harness.turns()
    assert len(finals) == 3
    windows = [call.argument for call in harness.gateway.called("speech_step")]
    for _, window, step, took_s in harness.heard:
        assert window.final
        assert any(window is sent for sent in windows), "the same one"
        assert step.sealed_state != window.sealed_state, "it has the state before, so that it can be sent once more"
        assert (step.text.value, took_s >= 0) == ("I am [REDACTED_NAME].", True)


async def test_typed_text_and_silence_are_none(harness: StreamHarness) -> None:
    async with harness.streams.open(harness.config) as stream:
        outputs = [output async for output in talk(stream).run(these(TextIn(RawText("Typed."))))]
    assert any(isinstance(output, Final) for output in outputs)
    harness.gateway.spoken = ""
    async with harness.streams.open(harness.config) as stream:
        [output async for output in talk(stream).run(chunks(UTTERANCE))]
    assert harness.heard == []
