"""Waits for what nobody announces, such as that a server has noticed that its client left."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


async def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds. The wait is long, as the machine may be busy with other tests.

    Raises:
        TimeoutError: It did not hold in time.
    """
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - there is no event to wait for
            await asyncio.sleep(0.002)
