"""Audio of a stream by absolute sample, and the utterances cut from it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from models.speech.types import SAMPLE_RATE_HZ, Samples


class Timeline:
    """The newest audio of a stream, addressed by sample number since the stream began."""

    def __init__(self, start: int = 0) -> None:
        self._blocks: deque[Samples] = deque()
        self._start = start
        self.end = start

    def append(self, samples: Samples) -> None:
        """Add audio at the end."""
        if samples.size:
            self._blocks.append(samples)
            self.end += samples.size

    def slice(self, start: int, end: int) -> Samples:
        """Audio from ``start`` to ``end``, shape (n,); what was forgotten or is not there yet is left out."""
        found: list[Samples] = []
        at = self._start
        for block in self._blocks:
            low, high = max(start - at, 0), min(end - at, block.size)
            if low < high:
                found.append(block[low:high])
            at += block.size
        return np.concatenate(found) if found else np.zeros(0, np.float32)

    def forget(self, before: int) -> None:
        """Drop whole blocks that end at or before a sample."""
        while self._blocks and self._start + self._blocks[0].size <= before:
            self._start += self._blocks.popleft().size


@dataclass(slots=True)
class Utterance:
    """One stretch of speech; grows until it is closed.

    Attributes:
        start: First sample within the stream, padding included.
        closed_at: Event loop time when its end was noticed; the latency to the final counts from here.
        left: The server ends before the utterance did. Its audio is in the log, and a resumed stream hears it again.
    """

    number: int
    start: int
    samples: list[Samples] = field(default_factory=list)
    closed: bool = False
    closed_at: float = 0.0
    left: bool = False
    size: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def end(self) -> int:
        """One past the last sample within the stream."""
        return self.start + self.size

    @property
    def start_s(self) -> float:
        """Start in seconds of the stream."""
        return self.start / SAMPLE_RATE_HZ

    @property
    def end_s(self) -> float:
        """End in seconds of the stream."""
        return self.end / SAMPLE_RATE_HZ

    def append(self, samples: Samples) -> None:
        """Grow."""
        self.samples.append(samples)
        self.size += samples.size
        self._changed.set()

    def close(self, now: float, end: int) -> None:
        """Nothing more comes, and it ends at this sample of the stream.

        What came behind is silence, and how much of it depends on the pieces in which the audio came.
        """
        kept = max(end - self.start, 0)
        if kept < self.size:
            self.samples, self.size = [np.concatenate(self.samples)[:kept]], kept
        self.closed, self.closed_at = True, now
        self._changed.set()

    def leave(self) -> None:
        """Give it up for now."""
        self.closed = self.left = True
        self._changed.set()

    def pcm(self) -> bytes:
        """Everything so far as float32 little-endian at 16 kHz."""
        joined = np.concatenate(self.samples) if self.samples else np.zeros(0, np.float32)
        self.samples = [joined]
        return joined.astype("<f4", copy=False).tobytes()

    async def wait_for(self, size: int) -> None:
        """Return when it is closed, or has this many samples."""
        while not self.closed and self.size < size:
            self._changed.clear()
            await self._changed.wait()

    async def wait_closed(self) -> None:
        """Return when it is closed."""
        while not self.closed:
            self._changed.clear()
            await self._changed.wait()
