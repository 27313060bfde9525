"""Decodes the audio of a stream and writes it to the stream's encrypted log."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, Final, ParamSpec, Protocol, TypeVar

import numpy as np

from models.errors import InvalidInput
from models.media.samples import SAMPLE_RATE_HZ, Samples
from models.reasons import Reason
from server.streaming.events import AudioIn
from server.uploads.audio_log import LogPieces

P = ParamSpec("P")
T = TypeVar("T")

_THREADS: Final = 2
"""Of one stream: one decodes while the other makes the log durable."""


class AudioDecoder(Protocol):
    """``models.media.audio_decoder.StreamDecoder``."""

    def feed(self, data: bytes) -> Samples: ...  # noqa: D102
    def finish(self) -> Samples: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class AudioLog(Protocol):
    """``server.uploads.audio_log.AudioLogFile``."""

    def append(self, data: bytes) -> None: ...  # noqa: D102
    def mark(self) -> None: ...  # noqa: D102
    def sync(self) -> None: ...  # noqa: D102
    def close(self) -> None: ...  # noqa: D102


class AudioIngest:
    """Takes in the audio of one stream. Calls of its methods must not overlap, except ``sync`` and ``close``.

    It has threads of its own: audio that takes long to decode makes neither another stream nor an upload wait.

    Args:
        next_offset: Bytes that are in the log already.

    Attributes:
        next_offset: Bytes that are in the log now.
    """

    def __init__(self, log: AudioLog, decoder: AudioDecoder, next_offset: int) -> None:
        self._log = log
        self._decoder = decoder
        self._samples = 0
        self._marked = next_offset
        self._threads = ThreadPoolExecutor(_THREADS, "stream-audio")
        self._replayed: LogPieces | None = None
        self._working: set[asyncio.Future[Any]] = set()
        self.next_offset = next_offset

    @property
    def received_s(self) -> float:
        """Seconds of audio that were decoded since the stream began, over all its connections."""
        return self._samples / SAMPLE_RATE_HZ

    async def feed(self, chunk: AudioIn) -> Samples:
        """Decode a chunk and append it to the log. Bytes that are in the log already are skipped.

        Returns:
            The new samples, shape (n,).

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
            return np.zeros(0, np.float32)
        samples = await self._in_thread(self._decode_and_log, fresh)
        self.next_offset += len(fresh)
        return self._counted(samples)

    async def replay(self, pieces: LogPieces) -> AsyncIterator[Samples | None]:
        """Decode what is in the log already, piece by piece; None stands for a mark. ``close`` closes ``pieces``."""
        self._replayed = pieces
        while (piece := await self._in_thread(next, pieces, None)) is not None:
            yield self._counted(await self._in_thread(self._decoder.feed, piece)) if piece else None

    async def mark_end(self) -> None:
        """Note in the log that the client ended its utterance here; a resumed stream ends it at the same byte.

        Without new audio since the last mark there is nothing to end, and nothing is written.
        """
        if self.next_offset > self._marked:
            self._marked = self.next_offset
            await self._in_thread(self._log.mark)

    async def finish(self) -> Samples:
        """No more audio comes: the samples that the decoder still held."""
        return self._counted(await self._in_thread(self._decoder.finish))

    async def sync(self) -> None:
        """Make everything in the log durable."""
        await self._in_thread(self._log.sync)

    async def close(self) -> None:
        """Free the decoder and the log file. Harmless when repeated.

        A thread cannot be cancelled, so its work is waited for: when this returns, nothing writes to the log any more,
        and the stream may be resumed.
        """
        await asyncio.gather(*self._working, return_exceptions=True)
        await asyncio.to_thread(self._free)

    def _free(self) -> None:
        if self._replayed is not None:
            self._replayed.close()
        self._decoder.close()
        self._log.close()
        self._threads.shutdown(wait=False)

    def _counted(self, samples: Samples) -> Samples:
        self._samples += samples.size
        return samples

    def _decode_and_log(self, data: bytes) -> Samples:
        # In this order: bytes that cannot be decoded stay out of the log, where every resume would fail on them again.
        samples = self._decoder.feed(data)
        self._log.append(data)
        return samples

    async def _in_thread(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        call = partial(contextvars.copy_context().run, work, *args, **kwargs)
        task = asyncio.ensure_future(asyncio.get_running_loop().run_in_executor(self._threads, call))
        self._working.add(task)
        task.add_done_callback(self._working.discard)
        return await asyncio.shield(task)
