"""Tells the client which bytes of its audio are on disk."""

from __future__ import annotations

import asyncio
import contextlib

from server.streaming.audio_ingest import AudioIngest
from server.streaming.events import Acknowledged, Emit

# Between two syncs of the audio log; an acknowledgement is at most this late.
ACKNOWLEDGE_EVERY_S = 0.25


class Acknowledger:
    """Syncs the audio log from time to time, and acknowledges what is in it.

    After ``complete`` one more acknowledgement follows, also when there is nothing new.

    Args:
        acknowledged: Bytes that the client knows to be on disk.

    Attributes:
        done: Set when everything that was received is acknowledged and no more comes.
    """

    def __init__(self, audio_ingest: AudioIngest, emit: Emit, acknowledged: int) -> None:
        self._audio_ingest = audio_ingest
        self._emit = emit
        self._acknowledged = acknowledged
        self._received = asyncio.Event()
        self._complete = asyncio.Event()
        self.done = asyncio.Event()

    def received(self) -> None:
        """There is more in the log than was acknowledged."""
        self._received.set()

    def complete(self) -> None:
        """No more audio comes."""
        self._complete.set()
        self._received.set()

    async def run(self) -> None:
        """Acknowledge until ``complete`` was called and everything is acknowledged."""
        while True:
            await self._received.wait()
            self._received.clear()
            completing = self._complete.is_set()
            if (offset := self._audio_ingest.next_offset) > self._acknowledged:
                await self._audio_ingest.sync()
                self._acknowledged = offset
                await self._emit(Acknowledged(offset))
            elif completing:
                await self._emit(Acknowledged(offset))
            if self._complete.is_set() and not self._received.is_set():  # more may have come during the sync
                self.done.set()
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._complete.wait(), ACKNOWLEDGE_EVERY_S)
