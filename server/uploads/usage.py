"""Counts the bytes of the spool's files and of each client's audio logs, and keeps them within bounds."""

from __future__ import annotations

import os
import threading
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import Overloaded
from models.reasons import Reason

_RETRY_AFTER_S: Final = 60.0
"""For a caller who finds no room; when there is some again is not known."""


class SpoolUsage:
    """Bytes in the folder of the spool. Threads may share it.

    Args:
        folder: Its files are counted once, at the start.
        limit_bytes: None for no bound.
    """

    def __init__(self, folder: Path, limit_bytes: int | None) -> None:
        self._lock = threading.Lock()
        self._limit_bytes = limit_bytes
        with os.scandir(folder) as entries:
            self._used_bytes = sum(entry.stat().st_size for entry in entries if entry.is_file(follow_symlinks=False))

    @property
    def used_bytes(self) -> int:
        """Bytes of all files now."""
        return self._used_bytes

    def add(self, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            Overloaded: SPOOL_FULL, they would not fit; nothing is counted.
        """
        with self._lock:
            if self._limit_bytes is not None and self._used_bytes + size_bytes > self._limit_bytes:
                raise Overloaded("The spool is full.", reason=Reason.SPOOL_FULL, retry_after_s=_RETRY_AFTER_S)
            self._used_bytes += size_bytes

    def remove(self, size_bytes: int) -> None:
        """Count bytes that were deleted, or not written after all."""
        with self._lock:
            self._used_bytes -= size_bytes


@dataclass(frozen=True, slots=True)
class LogBounds:
    """Bounds on the audio logs of one client; None for no bound.

    Attributes:
        size_bytes: Of all of them together.
        logs: Their number.
    """

    size_bytes: int | None = None
    logs: int | None = None


NO_BOUNDS: Final = LogBounds()


@dataclass(slots=True)
class _Held:
    """What the logs of one client come to."""

    size_bytes: int = 0
    logs: int = 0


class LogUsage:
    """Counts the audio logs, and keeps those of each client within bounds. Threads may share it.

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
                if stream_id in self._sizes:
                    self._count(stream_id, self._sizes[stream_id], logs=1)

    def problem(self, client_id: str) -> Overloaded | None:
        """Why a client may not open another stream now; None if it may."""
        with self._lock:
            return self._beyond(client_id, size_bytes=1, logs=1)

    def add(self, stream_id: str, size_bytes: int) -> None:
        """Count bytes that are about to be written.

        Raises:
            Overloaded: CLIENT_AUDIO_FULL or SPOOL_FULL, they would not fit; nothing is counted.
        """
        with self._lock:
            logs = 0 if stream_id in self._sizes else 1
            client_id = self._clients.get(stream_id)
            if client_id is not None and (error := self._beyond(client_id, size_bytes, logs)) is not None:
                raise error
            self._spool.add(size_bytes)
            self._sizes[stream_id] = self._sizes.get(stream_id, 0) + size_bytes
            self._count(stream_id, size_bytes, logs)

    def remove(self, stream_id: str, size_bytes: int) -> None:
        """Count bytes that were cut off, or not written after all."""
        with self._lock:
            self._spool.remove(size_bytes)
            if stream_id in self._sizes:
                self._sizes[stream_id] -= size_bytes
                self._count(stream_id, -size_bytes)

    def forget(self, stream_id: str) -> None:
        """A log was deleted; its bytes were removed from the spool's."""
        with self._lock:
            size_bytes = self._sizes.pop(stream_id, None)
            if size_bytes is not None:
                self._count(stream_id, -size_bytes, logs=-1)
            self._clients.pop(stream_id, None)

    def _count(self, stream_id: str, size_bytes: int, logs: int = 0) -> None:
        if (client_id := self._clients.get(stream_id)) is not None:
            held = self._held[client_id]
            held.size_bytes += size_bytes
            held.logs += logs
            if not held.logs:
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
            hint="Half-close each stream that is done. Resume one that broke with its token, then half-close it.",
            retry_after_s=_RETRY_AFTER_S,
        )


@dataclass(frozen=True, slots=True)
class OneLogUsage:
    """What ``LogUsage`` counts for the log of one stream."""

    logs: LogUsage
    stream_id: str

    def add(self, size_bytes: int) -> None:
        """See ``LogUsage.add``."""
        self.logs.add(self.stream_id, size_bytes)

    def remove(self, size_bytes: int) -> None:
        """See ``LogUsage.remove``."""
        self.logs.remove(self.stream_id, size_bytes)
