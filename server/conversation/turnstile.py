"""Lets only so many streams at a time ask for what is a courtesy, so that finals need not wait behind it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turnstile:
    """A place for each speech worker; streams wait in the order in which they came.

    Args:
        places: How many may be inside.
    """

    def __init__(self, places: int) -> None:
        self._places = asyncio.Semaphore(places)

    @property
    def free(self) -> bool:
        """Whether a place is free, and nobody waits for one."""
        return not self._places.locked()

    @asynccontextmanager
    async def through(self, urgent: asyncio.Event | None = None) -> AsyncIterator[None]:
        """Be inside. Who becomes urgent while waiting goes ahead without a place."""
        held = await self._wait(urgent)
        try:
            yield
        finally:
            if held:
                self._places.release()

    async def _wait(self, urgent: asyncio.Event | None) -> bool:
        if urgent is None:
            return await self._places.acquire()
        if urgent.is_set():
            return False
        place = asyncio.ensure_future(self._places.acquire())
        alarm = asyncio.ensure_future(urgent.wait())
        try:
            await asyncio.wait({place, alarm}, return_when=asyncio.FIRST_COMPLETED)
            return place.done()
        except asyncio.CancelledError:
            if place.done() and not place.cancelled():
                self._places.release()
            raise
        finally:
            place.cancel()
            alarm.cancel()
