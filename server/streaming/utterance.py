"""The newest audio of a stream, addressed by sample, and the utterances cut from it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from models.media.samples import SAMPLE_RATE_HZ, Samples


class AudioBuffer:
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
        """Audio from ``start`` to ``end``, shape (n,), as far as it is in the buffer."""
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


@dataclass(slots=True, eq=False)
class EndpointDecision:
    """Whether a pause ends the utterance; decided by what was said before it.

    Attributes:
        size: Samples of the utterance up to the pause.
        awaited: Set once the pause is long enough to end a whole sentence, so that segmentation waits for the decision.
    """

    size: int
    awaited: asyncio.Event = field(default_factory=asyncio.Event)
    _ends: bool = False
    _decided: asyncio.Event = field(default_factory=asyncio.Event)

    def decide(self, ends: bool) -> None:
        """Say whether a whole sentence ends at the pause."""
        self._ends = ends
        self._decided.set()

    async def ends(self) -> bool:
        """Wait for the decision and return it."""
        self.awaited.set()
        await self._decided.wait()
        return self._ends


@dataclass(slots=True)
class Utterance:
    """One stretch of speech; grows until it is closed.

    Attributes:
        start: First sample within the stream, padding included.
        pause: The pause at the end of the audio so far, if any; in a closed utterance, the pause that ended it.
        closed_at: Event loop time at which its end was noticed; the latency of the final counts from here.
        known: The question that the person knew when it began, see ``StreamGuidance.known``.
        suspended: The server stopped before the utterance ended. Its audio is in the log; a resumed stream decodes it.
    """

    number: int
    start: int
    samples: list[Samples] = field(default_factory=list)
    closed: bool = False
    closed_at: float = 0.0
    known: str | None = None
    suspended: bool = False
    size: int = 0
    pause: EndpointDecision | None = None
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
        """Add audio at the end."""
        self.samples.append(samples)
        self.size += samples.size
        self._changed.set()

    def pause_at(self, size: int) -> None:
        """Record a pause after this many samples. They are then decoded as if the utterance had ended."""
        self.pause = EndpointDecision(size)
        self._changed.set()

    def resume(self) -> None:
        """Speech resumed, so the last pause does not end the utterance."""
        self.pause = None
        self._changed.set()

    def close(self, now: float, end: int) -> None:
        """End the utterance at this sample of the stream.

        Audio after it is silence, and is cut off: how much there is depends on the size of the chunks.
        """
        self.samples = [self._joined()[: max(end - self.start, 0)]]
        self.size = self.samples[0].size
        if self.pause is not None and self.pause.size != self.size:
            self.pause = None
        elif self.pause is not None:
            self.pause.awaited.set()
        self.closed, self.closed_at = True, now
        self._changed.set()

    def suspend(self) -> None:
        """Close it without an end, because the server stops."""
        self.closed = self.suspended = True
        self._changed.set()

    def pcm(self, size: int | None = None) -> bytes:
        """The first ``size`` samples, or all, as float32 little-endian at 16 kHz."""
        return self._joined()[:size].astype("<f4", copy=False).tobytes()

    async def wait_for(self, size: int, pause: EndpointDecision | None = None) -> None:
        """Return when it is closed, has this many samples, or its pause is another one than ``pause``."""
        while not self.closed and self.size < size and self.pause is pause:
            await self._change()

    async def wait_resumed(self, pause: EndpointDecision) -> None:
        """Return when speech resumed after the pause, or the server stops."""
        while self.pause is pause and not self.suspended:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _joined(self) -> Samples:
        joined = np.concatenate(self.samples) if self.samples else np.zeros(0, np.float32)
        self.samples = [joined]
        return joined
