"""Takes audio in durably, decodes it, and cuts it into utterances.

Nothing is acknowledged before it is in the encrypted log of the stream and synced to disk; a stream that breaks is
taken up again from that log.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from itertools import pairwise
from typing import Any, ParamSpec, Protocol, TypeVar

from models.errors import InvalidInput
from models.reasons import Reason
from models.speech.endpointing.marks import (
    EndpointCandidate,
    SpeechMark,
    SpeechPaused,
    SpeechResumed,
    UtteranceEnded,
    UtteranceStarted,
)
from models.speech.types import SAMPLE_RATE_HZ, Samples
from server.streaming.events import AudioIn, Output, SpeechBegan, SpeechEnded
from server.streaming.utterance import AudioBuffer, EndpointDecision, Utterance

P = ParamSpec("P")
T = TypeVar("T")


class AudioDecoder(Protocol):
    """``models.media.audio_decoder.StreamDecoder``."""

    def feed(self, data: bytes) -> Samples: ...  # noqa: D102
    def finish(self) -> Samples: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class AudioLog(Protocol):
    """``server.uploads.audio_log.Log``."""

    def append(self, data: bytes) -> None: ...  # noqa: D102
    def mark(self) -> None: ...  # noqa: D102
    def sync(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class UtteranceSegmenter(Protocol):
    """Finds the beginnings and ends of speech in audio that is fed to it piece by piece."""

    @property
    def start(self) -> int:
        """Sample of the stream from which on it wants to hear; at or shortly before what is not finished."""
        ...

    def feed(self, samples: Samples) -> list[SpeechMark]:
        """Listen on. A blocking call of a few milliseconds."""
        ...

    def decide(self, over: bool) -> list[SpeechMark]:
        """Answer ``EndpointCandidate``, and listen on to what was fed meanwhile."""
        ...

    def end(self) -> list[SpeechMark]:
        """Close a running utterance, because the client or the stream says so."""
        ...


Part = tuple[list[Output], list[Utterance]]
"""Events to send, and utterances that began."""


class ReplaySkip:
    """Leaves the first samples of a stream out.

    Args:
        count: How many.
    """

    def __init__(self, count: int) -> None:
        self._left = count

    def __call__(self, samples: Samples) -> Samples:
        """The next samples of the stream, without those that are left out."""
        dropped = min(self._left, samples.size)
        self._left -= dropped
        return samples[dropped:]


class AudioIngest:
    """The listening half of a stream. Calls must not overlap.

    Args:
        log: Where the bytes go before anything else.
        skip_samples: On a resumed stream, audio whose finals are stored already.
        next_offset: Bytes that are in the log already.
    """

    def __init__(
        self,
        log: AudioLog,
        decoder: AudioDecoder,
        cutter: UtteranceSegmenter,
        *,
        next_utterance: int,
        skip_samples: int,
        next_offset: int,
    ) -> None:
        self._log = log
        self._decoder = decoder
        self._cutter = cutter
        self._finished = ReplaySkip(skip_samples)
        self._before_cutter = ReplaySkip(cutter.start)
        self._timeline = AudioBuffer(skip_samples)
        self._number = next_utterance
        self._current: Utterance | None = None
        self._question: EndpointDecision | None = None
        self._working: set[asyncio.Task[Any]] = set()
        self.next_offset = next_offset

    @property
    def heard_s(self) -> float:
        """Seconds of audio since the stream began, over all its connections."""
        return self._timeline.end / SAMPLE_RATE_HZ

    @property
    def last_number(self) -> int:
        """Number of the newest utterance, 0 before the first."""
        return max(self._number - 1, 0)

    def take_number(self) -> int:
        """Number of the next utterance; typed text takes one too."""
        self._number += 1
        return self._number - 1

    async def hear(self, chunk: AudioIn) -> AsyncGenerator[Part, None]:
        """Take a chunk in.

        Yields:
            Events to send, and utterances that began. Where the end of an utterance depends on what was said in it, the
            next part comes when somebody has answered its pause.

        Raises:
            InvalidInput: ``OFFSET_GAP``, audio is missing before this chunk.
            UnsupportedMedia, BrokenMedia, TooLarge: From the decoder.
        """
        if chunk.offset > self.next_offset:
            raise InvalidInput(
                f"Audio is missing: the next offset is {self.next_offset}.",
                reason=Reason.OFFSET_GAP,
                hint="Send from the last acknowledged offset.",
            )
        fresh = chunk.data[self.next_offset - chunk.offset :]
        if not fresh:
            return
        samples, marks = await self._in_thread(self._take_in, fresh)
        self.next_offset += len(fresh)
        async for part in self._parts(samples, marks):
            yield part

    async def replay(self, data: bytes, end_marks: Sequence[int] = ()) -> AsyncGenerator[Part, None]:
        """On a resumed stream, listen again to what is in the log, finished utterances left out; yields like ``hear``.

        Args:
            data: Everything in the log.
            end_marks: Bytes before each end mark that the client gave, in order.
        """
        for number, (start, end) in enumerate(pairwise((0, *end_marks, len(data)))):
            async for part in self._parts(*await self._in_thread(self._listen, data[start:end])):
                yield part
            if number < len(end_marks):
                yield self._cut(None, self._cutter.end())

    async def end_mark(self) -> Part:
        """Close the running utterance now. A sound too short to have begun one becomes one: a quick "yes"."""
        marks = self._cutter.end()
        if marks:  # it ends something: a resumed stream must know where
            await self._in_thread(self._log.mark)
        return self._cut(None, marks)

    async def finish(self) -> AsyncGenerator[Part, None]:
        """No more audio comes; close what is open."""
        if self.next_offset == 0:
            return
        samples, marks = await self._in_thread(lambda: self._heard(self._decoder.finish()))
        async for part in self._parts(samples, marks):
            yield part
        yield self._cut(None, self._cutter.end())

    def leave(self) -> None:
        """Give a running utterance up for now, because the server ends."""
        if self._current is not None:
            self._current.leave()
            self._current = None

    async def sync(self) -> None:
        """Make everything taken in so far durable."""
        await self._in_thread(self._log.sync)

    async def close(self) -> None:
        """Free the decoder and the log file. Harmless when repeated.

        A thread cannot be cancelled: what still works in one is waited for, so that nothing is written to the log, nor
        decoded, when this returns and the stream may be resumed.
        """
        await asyncio.gather(*self._working, return_exceptions=True)
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        self._decoder.close()
        self._log.close()

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        task = asyncio.ensure_future(asyncio.to_thread(work, *args, **kwargs))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)

    async def _parts(self, samples: Samples, marks: list[SpeechMark]) -> AsyncGenerator[Part, None]:
        yield self._cut(samples, marks)
        while self._question is not None:
            over = await self._question.over()
            self._question = None
            yield self._cut(None, await self._in_thread(self._cutter.decide, over))

    def _take_in(self, data: bytes) -> tuple[Samples, list[SpeechMark]]:
        # In this order: bytes that cannot be decoded stay out of the log, where every resume would fail on them again.
        heard = self._listen(data)
        self._log.append(data)
        return heard

    def _listen(self, data: bytes) -> tuple[Samples, list[SpeechMark]]:
        return self._heard(self._decoder.feed(data))

    def _heard(self, decoded: Samples) -> tuple[Samples, list[SpeechMark]]:
        listened = self._before_cutter(decoded)
        return self._finished(decoded), (self._cutter.feed(listened) if listened.size else [])

    def _cut(self, samples: Samples | None, marks: Iterable[SpeechMark]) -> Part:
        if samples is not None:
            self._timeline.append(samples)
        outputs: list[Output] = []
        begun: list[Utterance] = []
        for mark in marks:
            if isinstance(mark, UtteranceStarted):
                self._current = Utterance(self.take_number(), mark.start)
                begun.append(self._current)
                outputs.append(SpeechBegan(self._current.number, mark.speech / SAMPLE_RATE_HZ))
            elif self._current is not None:
                outputs += self._follow(self._current, mark)
        if self._current is None:
            self._timeline.forget(self._timeline.end - KEPT_SAMPLES)
        elif self._question is None:
            self._grow(self._current, self._timeline.end)
        return outputs, begun

    def _follow(
        self, utterance: Utterance, mark: UtteranceEnded | SpeechPaused | SpeechResumed | EndpointCandidate
    ) -> list[Output]:
        match mark:
            case SpeechPaused():
                self._grow(utterance, mark.end)
                utterance.pause_at(mark.end - utterance.start)
            case SpeechResumed():
                utterance.resume()
            case EndpointCandidate():
                self._question = utterance.pause
            case UtteranceEnded():
                self._grow(utterance, mark.end)
                utterance.close(asyncio.get_running_loop().time(), mark.end)
                self._current = None
                return [SpeechEnded(utterance.number, mark.speech / SAMPLE_RATE_HZ)]
        return []

    def _grow(self, utterance: Utterance, end: int) -> None:
        more = self._timeline.slice(utterance.end, end)
        if more.size:
            utterance.append(more)


# Before speech is noticed, its beginning has passed: the padding and the minimum length of speech must still be there.
KEPT_SAMPLES = 2 * SAMPLE_RATE_HZ
