"""Lets an attempt at a job run alone among those of its kind, to see whether it is what kills the worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager


class Isolation:
    """For one kind of job: many attempts at once, or one alone. Whoever wants to be alone goes first."""

    def __init__(self) -> None:
        self._together = 0
        self._alone = False
        self._want_alone = 0
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def enter(self, *, alone: bool) -> AsyncIterator[None]:
        """Wait for the turn of an attempt, and hold it."""
        if alone:
            self._want_alone += 1
            try:
                await self._until(lambda: not self._together and not self._alone)
                self._alone = True
            finally:
                self._want_alone -= 1
                self._wake()
        else:
            await self._until(lambda: not self._want_alone and not self._alone)
            self._together += 1
        try:
            yield
        finally:
            if alone:
                self._alone = False
            else:
                self._together -= 1
            self._wake()

    async def _until(self, free: Callable[[], bool]) -> None:
        while not free():
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                await turn
            finally:
                self._waiting.remove(turn)

    def _wake(self) -> None:
        for turn in self._waiting:
            if not turn.done():
                turn.set_result(None)
