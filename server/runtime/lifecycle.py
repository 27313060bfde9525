"""Whether the server serves or ends."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from models.errors import ShuttingDown

T = TypeVar("T")


class Lifecycle:
    """A flag that all long-lived parts of the server read."""

    def __init__(self) -> None:
        self._draining = asyncio.Event()

    @property
    def draining(self) -> bool:
        """True after SIGTERM."""
        return self._draining.is_set()

    def begin_drain(self) -> None:
        """Mark the server as ending, and wake everything that waits for it."""
        self._draining.set()

    async def or_drain(self, awaitable: Awaitable[T]) -> T:
        """Await something, unless the server ends first.

        Raises:
            ShuttingDown: The server ends.
        """
        work = asyncio.ensure_future(awaitable)
        drain = asyncio.ensure_future(self._draining.wait())
        try:
            await asyncio.wait({work, drain}, return_when=asyncio.FIRST_COMPLETED)
            if not work.done():
                raise ShuttingDown("The server is shutting down. Reconnect to continue.", retry_after_s=5.0)
            return work.result()
        finally:
            drain.cancel()
            if not work.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
