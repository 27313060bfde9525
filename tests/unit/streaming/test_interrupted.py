"""A stream that ends early, and one that resumes it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator

import pytest

from models.errors import DeadlineExceeded, ShuttingDown, TooLarge, WorkerLost
from models.media.samples import SAMPLE_RATE_HZ
from server.streaming import events
from server.streaming.audio_ingest import AudioIngest
from server.streaming.events import Input
from tests.fakes.recognition import MemoryLog, PcmDecoder
from tests.unit.streaming.conversation_harness import (
    A_MOMENT_S,
    BYTES_A_SECOND,
    ConversationHarness,
    chunks,
    kinds,
    quiet,
    speech,
    stream_limits,
    these,
)


async def test_a_lost_worker_ends_the_stream_and_keeps_the_audio() -> None:
    harness = ConversationHarness()
    harness.gateway.will("speech_step", WorkerLost("Gone."), WorkerLost("Gone."))
    with pytest.raises(WorkerLost):
        await harness.run(chunks(speech(0.5) + quiet(0.2)))
    assert not harness.stored
    assert harness.conversation is not None
    assert not harness.conversation.finished
    assert len(harness.log.data) >= int(0.5 * BYTES_A_SECOND)


async def test_a_partial_that_comes_too_late_does_not_end_the_stream() -> None:
    harness = ConversationHarness()
    harness.gateway.will("speech_step", DeadlineExceeded("Late."))

    async def slowly() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(2.0) + quiet(0.2)):
            yield chunk
            for _ in range(20):  # let the recognition run between two chunks
                await asyncio.sleep(0)

    outputs = await harness.run(slowly(), reply=False)
    assert not harness.gateway.called("speech_step")[0].argument.final  # type: ignore[union-attr]
    assert "Final" in kinds(outputs)


async def test_a_resumed_stream_transcribes_the_log_after_the_last_final() -> None:
    audio = speech(1.0) + quiet(0.5) + speech(1.0)
    final_until = int(1.2 * SAMPLE_RATE_HZ)
    harness = ConversationHarness(finalized_samples=final_until, next_utterance=1)
    more = quiet(0.5)
    items = these(events.AudioIn(len(audio), more))
    outputs = await harness.run(items, reply=False, replay=audio)
    finals = [o.turn for o in outputs if isinstance(o, events.Final)]
    assert [t.utterance for t in finals] == [1]
    assert finals[0].start_s == pytest.approx(1.5, abs=0.01)


async def test_a_drain_finishes_ended_utterances_and_then_says_why_it_ends() -> None:
    harness = ConversationHarness()

    async def endless() -> AsyncIterator[Input]:
        async for chunk in chunks(speech(1.0) + quiet(0.2) + speech(0.4)):
            yield chunk
        harness.lifecycle.begin_drain()
        await asyncio.Event().wait()

    with pytest.raises(ShuttingDown):
        await harness.run(endless())
    assert [h.turn.utterance for h in harness.stored] == [0]  # the second was not over: its audio waits in the log
    assert "ReplyEnded" in kinds(harness.seen)
    assert harness.log.synced_bytes == len(harness.log.data)


async def test_a_silent_client_is_cut_off_after_the_idle_time() -> None:
    harness = ConversationHarness(limits=stream_limits(60.0, 0.01))

    async def nothing() -> AsyncIterator[Input]:
        await asyncio.Event().wait()
        yield events.EndMark()

    with pytest.raises(DeadlineExceeded) as caught:
        await harness.run(nothing())
    assert caught.value.reason == "STREAM_IDLE"


async def test_a_stream_that_is_too_long_is_ended() -> None:
    with pytest.raises(TooLarge) as caught:
        await ConversationHarness(limits=stream_limits(1.0, 5.0)).run(chunks(quiet(2.0)))
    assert caught.value.reason == "STREAM_TOO_LONG"


async def test_a_thread_that_still_writes_is_waited_for_before_the_log_is_closed() -> None:
    order: list[str] = []
    begun, release = asyncio.Event(), threading.Event()
    loop = asyncio.get_running_loop()

    class SlowLog(MemoryLog):
        def append(self, data: bytes) -> None:
            loop.call_soon_threadsafe(begun.set)
            release.wait(60)
            order.append("written")

        def close(self) -> None:
            order.append("closed")

    audio_ingest = AudioIngest(SlowLog(), PcmDecoder(), 0)
    feeding = asyncio.ensure_future(audio_ingest.feed(events.AudioIn(0, speech(0.1))))
    await begun.wait()
    feeding.cancel()
    await asyncio.gather(feeding, return_exceptions=True)
    loop.call_later(A_MOMENT_S, release.set)
    await audio_ingest.close()
    assert order == ["written", "closed"]
