"""Counts the bytes of the spool's files and of each client's audio logs, and keeps them within bounds."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import NotFound, Overloaded
from models.reasons import Reason
from server.uploads.encrypted_frames import HEADER_BYTES

_RETRY_AFTER_S: Final = 60.0
"""For a caller who finds the spool full; when there is room again is not known."""

_NEARLY_FULL: Final = 0.85
"""Share of its bound."""


class SpoolUsage:
    """Bytes in the folder of the spool. Threads may share it.

    Args:
        folder: Its files are counted at the start.
        limit_bytes: None for no bound.
    """

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        self._lock = threading.Lock()
        self._limit_bytes = limit_bytes
        self._folder = folder
        self._used_bytes = self._count()
        self._grown_bytes = 0  # by this server since its start

    @property
    def used_bytes(self) -> int:
        """Bytes of all files now."""
        return self._used_bytes

    @property
    def nearly_full(self) -> bool:
        """Whether more than 85 % of the bound are used."""
        return self._limit_bytes is not None and self._used_bytes > self._limit_bytes * _NEARLY_FULL

    def add(self, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            Overloaded: SPOOL_FULL, they would not fit; nothing is counted.
        """
        with self._lock:
            if self._limit_bytes is not None and self._used_bytes + size_bytes > self._limit_bytes:
                raise Overloaded("The spool is full.", reason=Reason.SPOOL_FULL, retry_after_s=_RETRY_AFTER_S)
            self._grow(size_bytes)

    def remove(self, size_bytes: int) -> None:
        """Count bytes that were deleted, or not written after all."""
        with self._lock:
            self._grow(-size_bytes)

    def note(self, size_bytes: int) -> None:
        """Count bytes that another server has written."""
        with self._lock:
            self._grow(size_bytes)

    def recount(self) -> None:
        """Count all files again, where other servers write some of them, too. Nobody waits meanwhile.

        What this server writes during the count may be counted twice, until the next one.
        """
        before = self._grown_bytes
        counted = self._count()
        with self._lock:
            self._used_bytes = counted + self._grown_bytes - before

    def _grow(self, size_bytes: int) -> None:
        self._used_bytes += size_bytes
        self._grown_bytes += size_bytes

    def _count(self) -> int:
        used_bytes = 0
        with os.scandir(self._folder) as entries:
            for entry in entries:
                with suppress(FileNotFoundError):  # another server may delete it
                    used_bytes += entry.stat().st_size if entry.is_file(follow_symlinks=False) else 0
        return used_bytes


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Bounds on the audio logs of one client; None for no bound.

    Attributes:
        size_bytes: Of all of them together.
        logs: Number of those that hold audio.
    """

    size_bytes: int | None = None
    logs: int | None = None


NO_BOUNDS: Final = LogBounds()


@dataclass(slots=True)
class _Held:
    """What the logs of one client come to; ``logs`` are those that hold audio."""

    size_bytes: int = 0
    logs: int = 0


class LogUsage:
    """Counts the audio logs, and keeps those of each client within bounds. Threads may share it.

    A log counts from ``begin`` to ``forget``. What is written to a deleted file in between does not.

    Args:
        spool: Counts their bytes too, with all other files.
        sizes: Bytes of the logs that are there, by stream. They are nobody's until ``assign`` says whose they are.
    """

    def __init__(self, spool: SpoolUsage, sizes: Mapping[str, int], bounds: LogBounds) -> None:
        self._lock = threading.Lock()
        self._spool = spool
        self._bounds = bounds
        self._sizes = dict(sizes)
        self._clients: dict[str, str] = {}
        self._held: defaultdict[str, _Held] = defaultdict(_Held)

    def assign(self, stream_id: str, client_id: str) -> None:
        """Say whose stream this is. Harmless when repeated; a stream keeps its client."""
        with self._lock:
            if stream_id not in self._clients:
                self._clients[stream_id] = client_id
                self._count(client_id, 0, self._sizes.get(stream_id, 0))

    def problem(self, client_id: str) -> Overloaded | None:
        """Why a client may not open another stream now; None if it may."""
        with self._lock:
            return self._beyond(client_id, size_bytes=1, logs=1)

    def begin(self, stream_id: str, size_bytes: int = 0) -> None:
        """Count what is written to a log from now on. Harmless when repeated.

        Args:
            stream_id: Its stream.
            size_bytes: What is in the log already; another server may have written it.
        """
        with self._lock:
            if stream_id not in self._sizes:
                self._spool.note(size_bytes)
                self._resize(stream_id, 0, size_bytes)

    def recount(self, sizes: Mapping[str, int], open_here: Callable[[], Set[str]]) -> None:
        """Take the sizes of all logs as they were found, where other servers write some of them, too.

        Args:
            sizes: Bytes by stream.
            open_here: Gives the streams whose logs this server has open. Their own counts stay, as some may be newer
                than what was found.
        """
        with self._lock:
            own = open_here()
            for stream_id in self._sizes.keys() - sizes.keys() - own:
                self._resize(stream_id, self._sizes[stream_id], 0)
                del self._sizes[stream_id]
                self._clients.pop(stream_id, None)
            for stream_id in sizes.keys() - own:
                self._resize(stream_id, self._sizes.get(stream_id, 0), sizes[stream_id])

    def add(self, stream_id: str, size_bytes: int) -> None:
        """Count bytes that are about to be written. A log without audio is within every bound of its client.

        Raises:
            Overloaded: CLIENT_AUDIO_FULL or SPOOL_FULL, they would not fit; nothing is counted.
            NotFound: STREAM_NOT_FOUND, the log was deleted.
        """
        with self._lock:
            before = self._sizes.get(stream_id)
            if before is None:
                raise NotFound("The audio of this stream was deleted.", reason=Reason.STREAM_NOT_FOUND)
            after, client_id = before + size_bytes, self._clients.get(stream_id)
            if client_id is not None and _holds_audio(after):
                logs = _holds_audio(after) - _holds_audio(before)
                if (error := self._beyond(client_id, size_bytes, logs)) is not None:
                    raise error
            self._spool.add(size_bytes)
            self._resize(stream_id, before, after)

    def remove(self, stream_id: str, size_bytes: int) -> None:
        """Count bytes that were cut off, or not written after all. Those of a deleted log are removed already."""
        with self._lock:
            if (before := self._sizes.get(stream_id)) is not None:
                self._spool.remove(size_bytes)
                self._resize(stream_id, before, before - size_bytes)

    def forget(self, stream_id: str) -> None:
        """A log was deleted: nothing of it counts any more, in the spool neither."""
        with self._lock:
            if (before := self._sizes.get(stream_id)) is not None:
                self._spool.remove(before)
                self._resize(stream_id, before, 0)
                del self._sizes[stream_id]
            self._clients.pop(stream_id, None)

    def _resize(self, stream_id: str, before: int, after: int) -> None:
        self._sizes[stream_id] = after
        if (client_id := self._clients.get(stream_id)) is not None:
            self._count(client_id, before, after)

    def _count(self, client_id: str, before: int, after: int) -> None:
        held = self._held[client_id]
        held.size_bytes += after - before
        held.logs += _holds_audio(after) - _holds_audio(before)
        if not held.size_bytes:
            del self._held[client_id]

    def _beyond(self, client_id: str, size_bytes: int, logs: int) -> Overloaded | None:
        held, bounds = self._held.get(client_id, _Held()), self._bounds
        if (bounds.size_bytes is None or held.size_bytes + size_bytes <= bounds.size_bytes) and (
            bounds.logs is None or held.logs + logs <= bounds.logs
        ):
            return None
        return Overloaded(
            "Too much audio of this client's streams is kept until they are finished.",
            reason=Reason.CLIENT_AUDIO_FULL,
            hint="Half-close each stream that is done. Resume one that broke with its token, then half-close it. Then "
            "try again. A stream that is not half-closed makes room when it can no longer be resumed.",
        )


def _holds_audio(size_bytes: int) -> bool:
    """Whether a log of this size has more than its header."""
    return size_bytes > HEADER_BYTES


@dataclass(frozen=True, slots=True)
class OneLogUsage:
    """What ``LogUsage`` counts for the log of one stream."""

    logs: LogUsage
    stream_id: str

    def begin(self, size_bytes: int) -> None:
        """See ``LogUsage.begin``."""
        self.logs.begin(self.stream_id, size_bytes)

    def add(self, size_bytes: int) -> None:
        """See ``LogUsage.add``."""
        self.logs.add(self.stream_id, size_bytes)

    def remove(self, size_bytes: int) -> None:
        """See ``LogUsage.remove``."""
        self.logs.remove(self.stream_id, size_bytes)
