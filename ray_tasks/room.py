"""Memory that several may take a part of, and for which they wait."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Room:
    """Bytes that are shared out. Whoever finds too few waits.

    Args:
        size_bytes: All of them. Something larger takes all.
    """

    def __init__(self, size_bytes: int) -> None:
        self._size_bytes = size_bytes
        self._left_bytes = size_bytes
        self._waiting: list[asyncio.Future[None]] = []

    @asynccontextmanager
    async def reserved(self, wanted_bytes: int) -> AsyncIterator[None]:
        """Wait until so many bytes are free, and take them."""
        taken_bytes = min(wanted_bytes, self._size_bytes)
        while taken_bytes > self._left_bytes:
            await self._change()
        self._left_bytes -= taken_bytes
        try:
            yield
        finally:
            self._left_bytes += taken_bytes
            for waiting in self._waiting:
                if not waiting.done():
                    waiting.set_result(None)

    async def _change(self) -> None:
        changed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(changed)
        try:
            await changed
        finally:
            self._waiting.remove(changed)
