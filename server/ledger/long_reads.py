"""Reads that may take long, such as the count of a funnel over all events."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import DuckDb
from server.ledger.readers import READERS

T = TypeVar("T")

AGAIN_S: Final = 0.05


class Reads(Protocol):
    """Runs functions on snapshots of the ledger."""

    async def read(self, fn: Callable[[DuckDb], T]) -> T:
        """See ``Ledger.read``."""
        ...


class LongReads:
    """Takes at most all readers but one, so that short reads never wait for it.

    A read whose caller gives up is interrupted. It keeps its place until it has ended.

    Args:
        reads: Of the ledger.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._places = asyncio.Semaphore(READERS - 1)

    async def read(self, fn: Callable[[DuckDb], T]) -> T:
        """See ``Ledger.read``; a read waits for a place first."""
        await self._places.acquire()
        interruptible = _Interruptible(fn)
        running = asyncio.ensure_future(self._reads.read(interruptible))
        running.add_done_callback(self._ended)
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            _end(running, interruptible)
            raise
        return running.result()

    def _ended(self, running: asyncio.Future[T]) -> None:
        self._places.release()
        if not running.cancelled():
            running.exception()  # looked at, because its caller may have given up


class _Interruptible(Generic[T]):
    """A function of a read that another thread can interrupt."""

    def __init__(self, fn: Callable[[DuckDb], T]) -> None:
        self._fn = fn
        self._lock = threading.Lock()
        self._cursor: DuckDb | None = None
        self._is_over = False

    def __call__(self, cursor: DuckDb) -> T:
        with self._lock:
            if self._is_over:
                raise Unavailable("Nobody waits for this read any more.", reason=Reason.LEDGER_INTERRUPTED)
            self._cursor = cursor
        try:
            return self._fn(cursor)
        finally:
            with self._lock:  # from now on the connection may be at work for somebody else
                self._cursor = None

    def interrupt(self) -> None:
        """End the statement that runs, or let none begin."""
        with self._lock:
            self._is_over = True
            if self._cursor is not None:
                self._cursor.interrupt()


def _end(running: asyncio.Future[T], interruptible: _Interruptible[T]) -> None:
    """Interrupt a read until it has ended: DuckDB forgets an interruption between two statements."""
    if not running.done():
        interruptible.interrupt()
        asyncio.get_running_loop().call_later(AGAIN_S, _end, running, interruptible)
