"""Bounds how many optional decodes run at the same time, so that finals do not queue behind them."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any


class PriorityLimiter:
    """As many places as there are speech workers.

    Decodes at a pause go before partials; within each kind the order is first come, first served.

    Args:
        places: How many decodes may run at the same time.
    """

    def __init__(self, places: int) -> None:
        self._free = places
        self._pauses: deque[asyncio.Future[None]] = deque()
        self._partials: deque[asyncio.Future[None]] = deque()

    @property
    def crowded(self) -> bool:
        """Whether a caller waits for a place."""
        return any(not place.done() for place in (*self._pauses, *self._partials))

    @asynccontextmanager
    async def acquire(self, urgent: asyncio.Event | None = None) -> AsyncIterator[None]:
        """Hold a place.

        Args:
            urgent: Given for a decode at a pause. Once it is set, the caller goes ahead without a place.
        """
        held = await self._wait(urgent)
        try:
            yield
        finally:
            if held:
                self._release()

    async def _wait(self, urgent: asyncio.Event | None) -> bool:
        """Wait for a place, or until ``urgent`` is set; returns whether a place is held."""
        if urgent is not None and urgent.is_set():
            return False
        if self._free:
            self._free -= 1
            return True
        place: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        queue = self._partials if urgent is None else self._pauses
        queue.append(place)
        awaited: set[asyncio.Future[Any]] = {place}
        if urgent is not None:
            awaited.add(asyncio.ensure_future(urgent.wait()))
        try:
            await asyncio.wait(awaited, return_when=asyncio.FIRST_COMPLETED)
            return place.done()
        except asyncio.CancelledError:
            if place.done():
                self._release()
            raise
        finally:
            if not place.done():
                queue.remove(place)
            for future in awaited:
                future.cancel()

    def _release(self) -> None:
        """Hand the place to the next waiting caller; cancelled callers are passed over."""
        for queue in (self._pauses, self._partials):
            while queue:
                place = queue.popleft()
                if not place.done():
                    place.set_result(None)
                    return
        self._free += 1
