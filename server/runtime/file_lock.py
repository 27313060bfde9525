"""The lock on the server's files: whoever deletes or replaces them, or copies them as they are, holds it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from models.errors import Overloaded
from models.reasons import Reason

WAIT_S: Final = 30.0
"""How long a caller waits for its turn. A backup may hold the files for half an hour."""


async def acquire_soon(lock: asyncio.Lock, wait_s: float = WAIT_S) -> None:
    """Acquire the lock; the caller releases it.

    Raises:
        Overloaded: BACKUP_BUSY, others held it for all of the time.
    """
    try:
        async with asyncio.timeout(wait_s):
            await lock.acquire()
    except TimeoutError:
        raise Overloaded(
            "An erasure, a change of the spool's key or a backup runs.",
            reason=Reason.BACKUP_BUSY,
            hint="Nothing was changed. Repeat the call when it has ended; a backup takes half an hour at most.",
            retry_after_s=wait_s,
        ) from None


@asynccontextmanager
async def held_soon(lock: asyncio.Lock, wait_s: float = WAIT_S) -> AsyncIterator[None]:
    """Hold the lock within the block.

    Raises:
        Overloaded: See ``acquire_soon``.
    """
    await acquire_soon(lock, wait_s)
    try:
        yield
    finally:
        lock.release()
