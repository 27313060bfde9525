"""What is fuzzed."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Protocol

from tests.fuzz.findings import LONGEST_S, Finding


class Target(Protocol):
    """One place that takes something from a stranger."""

    name: str

    def opened(self) -> AbstractAsyncContextManager[None]:
        """Set up what the tries need."""
        ...

    async def attempt(self, number: int, rng: random.Random) -> None:
        """One try.

        Raises:
            Finding: It went wrong.
        """
        ...

    async def check(self, number: int) -> None:
        """Look from time to time whether everything is still well, such as memory.

        Raises:
            Finding: It is not.
        """
        ...


CHECK_EVERY = 100


async def fuzz(target: Target, seconds: float, first: int) -> tuple[int, list[Finding]]:
    """Try for so long, without the set-up; returns the number of tries and what was found. A finding ends it."""
    number, found = first, []
    async with target.opened():
        end = time.monotonic() + seconds
        try:
            while time.monotonic() < end:
                await attempt(target, number)
                number += 1
                if number % CHECK_EVERY == 0:
                    await target.check(number)
            await target.check(number)
        except Finding as finding:
            found.append(finding)
    return number - first, found


async def attempt(target: Target, number: int) -> None:
    """One try by its number, within ``LONGEST_S``.

    Raises:
        Finding: It went wrong.
    """
    try:
        async with asyncio.timeout(LONGEST_S):
            await target.attempt(number, random.Random(f"{target.name}:{number}"))
    except TimeoutError:
        raise Finding(target.name, number, f"took longer than {LONGEST_S:g} s") from None


def describe(tries: int, seconds: float, found: Sequence[Finding], name: str) -> str:
    """One line."""
    return f"{name:12} {tries:8} tries in {seconds:5.0f} s, {len(found)} findings"
