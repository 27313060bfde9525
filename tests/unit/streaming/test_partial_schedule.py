"""How soon and how often a running utterance is decoded."""

from __future__ import annotations

import asyncio
import itertools
import time

import numpy as np
import pytest

from models.media.samples import SAMPLE_RATE_HZ
from ray_tasks.types import SpeechWindow
from server.streaming.events import Output, Partial
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.partials import (
    FIRST_PARTIAL_S,
    FIRST_TEXT_EVERY_S,
    FIRST_TEXT_WITHIN_S,
    PARTIAL_EVERY_S,
    InterimTranscriber,
    RecognitionConfig,
    SpeechBackend,
)
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.utterance import Utterance
from tests.fakes.gateway import FakeGateway
from tests.fakes.numbering import PlainTags

CHUNK_S = 0.02
LENGTH_S = 5.0


def interim(gateway: FakeGateway, limiter: PriorityLimiter, sent: list[Output]) -> InterimTranscriber:
    async def emit(output: Output) -> None:
        sent.append(output)

    backend = SpeechBackend(gateway, limiter, SpeechLoadMeter(1, time.monotonic))
    config = RecognitionConfig("session", "stream", "en", ())
    return InterimTranscriber(backend, config, sealed_state=b"", emit=emit, asked_for=tuple, numbers=PlainTags())


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def decoded_s(gateway: FakeGateway, limiter: PriorityLimiter, sent: list[Output]) -> list[float]:
    """Seconds of audio in each partial's window, for an utterance that grows as fast as it is decoded."""
    utterance = Utterance(0, 0)
    working = asyncio.create_task(interim(gateway, limiter, sent).run(utterance))
    for _ in range(round(LENGTH_S / CHUNK_S)):
        utterance.append(np.ones(int(CHUNK_S * SAMPLE_RATE_HZ), np.float32))
        await settle()
    utterance.close(0.0, utterance.size)
    decode = await working
    assert decode is not None and decode.step.text
    windows = [call.argument for call in gateway.called("speech_step")]
    return [len(w.pcm) / 4 / SAMPLE_RATE_HZ for w in windows if isinstance(w, SpeechWindow) and not w.final]


async def test_partials_come_close_together_until_the_first_text_is_shown() -> None:
    sent: list[Output] = []
    gateway = FakeGateway(word_s=1.0)
    at = await decoded_s(gateway, PriorityLimiter(1), sent)
    assert at[0] == pytest.approx(FIRST_PARTIAL_S, abs=CHUNK_S)
    shown = next(n for n, seconds in enumerate(at) if seconds >= gateway.word_s)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert gaps[:shown] == pytest.approx([FIRST_TEXT_EVERY_S] * shown, abs=CHUNK_S)
    assert gaps[shown:] == pytest.approx([PARTIAL_EVERY_S] * len(gaps[shown:]), abs=CHUNK_S)
    assert isinstance(sent[0], Partial)


async def test_the_faster_rate_stops_for_an_utterance_that_shows_nothing() -> None:
    at = await decoded_s(FakeGateway(word_s=60.0), PriorityLimiter(1), [])
    gaps = [
        later - earlier for earlier, later in itertools.pairwise(at) if earlier > FIRST_TEXT_WITHIN_S + PARTIAL_EVERY_S
    ]
    assert gaps == pytest.approx([PARTIAL_EVERY_S] * len(gaps), abs=CHUNK_S)
    assert gaps


async def test_the_faster_rate_is_not_used_while_other_streams_wait() -> None:
    limiter = PriorityLimiter(1)

    async def others() -> None:
        while True:
            async with limiter.acquire():
                await asyncio.sleep(0)

    busy = [asyncio.create_task(others()) for _ in range(2)]
    at = await decoded_s(FakeGateway(word_s=60.0), limiter, [])
    for task in busy:
        task.cancel()
    await asyncio.gather(*busy, return_exceptions=True)
    gaps = [later - earlier for earlier, later in itertools.pairwise(at)]
    assert gaps == pytest.approx([PARTIAL_EVERY_S] * len(gaps), abs=CHUNK_S)
