"""Reads that may take long, such as the count of a funnel over all events."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, TypeVar

from server.ledger.columns import Cursor
from server.ledger.readers import READERS

T = TypeVar("T")


class Reads(Protocol):
    """Runs functions on snapshots of the ledger."""

    async def read(self, fn: Callable[[Cursor], T]) -> T:
        """See ``Ledger.read``."""
        ...


class LongReads:
    """Takes at most all readers but one, so that short reads never wait for it.

    A read that runs is not ended when its caller gives up, so it keeps its place until it has ended.

    Args:
        reads: Of the ledger.
    """

    def __init__(self, reads: Reads) -> None:
        self._reads = reads
        self._places = asyncio.Semaphore(READERS - 1)

    async def read(self, fn: Callable[[Cursor], T]) -> T:
        """See ``Ledger.read``; a read waits for a place first."""
        await self._places.acquire()
        running = asyncio.ensure_future(self._reads.read(fn))
        running.add_done_callback(self._ended)
        await asyncio.wait([running])
        return running.result()

    def _ended(self, running: asyncio.Future[T]) -> None:
        self._places.release()
        if not running.cancelled():
            running.exception()  # looked at, because its caller may have given up
