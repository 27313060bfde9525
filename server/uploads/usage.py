"""Counts the bytes of the spool's files, and keeps them within a bound."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from models.errors import Overloaded
from models.reasons import Reason


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
                raise Overloaded("The spool is full.", reason=Reason.SPOOL_FULL, retry_after_s=60.0)
            self._used_bytes += size_bytes

    def remove(self, size_bytes: int) -> None:
        """Count bytes that were deleted, or not written after all."""
        with self._lock:
            self._used_bytes -= size_bytes
