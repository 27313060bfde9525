"""Cuts the audio of a stream into utterances."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Protocol

from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.speech.endpointing.marks import (
    EndpointCandidate,
    SpeechMark,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from server.streaming import events
from server.streaming.events import EndMark, Output, ProposeIn, TextIn
from server.streaming.utterance import AudioBuffer, EndpointDecision, Utterance

# Kept while nobody speaks: by the time that speech is noticed, its beginning and the padding before it have passed.
KEPT_SAMPLES = 2 * SAMPLE_RATE_HZ
# What may wait for segmentation before the stream stops receiving.
MAX_BACKLOG_SAMPLES = 30 * SAMPLE_RATE_HZ
MAX_BACKLOG_ITEMS = 1024
# The same for audio of the log that is replayed. A stream holds less than this that is not transcribed yet.
MAX_REPLAYED_SAMPLES = 600 * SAMPLE_RATE_HZ


class UtteranceSegmenter(Protocol):
    """``models.speech.endpointing.segmenter.Segmenter``."""

    @property
    def start(self) -> int:
        """Sample of the stream with which ``feed`` begins."""
        ...

    def feed(self, samples: Samples) -> list[SpeechMark]: ...  # noqa: D102
    def decide(self, over: bool) -> list[SpeechMark]: ...  # noqa: D102
    def end(self) -> list[SpeechMark]: ...  # noqa: D102


SegmenterFactory = Callable[[int, float | None, float | None], UtteranceSegmenter]
"""Takes the sample from which on utterances are looked for, and the end silence and longest utterance, in seconds, that
the client wants."""

Part = tuple[list[Output], list[Utterance]]
"""Events to send, and utterances that began."""


class Segmentation:
    """The utterances of one stream. Calls must not overlap.

    Args:
        segmenter: Finds where speech begins and ends.
        next_utterance: Number of the next utterance.
        finalized_samples: On a resumed stream, audio before this sample belongs to utterances that are stored.
    """

    def __init__(self, segmenter: UtteranceSegmenter, *, next_utterance: int, finalized_samples: int) -> None:
        self._segmenter = segmenter
        self._finalized_samples = finalized_samples
        self._fed_samples = 0
        self._audio = AudioBuffer(finalized_samples)
        self._number = next_utterance
        self._current: Utterance | None = None
        self._decision: EndpointDecision | None = None

    @property
    def last_number(self) -> int:
        """Number of the newest utterance, 0 before the first."""
        return max(self._number - 1, 0)

    def take_number(self) -> int:
        """Number of the next utterance; typed text takes one too."""
        self._number += 1
        return self._number - 1

    async def feed(self, samples: Samples) -> AsyncGenerator[Part, None]:
        """Feed more audio of the stream, in order from its first sample.

        Yields:
            Events to send, and utterances that began. Where the end of an utterance depends on what was said in it, the
            next part comes when its pause is decided.
        """
        position, self._fed_samples = self._fed_samples, self._fed_samples + samples.size
        self._audio.append(samples[max(self._finalized_samples - position, 0) :])
        heard = samples[max(self._segmenter.start - position, 0) :]
        yield self._apply(await asyncio.to_thread(self._segmenter.feed, heard) if heard.size else [])
        while self._decision is not None:
            ends = await self._decision.ends()
            self._decision = None
            yield self._apply(await asyncio.to_thread(self._segmenter.decide, ends))

    def end_utterance(self) -> Part:
        """Close the running utterance now. A sound too short to have begun one becomes one: a quick "yes"."""
        return self._apply(self._segmenter.end())

    def suspend(self) -> None:
        """Suspend the running utterance without an end, because the server stops."""
        if self._current is not None:
            self._current.suspend()
            self._current = None

    def _apply(self, marks: Iterable[SpeechMark]) -> Part:
        outputs: list[Output] = []
        begun: list[Utterance] = []
        for mark in marks:
            if isinstance(mark, UtteranceStarted):
                self._current = Utterance(self.take_number(), mark.start)
                begun.append(self._current)
                outputs.append(events.SpeechBegan(self._current.number, mark.speech / SAMPLE_RATE_HZ))
            elif self._current is not None:
                outputs += self._update(self._current, mark)
        if self._current is None:
            self._audio.forget(self._audio.end - KEPT_SAMPLES)
        elif self._decision is None:
            self._grow(self._current, self._audio.end)
        return outputs, begun

    def _update(
        self, utterance: Utterance, mark: UtteranceEnded | SpeechPaused | SpeechResumed | EndpointCandidate
    ) -> list[Output]:
        match mark:
            case SpeechPaused():
                self._grow(utterance, mark.end)
                utterance.pause_at(mark.end - utterance.start)
            case SpeechResumed():
                utterance.resume()
            case EndpointCandidate():
                self._decision = utterance.pause
            case UtteranceEnded():
                self._grow(utterance, mark.end)
                utterance.close(asyncio.get_running_loop().time(), mark.end)
                self._current = None
                return [events.SpeechEnded(utterance.number, mark.speech / SAMPLE_RATE_HZ)]
        return []

    def _grow(self, utterance: Utterance, end: int) -> None:
        more = self._audio.slice(utterance.end, end)
        if more.size:
            utterance.append(more)


Received = TextIn | EndMark | ProposeIn | Samples | None
"""None ends it."""


class Backlog:
    """What was received and is not segmented yet, in order. One task puts, another gets.

    It lets a stream go on receiving and acknowledging audio while segmentation waits for the decision of a pause. What
    is replayed has a bound of its own, so new audio is acknowledged while the replay still waits for recognition.
    """

    def __init__(self) -> None:
        self._queue: asyncio.Queue[tuple[Received, _Room]] = asyncio.Queue(MAX_BACKLOG_ITEMS)
        self._live = _Room(MAX_BACKLOG_SAMPLES)
        self._replayed = _Room(MAX_REPLAYED_SAMPLES)

    async def put(self, item: Received, *, replayed: bool = False) -> None:
        """Add an item; waits while there is no room."""
        room = self._replayed if replayed else self._live
        await room.free.wait()
        room.count(_samples(item))
        await self._queue.put((item, room))

    async def get(self) -> Received:
        """Take the oldest item; waits while there is none."""
        item, room = await self._queue.get()
        room.count(-_samples(item))
        return item


class _Room:
    """A bound on samples that wait.

    Attributes:
        free: Set while there is room.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._samples = 0
        self.free = asyncio.Event()
        self.free.set()

    def count(self, samples: int) -> None:
        """Note that more samples wait, or fewer."""
        self._samples += samples
        if self._samples < self._most:
            self.free.set()
        else:
            self.free.clear()


def _samples(item: Received) -> int:
    return 0 if item is None or isinstance(item, TextIn | EndMark | ProposeIn) else int(item.size)
