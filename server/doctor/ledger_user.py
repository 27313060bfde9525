"""Which process has the ledger open. The lock on the file tells it, without opening the ledger."""

from __future__ import annotations

import fcntl
import struct
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil

from ray_tasks.processes import with_descendants

_LOCK: Final = struct.Struct("hhqqi4x")
"""Linux's ``struct flock``: type, whence, start, length, process id."""


@dataclass(frozen=True, slots=True)
class LedgerUser:
    """A process that has the ledger open.

    Attributes:
        pid: Its id; 0 if it cannot be seen, as from a container of its own.
        program: Its name; empty if it cannot be seen.
        is_server: Whether it is `vestibule serve`, or cannot be seen, and so may be.
    """

    pid: int
    program: str
    is_server: bool

    def family(self) -> set[int]:
        """The ids of the process and of all that it has started."""
        try:
            return {process.pid for process in with_descendants([psutil.Process(self.pid)])}
        except psutil.Error:
            return {self.pid}

    def __str__(self) -> str:
        """For a sentence: ``process 123 (python)``."""
        if not self.pid:
            return "a process that cannot be seen from here"
        return f"process {self.pid} ({self.program})" if self.program else f"process {self.pid}"


def find_ledger_user(ledger: Path) -> LedgerUser | None:
    """The process that has a ledger open; None if there is none, or if this system does not tell.

    DuckDB locks the whole file. Asking for the owner of the lock takes no lock, so a server that starts meanwhile is
    not disturbed.
    """
    if sys.platform != "linux":
        return None
    try:
        with ledger.open("rb") as file:
            asked = _LOCK.pack(fcntl.F_WRLCK, 0, 0, 0, 0)
            kind, _whence, _start, _length, pid = _LOCK.unpack(fcntl.fcntl(file, fcntl.F_GETLK, asked))
    except OSError:
        return None
    return None if kind == fcntl.F_UNLCK else _described(pid)


def _described(pid: int) -> LedgerUser:
    try:
        process = psutil.Process(pid)
        return LedgerUser(pid, process.name(), "serve" in process.cmdline())
    except (psutil.Error, ValueError):  # it ended, or is not ours to see
        return LedgerUser(max(pid, 0), "", is_server=True)
