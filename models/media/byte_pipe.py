"""Incremental decoding of containers: FFmpeg pulls bytes in a thread, and the caller pushes them."""

from __future__ import annotations

import threading
from collections import deque

from models.errors import InternalError, VestibuleError
from models.media.audio_headers import AudioLimits
from models.media.formats import MediaFormat
from models.media.pyav_frames import Collector, decode_container
from models.media.samples import Samples


class BytePipe:
    """A file-like object to read from, which another thread fills.

    The writer can wait until the reader has read everything and asks for more, which makes ``feed`` synchronous.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._chunks: deque[bytes] = deque()
        self._no_more = False
        self._reader_waits = False
        self._reader_left = False

    def read(self, size: int = -1) -> bytes:
        """Block until there are bytes; no bytes means the end."""
        with self._changed:
            while not self._chunks and not self._no_more:
                self._reader_waits = True
                self._changed.notify_all()
                self._changed.wait()
            if not self._chunks:
                return b""
            chunk = self._chunks.popleft()
            if 0 <= size < len(chunk):
                self._chunks.appendleft(chunk[size:])
                chunk = chunk[:size]
            return chunk

    def write(self, data: bytes) -> None:
        """Add bytes. They are dropped when the reader is done."""
        with self._changed:
            if data and not self._reader_left:
                self._chunks.append(data)
                self._reader_waits = False
                self._changed.notify_all()

    def end(self, *, discard: bool = False) -> None:
        """End the input; with ``discard``, drop the bytes that were not read yet."""
        with self._changed:
            self._no_more = True
            if discard:
                self._chunks.clear()
            self._changed.notify_all()

    def leave(self) -> None:
        """The reader is done."""
        with self._changed:
            self._reader_left = True
            self._chunks.clear()
            self._changed.notify_all()

    def wait_until_read(self) -> None:
        """Block until the reader waits for more bytes, or is done."""
        with self._changed:
            self._changed.wait_for(lambda: self._reader_left or self._reader_waits)


class PipedDecoder:
    """Decodes a container while its bytes arrive."""

    def __init__(self, kind: MediaFormat, limits: AudioLimits) -> None:
        self._kind = kind
        self._pipe = BytePipe()
        self._collector = Collector(limits)
        self._error: VestibuleError | None = None
        self._completed = False
        # A daemon, so that an abandoned stream does not keep the process alive.
        self._thread = threading.Thread(target=self._work, name="audio-decoder", daemon=True)
        self._thread.start()

    def feed(self, data: bytes) -> Samples:
        """Take more bytes, and wait until they are decoded."""
        self._pipe.write(data)
        self._pipe.wait_until_read()
        self._raise_if_failed()
        return self._collector.take()

    def finish(self) -> Samples:
        """Decode to the end."""
        self._pipe.end()
        self._thread.join()
        self._raise_if_failed()
        if not self._completed:
            raise InternalError("The audio decoder ended unexpectedly.")
        return self._collector.take()

    def close(self) -> None:
        """End the worker."""
        self._pipe.end(discard=True)
        self._thread.join()

    def _work(self) -> None:
        try:
            decode_container(self._pipe, self._kind, self._collector)
            self._completed = True
        except VestibuleError as exc:
            self._error = exc
        finally:
            self._pipe.leave()

    def _raise_if_failed(self) -> None:
        if self._error is not None:
            raise self._error
