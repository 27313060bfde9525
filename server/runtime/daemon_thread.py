"""Runs work in a thread that nobody waits for when the server ends."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import TypeVar

T = TypeVar("T")


async def answer_of_thread(work: Callable[[], T], name: str, limit_s: float) -> T:
    """What the work returns. At the limit, and when the caller is cancelled, it is left to itself.

    A server that ends waits for the threads of the event loop, and so for a mail server or a disk that hangs; it does
    not wait for this one.

    Args:
        work: Is called in the thread.
        name: Of the thread.
        limit_s: Longest time.

    Raises:
        TimeoutError: There is no answer in time.
        Exception: What the work raised.
    """
    loop = asyncio.get_running_loop()
    ended: asyncio.Future[T] = loop.create_future()

    def run() -> None:
        settle: Callable[[], None]
        try:
            settle = partial(ended.set_result, work())
        except Exception as error:  # noqa: BLE001 - it is handed to whoever waits
            settle = partial(ended.set_exception, error)
        with suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(_unless_done, ended, settle)

    threading.Thread(target=run, name=name, daemon=True).start()
    return await asyncio.wait_for(ended, limit_s)


def _unless_done(ended: asyncio.Future[T], settle: Callable[[], None]) -> None:
    if not ended.done():
        settle()
