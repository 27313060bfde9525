"""Audio that takes long to decode makes nothing else wait."""

from __future__ import annotations

import asyncio
import os
import threading

import numpy as np

from models.media.samples import Samples
from server.streaming.audio_ingest import AudioIngest
from server.streaming.events import AudioIn


class NoLog:
    """Keeps nothing."""

    def append(self, data: bytes) -> None: ...
    def mark(self) -> None: ...
    def sync(self) -> None: ...
    def close(self) -> None: ...


class HeldDecoder:
    """Decodes nothing until it is let go."""

    def __init__(self, let_go: threading.Event) -> None:
        self._let_go = let_go

    def feed(self, data: bytes) -> Samples:
        assert self._let_go.wait(30)
        return np.zeros(0, np.float32)

    def finish(self) -> Samples:
        return np.zeros(0, np.float32)

    def close(self) -> None: ...


async def test_streams_that_decode_long_take_no_thread_from_others() -> None:
    let_go = threading.Event()
    shared_threads = min(32, (os.cpu_count() or 1) + 4)
    streams = [AudioIngest(NoLog(), HeldDecoder(let_go), 0) for _ in range(shared_threads)]
    feeding = [asyncio.ensure_future(stream.feed(AudioIn(0, b"x"))) for stream in streams]
    try:
        await asyncio.wait_for(asyncio.to_thread(int), 10)
        await asyncio.wait_for(streams[0].sync(), 10)
        assert not any(task.done() for task in feeding)
    finally:
        let_go.set()
        await asyncio.gather(*feeding)
        for stream in streams:
            await stream.close()
            await stream.close()
