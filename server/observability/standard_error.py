"""Standard error that never raises and never makes its writer wait.

What is written there goes into a bounded queue, and a thread writes it out. So a pipe that nobody reads, or a full
disk, costs lines of the log and nothing else. ``logging.handlers.QueueListener`` is not used: only Python's own loggers
could use it, while libraries and warnings write to ``sys.stderr`` too; its end also waits without a bound.
"""

from __future__ import annotations

import atexit
import io
import os
import select
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from queue import SimpleQueue
from typing import Final

MOST_WAITING: Final = 10_000
"""Writes that wait. A line of the log has about 200 bytes, so this is about 2 MB."""
LONGEST_WRITE: Final = 16_384
"""Characters of one write; the rest of a longer one is left out."""
END_S: Final = 2.0
"""How long the end of the process waits for what was written."""
_STANDARD_DESCRIPTORS: Final = 3
_ERROR_DESCRIPTOR: Final = 2


class QueuedStream(io.TextIOBase):
    """A stream for text whose ``write`` only puts the text into a queue.

    The queue is a ``SimpleQueue``, so that a write within a write, from a finalizer or a signal handler, is safe.

    Args:
        descriptor: Where the text goes.
        on_recovered: Called by the thread with the number of lost lines, once everything that waited is written.
        most_waiting: Writes that may wait; further ones are lost, and counted.
    """

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(
        self, descriptor: int, on_recovered: Callable[[int], None], *, most_waiting: int = MOST_WAITING
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._on_recovered = on_recovered
        self._most_waiting = most_waiting
        self._waiting: SimpleQueue[str | threading.Event] = SimpleQueue()
        self._counting = threading.RLock()
        self._lost = self._told = 0
        self._torn = False
        self._works = True
        threading.Thread(target=self._write_out, name="standard-error", daemon=True).start()

    @property
    def lost_lines(self) -> int:
        """Lines that could not be written since the start."""
        return self._lost

    def write(self, text: str) -> int:
        """Queue the text, or count its lines as lost when too much waits."""
        if not isinstance(text, str):
            raise TypeError("Only text can be written.")
        if self._waiting.qsize() >= self._most_waiting:
            self._lose(text)
        elif len(text) > LONGEST_WRITE:
            self._waiting.put(f"{text[:LONGEST_WRITE]}\n")
        else:
            self._waiting.put(text)
        return len(text)

    def drain(self, timeout_s: float) -> bool:
        """Wait until everything written so far is out or lost; returns whether that was in time."""
        reached = threading.Event()
        self._waiting.put(reached)
        return reached.wait(timeout_s)

    def writable(self) -> bool:
        """As a stream for output."""
        return True

    def fileno(self) -> int:
        """The descriptor itself, for child processes."""
        return self._descriptor

    def isatty(self) -> bool:
        """Whether a person reads along."""
        return os.isatty(self._descriptor)

    def _write_out(self) -> None:
        while True:
            item = self._waiting.get()
            if isinstance(item, threading.Event):
                item.set()
            else:
                self._write_or_lose(item)
            self._tell_lost()

    def _write_or_lose(self, text: str) -> None:
        try:
            self._write_all(text)
        except OSError:
            self._lose(text)
            self._works = False
        else:
            self._works = True

    def _tell_lost(self) -> None:
        """Report lost lines, if writing works and nothing waits: otherwise a slow reader would get a line for each."""
        lost = self._lost
        if self._works and lost > self._told and self._waiting.empty():
            lines, self._told = lost - self._told, lost
            self._on_recovered(lines)

    def _write_all(self, text: str) -> None:
        """Write the text, on a new line if the last write broke off."""
        start = "\n" if self._torn else ""
        rest = memoryview(f"{start}{text}".encode(errors="backslashreplace"))
        while rest:
            try:
                rest = rest[os.write(self._descriptor, rest) :]
            except BlockingIOError:  # whoever started this process made the descriptor non-blocking
                select.select([], [self._descriptor], [])
            else:
                self._torn = bool(rest)

    def _lose(self, text: str) -> None:
        with self._counting:
            self._lost += max(1, text.count("\n"))


def lost_lines() -> int:
    """Lines of the log of this process that could not be written."""
    return sys.stderr.lost_lines if isinstance(sys.stderr, QueuedStream) else 0


def queue_standard_error(on_recovered: Callable[[int], None]) -> None:
    """Make ``sys.stderr`` a ``QueuedStream``, until this process ends.

    Args:
        on_recovered: Called with the number of lost lines when writing works again.
    """
    _open_standard_descriptors()
    sys.stderr = stream = QueuedStream(_ERROR_DESCRIPTOR, on_recovered)
    atexit.register(stream.drain, END_S)


def say(line: str) -> None:
    """Write one line to standard output, if that works."""
    with suppress(OSError):
        os.write(1, f"{line}\n".encode())


def _open_standard_descriptors() -> None:
    """Open those that are closed, or the next file, such as the ledger, gets a number that libraries write to."""
    for descriptor in range(_STANDARD_DESCRIPTORS):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # the lowest free number: this one
