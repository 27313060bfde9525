"""Lets DuckDB checkpoint only while the disk has room for it.

A checkpoint writes most blocks anew before the old ones are free. One that finds the disk full makes DuckDB refuse
everything, also reads, until the file is opened again; a commit that finds it full is only rolled back. So without room
nothing is checkpointed, and the WAL grows.

DuckDB itself looks at the bytes of the WAL alone. What reads it, a start after a kill or an analyst's query, takes its
time for each commit, so there is a bound on commits too.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

import duckdb

from server.ledger.columns import DuckDb
from server.runtime.free_bytes import free_bytes

MARGIN_BYTES: Final = 32 * 1024 * 1024
"""Room that must be left beside a second copy of file and WAL."""
PAUSE_S: Final = 60.0
"""How long nothing is checkpointed after a failure that the free bytes did not foretell, such as a quota."""
MOST_COMMITS: Final = 2000
"""After so many the WAL is written into the file. To read up to 2,000 commits took 1.6 s, and 8,000 took 7.5 s. The
writer stands still for 0.1 s meanwhile, and for 0.4 s where there are two million events.

Found in docs/evaluation/server.md, "The ledger"."""
_NEVER: Final = "SET GLOBAL wal_autocheckpoint = '16TiB'"
_NEXT_COMMIT: Final = "SET GLOBAL wal_autocheckpoint = '1B'"
_BY_BYTES: Final = "RESET GLOBAL wal_autocheckpoint"


class Checkpoints:
    """Sets when DuckDB itself checkpoints one file.

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
        self._setting = _BY_BYTES
        self._commits = 0
        self._wal_bytes = 0
        self._not_before = 0.0

    def fit(self, connection: DuckDb) -> None:
        """Set it as the disk and the WAL are now; call it once before each commit."""
        wanted = self._wanted()
        if wanted == self._setting:
            return
        with suppress(duckdb.Error):  # a connection that cannot be used any more; the commit will tell
            connection.execute(wanted)
            self._setting = wanted

    def _wanted(self) -> str:
        wal_bytes = _size(self._wal)
        self._commits = self._commits + 1 if wal_bytes >= self._wal_bytes else 1
        self._wal_bytes = wal_bytes
        if not self.have_room():
            return _NEVER
        return _BY_BYTES if self._commits < MOST_COMMITS else _NEXT_COMMIT

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
        self._setting = _BY_BYTES
        self._commits = 0
        self._not_before = self._monotonic() + pause_s


def _size(file: Path) -> int:
    try:
        return file.stat().st_size
    except FileNotFoundError:
        return 0
