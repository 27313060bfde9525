"""Lets DuckDB checkpoint only while the disk has room for it.

A checkpoint writes most blocks anew before the old ones are free. One that finds the disk full makes DuckDB refuse
everything, also reads, until the file is opened again; a commit that finds it full is only rolled back. So without room
nothing is checkpointed, and the WAL grows.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from server.ledger.columns import DuckDb
from server.runtime.disk_room import free_bytes

MARGIN_BYTES: Final = 32 * 1024 * 1024
"""Room that must be left beside a second copy of file and WAL."""
PAUSE_S: Final = 60.0
"""How long nothing is checkpointed after a failure that the free bytes did not foretell, such as a quota."""
_NEVER: Final = "16TiB"


class Checkpoints:
    """Turns DuckDB's own checkpoints of one file off and on.

    Args:
        path: The DuckDB file.
        free: Gives the free bytes of a folder.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        path: Path,
        free: Callable[[Path], int] = free_bytes,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._path = path
        self._wal = path.with_name(f"{path.name}.wal")
        self._free = free
        self._monotonic = monotonic
        self._on = True
        self._not_before = 0.0

    def fit(self, connection: DuckDb) -> None:
        """Turn them off or on as the disk is now; call it before a commit."""
        wanted = self.have_room()
        if wanted == self._on:
            return
        with suppress(duckdb.Error):  # a connection that cannot be used any more; the commit will tell
            change = "RESET GLOBAL wal_autocheckpoint" if wanted else f"SET GLOBAL wal_autocheckpoint = '{_NEVER}'"
            connection.execute(change)
            self._on = wanted

    def have_room(self) -> bool:
        """Whether the disk takes the file and its WAL once more."""
        if self._monotonic() < self._not_before:
            return False
        try:
            needed = _size(self._path) + _size(self._wal) + MARGIN_BYTES
            return self._free(self._path.parent) >= needed
        except OSError:
            return False

    def opened_anew(self, *, pause_s: float = 0.0) -> None:
        """The file was opened again, so DuckDB's usual setting holds.

        Args:
            pause_s: How long nothing is to be checkpointed.
        """
        self._on = True
        self._not_before = self._monotonic() + pause_s


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
