"""Where an utterance ends, when only what was said can tell."""

from __future__ import annotations

import pytest

from models.errors import Overloaded
from models.speech.types import SAMPLE_RATE_HZ
from ray_tasks.types import SpeechWindow
from server.streaming import events
from tests.fakes.gateway import FakeGateway
from tests.fakes.recognition import AskingCutter
from tests.unit.streaming.sounds import Bench, chunks, kinds, quiet, speech, these

TWICE = speech(1.0) + quiet(0.5) + speech(1.0) + quiet(0.5)


def heard_samples(bench: Bench) -> list[tuple[bool, int]]:
    """Of each step, whether it was a final and how much audio it got."""
    windows = [call.argument for call in bench.gateway.called("speech_step")]
    return [(w.final, len(w.pcm) // 4) for w in windows if isinstance(w, SpeechWindow)]


async def test_a_whole_sentence_is_final_at_its_pause_and_is_recognised_once() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    outputs = await bench.run(chunks(TWICE, 10.0), reply=False)
    order = kinds(outputs, events.SpeechBegan, events.SpeechEnded, events.Final)
    assert sorted(order) == sorted(["SpeechBegan", "SpeechEnded", "Final"] * 2)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]
    assert heard_samples(bench) == [(True, SAMPLE_RATE_HZ)] * 2


async def test_half_a_sentence_goes_on_behind_its_pause() -> None:
    bench = Bench(cutter_type=AskingCutter)
    outputs = await bench.run(chunks(TWICE, 10.0), reply=False)
    assert kinds(outputs, events.Final) == ["Final"]
    finals = [samples for final, samples in heard_samples(bench) if final]
    assert finals == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ), 3 * SAMPLE_RATE_HZ]


async def test_a_pause_that_cannot_be_looked_at_is_looked_at_again() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    bench.gateway.will("speech_step", Overloaded("Full."))
    await bench.run(chunks(TWICE, 10.0), reply=False)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]


async def test_where_an_utterance_ends_is_never_guessed() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    bench.gateway.will("speech_step", Overloaded("Full."), Overloaded("Full."))
    with pytest.raises(Overloaded):
        await bench.run(chunks(TWICE, 10.0), reply=False)
    assert bench.stored == []


async def test_a_resumed_stream_is_cut_at_the_same_pauses() -> None:
    bench = Bench(gateway=FakeGateway(complete=True), cutter_type=AskingCutter)
    await bench.run(these(events.AudioIn(len(TWICE), quiet(0.1))), reply=False, replay=TWICE)
    assert [h.finalized_samples for h in bench.stored] == [SAMPLE_RATE_HZ, int(2.5 * SAMPLE_RATE_HZ)]
