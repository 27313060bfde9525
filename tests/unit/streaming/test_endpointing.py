"""Where an utterance ends when that depends on what was said."""

from __future__ import annotations

import pytest

from models.errors import Overloaded
from models.media.samples import SAMPLE_RATE_HZ
from ray_tasks.types import SpeechWindow
from server.streaming import events
from tests.fakes.gateway import FakeGateway
from tests.fakes.recognition import AskingSegmenter
from tests.unit.streaming.conversation_harness import ConversationHarness, chunks, kinds, quiet, speech, these

TWICE = speech(1.0) + quiet(0.5) + speech(1.0) + quiet(0.5)


def heard_samples(harness: ConversationHarness) -> list[tuple[bool, int]]:
    """Of each step, whether it was a final and how much audio it got."""
    windows = [call.argument for call in harness.gateway.called("speech_step")]
    return [(w.final, len(w.pcm) // 4) for w in windows if isinstance(w, SpeechWindow)]


async def test_a_whole_sentence_is_final_at_its_pause_and_is_recognised_once() -> None:
    harness = ConversationHarness(gateway=FakeGateway(complete=True), segmenter_type=AskingSegmenter)
    outputs = await harness.run(chunks(TWICE, 10.0), reply=False)
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final)
    assert sorted(order) == sorted(["SpeechBegan", "SpeechEnded", "Final"] * 2)
    assert [h.finalized_samples for h in harness.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]
    assert heard_samples(harness) == [(True, SAMPLE_RATE_HZ)] * 2


async def test_half_a_sentence_continues_after_its_pause() -> None:
    harness = ConversationHarness(segmenter_type=AskingSegmenter)
    outputs = await harness.run(chunks(TWICE, 10.0), reply=False)
    assert kinds(outputs, events.Final) == ["Final"]
    finals = [samples for final, samples in heard_samples(harness) if final]
    assert finals == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ), 3 * SAMPLE_RATE_HZ]


async def test_a_pause_whose_decode_fails_is_decoded_again() -> None:
    harness = ConversationHarness(gateway=FakeGateway(complete=True), segmenter_type=AskingSegmenter)
    harness.gateway.will("speech_step", Overloaded("Full."))
    await harness.run(chunks(TWICE, 10.0), reply=False)
    assert [h.finalized_samples for h in harness.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]


async def test_where_an_utterance_ends_is_never_guessed() -> None:
    harness = ConversationHarness(gateway=FakeGateway(complete=True), segmenter_type=AskingSegmenter)
    harness.gateway.will("speech_step", Overloaded("Full."), Overloaded("Full."))
    with pytest.raises(Overloaded):
        await harness.run(chunks(TWICE, 10.0), reply=False)
    assert harness.stored == []


async def test_a_resumed_stream_is_cut_at_the_same_pauses() -> None:
    harness = ConversationHarness(gateway=FakeGateway(complete=True), segmenter_type=AskingSegmenter)
    await harness.run(these(events.AudioIn(len(TWICE), quiet(0.1))), reply=False, replay=TWICE)
    assert [h.finalized_samples for h in harness.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]
