"""What waits for the writer: writes that somebody waits for before many rows that were sent together.

A batch of events takes the writer ten times as long as the opening of a session. So a write of many rows lets those
that came after it go first. It shares its transaction with others of its kind until a write of the other kind waits.
Neither kind waits for ever: while both wait, one transaction of many rows comes after at most four others.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import duckdb

from server.ledger.errors import translate
from server.ledger.group_commit import Write

T = TypeVar("T")

MOST_WRITES: Final = 256
"""In one transaction."""
MOST_ROWS: Final = 2000
"""In one transaction, unless a single write has more."""
MOST_BEFORE: Final = 4
"""Transactions that go before a waiting write of many rows."""


@dataclass(slots=True)
class Alone(Generic[T]):
    """A function that runs on the writer's thread between two commits, with the future of its result."""

    fn: Callable[[], T]
    future: Future[T]

    def run(self) -> None:
        """Run it, unless its caller has gone."""
        if not self.future.set_running_or_notify_cancel():
            return
        try:
            result = self.fn()
        except duckdb.Error as error:
            self.future.set_exception(translate(error))
        except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
            self.future.set_exception(error)
        else:
            self.future.set_result(result)


class End:
    """The end of the queue."""


class WriteQueue:
    """Safe for any number of threads that put, and one that takes.

    Args:
        length: Most items that wait.
    """

    def __init__(self, length: int) -> None:
        self._length = length
        self._first: deque[Write[Any] | Alone[Any]] = deque()
        self._many: deque[tuple[Write[Any], int]] = deque()
        self._changed = threading.Condition()
        self._ended = False
        self._went_before = 0
        self._room = 0

    def put(self, item: Write[Any] | Alone[Any], rows: int = 0) -> None:
        """Append an item.

        Args:
            item: What is to be done.
            rows: How many rows a write of many brings; 0 for a write that goes before those.

        Raises:
            queue.Full: Too many items wait.
        """
        with self._changed:
            if len(self._first) + len(self._many) >= self._length:
                raise queue.Full
            if rows and isinstance(item, Write):
                self._many.append((item, rows))
            else:
                self._first.append(item)
            self._changed.notify()

    def end(self) -> None:
        """Nothing is put any more. What waits is still taken."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self, timeout_s: float | None = None) -> tuple[list[Write[Any]], Alone[Any] | End | None]:
        """Wait for the writes of the next transaction, and for what is to be done after it, if that is no write.

        Args:
            timeout_s: How long to wait; then there are none. None waits until there is something.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._first or self._many or self._ended, timeout_s)
            if self._many and (self._went_before >= MOST_BEFORE or not self._first):
                self._went_before = 0
                self._room = MOST_ROWS
                return self._take_many(), None
            if self._first:
                self._went_before += bool(self._many)
                self._room = 0
                return self._take_first()
            return [], End() if self._ended else None

    def _take_first(self) -> tuple[list[Write[Any]], Alone[Any] | None]:
        taken: list[Write[Any]] = []
        while self._first and len(taken) < MOST_WRITES:
            item = self._first.popleft()
            if isinstance(item, Alone):
                return taken, item
            if item.future.set_running_or_notify_cancel():
                taken.append(item)
        return taken, None

    def more(self) -> list[Write[Any]]:
        """One more write for a transaction of many rows that is under way; none when another write waits."""
        with self._changed:
            if self._first or not self._many or self._many[0][1] > self._room:
                return []
            return self._take_many()

    def _take_many(self) -> list[Write[Any]]:
        item, rows = self._many.popleft()
        self._room -= rows
        return [item] if item.future.set_running_or_notify_cancel() else []
