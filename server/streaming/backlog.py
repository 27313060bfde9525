"""What was received and is not segmented yet, in order.

It lets a stream go on receiving and acknowledging audio while segmentation waits for the recognition of a pause.
"""

from __future__ import annotations

import asyncio
from typing import Final

from models.speech.types import SAMPLE_RATE_HZ, Samples
from server.streaming.events import EndMark, ProposeIn, TextIn

MAX_SAMPLES: Final = 30 * SAMPLE_RATE_HZ
MAX_ITEMS: Final = 1024

Received = TextIn | EndMark | ProposeIn | Samples | None
"""None ends it."""


class Backlog:
    """A queue that is full at ``MAX_SAMPLES`` of audio or ``MAX_ITEMS`` items. One task puts, another gets."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Received] = asyncio.Queue(MAX_ITEMS)
        self._samples = 0
        self._room = asyncio.Event()
        self._room.set()

    async def put(self, item: Received) -> None:
        """Add an item; waits while the queue is full."""
        await self._room.wait()
        self._count(_samples(item))
        await self._queue.put(item)

    async def get(self) -> Received:
        """Take the oldest item; waits while there is none."""
        item = await self._queue.get()
        self._count(-_samples(item))
        return item

    def _count(self, samples: int) -> None:
        self._samples += samples
        if self._samples < MAX_SAMPLES:
            self._room.set()
        else:
            self._room.clear()


def _samples(item: Received) -> int:
    return 0 if item is None or isinstance(item, TextIn | EndMark | ProposeIn) else int(item.size)
