"""Requests at given times, and how long each took. The peer's environment runs this too: standard library only."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

FAILED = "failed"


class Request(NamedTuple):
    """One request of a client.

    Attributes:
        at: When it was due, by ``time.monotonic``.
        took_s: From then until the end of the answer, or until the client gave up.
        served_by: Name of what answered, or FAILED.
    """

    at: float
    took_s: float
    served_by: str


async def play(
    arrivals: Sequence[float],
    ask: Callable[[], Awaitable[str]],
    patience_s: float,
    errors: tuple[type[BaseException], ...],
) -> list[Request]:
    """Ask at each of these times, whether or not earlier requests have ended.

    Args:
        arrivals: Times of ``time.monotonic``, rising.
        ask: Returns the name of what answered.
        patience_s: A client gives up after this time.
        errors: What ``ask`` raises when nobody answered.
    """
    expected: tuple[type[BaseException], ...] = (TimeoutError, *errors)

    async def one(at: float) -> Request:
        try:
            async with asyncio.timeout(patience_s):
                served_by = await ask()
        except expected:
            served_by = FAILED
        return Request(at, time.monotonic() - at, served_by)

    running = []
    for at in arrivals:
        await asyncio.sleep(max(0.0, at - time.monotonic()))
        running.append(asyncio.create_task(one(at)))
    return list(await asyncio.gather(*running))


def note_connections() -> list[tuple[float, int]]:
    """A list that grows by the time and the port of every TCP connection that this process tries to open.

    It is how attempts are counted that a closed port refuses, for no server sees them.
    """
    noted: list[tuple[float, int]] = []

    def hook(event: str, arguments: tuple[object, ...]) -> None:
        if event == "socket.connect":
            address = arguments[1]
            if isinstance(address, tuple):
                noted.append((time.monotonic(), int(address[1])))

    sys.addaudithook(hook)
    return noted
