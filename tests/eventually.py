"""Waits for what nobody announces, such as that a server has noticed that its client left."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Final

ASKED_EACH_S: Final = 0.1
"""How often another process is asked."""


async def eventually(condition: Callable[[], object], timeout_s: float = 60.0) -> None:
    """Wait until a condition holds. The wait is long, as the machine may be busy with other tests.

    Args:
        condition: Of this process, or a coroutine function that asks another one.
        timeout_s: How long to wait.

    Raises:
        TimeoutError: It did not hold in time.
    """
    async with asyncio.timeout(timeout_s):
        while True:
            holds, pause_s = condition(), 0.002
            if inspect.isawaitable(holds):
                holds, pause_s = await holds, ASKED_EACH_S
            if holds:
                return
            await asyncio.sleep(pause_s)
