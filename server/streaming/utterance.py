"""Audio of a stream by absolute sample, and the utterances cut from it."""

from __future__ import annotations

import asyncio
from collections import deque
from dataclasses import dataclass, field

import numpy as np

from models.speech.types import SAMPLE_RATE_HZ, Samples


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


@dataclass(slots=True, eq=False)
class EndpointDecision:
    """It is quiet inside an utterance; perhaps it is over.

    Attributes:
        size: Samples of the utterance up to here.
        asked: Set once the pause is long enough to be the end of a whole sentence, and ``over`` is waited for.
    """

    size: int
    asked: asyncio.Event = field(default_factory=asyncio.Event)
    _over: bool = False
    _answered: asyncio.Event = field(default_factory=asyncio.Event)

    def answer(self, over: bool) -> None:
        """Say whether a whole sentence ends here."""
        self._over = over
        self._answered.set()

    async def over(self) -> bool:
        """Whether a whole sentence ends here, as soon as that is known."""
        self.asked.set()
        await self._answered.wait()
        return self._over


@dataclass(slots=True)
class Utterance:
    """One stretch of speech; grows until it is closed.

    Attributes:
        start: First sample within the stream, padding included.
        pause: The pause that goes on now; when the utterance was closed, the one at whose place it ends.
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
        """Grow."""
        self.samples.append(samples)
        self.size += samples.size
        self._changed.set()

    def pause_at(self, size: int) -> None:
        """It has become quiet; these many samples are worth to be recognised."""
        self.pause = EndpointDecision(size)
        self._changed.set()

    def resume(self) -> None:
        """The pause was none."""
        self.pause = None
        self._changed.set()

    def close(self, now: float, end: int) -> None:
        """Nothing more comes, and it ends at this sample of the stream.

        What came behind is silence; how much of it depends on the pieces in which the audio came.
        """
        self.samples = [self._joined()[: max(end - self.start, 0)]]
        self.size = self.samples[0].size
        if self.pause is not None and self.pause.size != self.size:
            self.pause = None
        elif self.pause is not None:
            self.pause.asked.set()
        self.closed, self.closed_at = True, now
        self._changed.set()

    def leave(self) -> None:
        """Give it up for now."""
        self.closed = self.left = True
        self._changed.set()

    def pcm(self, size: int | None = None) -> bytes:
        """Everything so far, or its beginning, as float32 little-endian at 16 kHz."""
        return self._joined()[:size].astype("<f4", copy=False).tobytes()

    async def wait_for(self, size: int, pause: EndpointDecision | None = None) -> None:
        """Return when it is closed, has this many samples, or pauses otherwise than in this pause."""
        while not self.closed and self.size < size and self.pause is pause:
            await self._change()

    async def wait_over(self, pause: EndpointDecision) -> None:
        """Return when the pause is of no more interest: somebody speaks on, or the server leaves."""
        while self.pause is pause and not self.left:
            await self._change()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()

    def _joined(self) -> Samples:
        joined = np.concatenate(self.samples) if self.samples else np.zeros(0, np.float32)
        self.samples = [joined]
        return joined
