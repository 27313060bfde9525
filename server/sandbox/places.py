"""Places to decode in, shared fairly among clients. They live on the event loop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.sandbox.errors import decoders_busy

ALONE_S: Final = 600.0
"""A client is alone when no other has had a place or waited for one for so long."""


@dataclass(frozen=True, slots=True)
class PlaceLimits:
    """How many files are decoded at a time.

    Attributes:
        places: Of all clients.
        of_client: Of one client, unless it is alone. With fewer than ``places``, one stays free for the others.
        wait_s: How long a file waits for its turn.
    """

    places: int
    of_client: int
    wait_s: float


class Places:
    """Some places. A free one goes to the client that holds fewest; among equals, to the one whose turn is longest ago.

    So the files of a client that wait never hold up the first file of another. A client that has been alone for
    ``ALONE_S`` may take all places.

    Args:
        limits: How many.
        clock_s: Monotonic.
    """

    def __init__(self, limits: PlaceLimits, clock_s: Callable[[], float] = time.monotonic) -> None:
        self._limits = limits
        self._clock_s = clock_s
        self._seen_s: dict[str, float] = {}
        """When a client last came or left; those that are not seen for ``ALONE_S`` are forgotten."""
        self._held: Counter[str] = Counter()
        self._waiting: dict[str, deque[asyncio.Future[None]]] = {}
        self._last_turn: dict[str, int] = {}
        """The number of the last turn of a client that holds a place or waits for one."""
        self._turns = itertools.count(1)

    async def acquire(self, client_id: str) -> None:
        """Take a place, and wait for it if need be. ``release`` gives it back.

        Raises:
            Overloaded: DECODERS_BUSY, none came free in time.
        """
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(client_id, deque()).append(turn)
        self._seen_s[client_id] = self._clock_s()
        self._grant()
        try:
            async with asyncio.timeout(self._limits.wait_s):
                await self._wait(turn, client_id)
        except TimeoutError:
            raise decoders_busy() from None

    def release(self, client_id: str) -> None:
        """Give a place back."""
        self._seen_s[client_id] = self._clock_s()
        self._held[client_id] -= 1
        if not self._held[client_id]:
            del self._held[client_id]
        self._forget(client_id)
        self._grant()

    async def _wait(self, turn: asyncio.Future[None], client_id: str) -> None:
        try:
            await turn
        except asyncio.CancelledError:
            if turn.cancelled():
                self._leave(turn, client_id)
            else:  # its turn came in the same moment
                self.release(client_id)
            raise

    def _leave(self, turn: asyncio.Future[None], client_id: str) -> None:
        turns = self._waiting.get(client_id, deque())
        if turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[client_id]
        self._forget(client_id)

    def _forget(self, client_id: str) -> None:
        if client_id not in self._held and client_id not in self._waiting:
            self._last_turn.pop(client_id, None)

    def _grant(self) -> None:
        """Give the free places to those whose turn it is."""
        most = self._limits.places if self._is_alone() else self._limits.of_client
        while self._held.total() < self._limits.places:
            may = [client for client in self._waiting if self._held[client] < most]
            if not may:
                return
            client = min(may, key=lambda client: (self._held[client], self._last_turn.get(client, 0)))
            turn = self._waiting[client].popleft()
            if not self._waiting[client]:
                del self._waiting[client]
            if not turn.cancelled():
                self._held[client] += 1
                self._last_turn[client] = next(self._turns)
                turn.set_result(None)

    def _is_alone(self) -> bool:
        """Whether there is one client only."""
        since_s = self._clock_s() - ALONE_S
        here = {*self._held, *self._waiting}
        self._seen_s = {client: at_s for client, at_s in self._seen_s.items() if at_s > since_s or client in here}
        return len(self._seen_s) <= 1
