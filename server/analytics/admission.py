"""How many queries of analysts may run, and wait, at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

ROOM_S = 0.5
SHARE_OF_TRIAL = 2.0
"""A query runs in the endpoint beside others, so it holds its memory for longer than it took when it was tried out."""


class Places:
    """A bounded number that run, and a bounded number that wait.

    Args:
        running: How many may run.
        waiting: How many may wait; one more is turned away at once.
    """

    def __init__(self, running: int, waiting: int) -> None:
        self._free = threading.Semaphore(running)
        self._all = threading.Semaphore(running + waiting)

    def enter(self, wait_s: float) -> bool:
        """Wait for a place; returns False when there is none in time, or too many wait."""
        if not self._all.acquire(blocking=False):
            return False
        if self._free.acquire(timeout=wait_s):
            return True
        self._all.release()
        return False

    def leave(self) -> None:
        """Give the place to the next one."""
        self._free.release()
        self._all.release()


class Reservations:
    """Memory that is promised to queries for as long as they are expected to run.

    The endpoint does not learn when a query of a Quack client ends, so a promise ends by the clock.

    Args:
        total_bytes: Most that is promised at a time.
        clock: Seconds, monotonic.
    """

    def __init__(self, total_bytes: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._total = total_bytes
        self._clock = clock
        self._taken: list[tuple[float, int]] = []
        self._change = threading.Condition()

    def take(self, size: int, seconds: float, wait_s: float) -> bool:
        """Promise this memory, waiting until there is room; returns False when there is none in time."""
        until = self._clock() + wait_s
        with self._change:
            while self._used() + size > self._total:
                left = min([until, *(end for end, _ in self._taken)]) - self._clock()
                if self._clock() >= until:
                    return False
                self._change.wait(max(left, 0.01))
            self._taken.append((self._clock() + SHARE_OF_TRIAL * seconds + ROOM_S, size))
        return True

    def _used(self) -> int:
        now = self._clock()
        self._taken = [(end, size) for end, size in self._taken if end > now]
        return sum(size for _, size in self._taken)
