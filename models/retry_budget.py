"""A budget of retries: when much fails at once, few calls are repeated, so that an outage is not multiplied."""

from __future__ import annotations

import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

WINDOW_S = 60
"""What counts as recent."""


@dataclass(slots=True)
class _Second:
    """The calls of one second."""

    at: int
    requests: int = 0
    retries: int = 0


class RetryBudget:
    """Counts the calls to one upstream in the last minute.

    Retries may be ``least + share * requests``, where requests are the calls that are no retries.

    Args:
        share: Retries for each request, 0.2 for one in five.
        least: Retries a minute that are always allowed, so that a quiet server can retry.
        clock: Seconds, never going back.
    """

    def __init__(self, share: float = 0.2, least: int = 10, clock: Callable[[], float] = time.monotonic) -> None:
        self._share = share
        self._least = least
        self._clock = clock
        self._seconds: deque[_Second] = deque()  # never more than WINDOW_S + 1

    @property
    def left(self) -> int:
        """Retries that may be made now."""
        self._forget_old()
        requests, retries = sum(s.requests for s in self._seconds), sum(s.retries for s in self._seconds)
        return max(0, self._least + math.floor(self._share * requests) - retries)

    def wait_s(self) -> float:
        """Seconds until the oldest retry is forgotten; 0 while one may be made."""
        if self.left:
            return 0.0
        oldest = next((s.at for s in self._seconds if s.retries), None)
        return float(WINDOW_S) if oldest is None else max(0.0, oldest + WINDOW_S + 1 - self._clock())

    def count(self, *, retry: bool) -> None:
        """Count a call that is made."""
        now = math.floor(self._clock())
        self._forget_old()
        if not self._seconds or self._seconds[-1].at != now:
            self._seconds.append(_Second(now))
        if retry:
            self._seconds[-1].retries += 1
        else:
            self._seconds[-1].requests += 1

    def take_retry(self) -> bool:
        """Count a retry, if one may be made."""
        if not self.left:
            return False
        self.count(retry=True)
        return True

    def _forget_old(self) -> None:
        oldest = math.floor(self._clock()) - WINDOW_S
        while self._seconds and self._seconds[0].at < oldest:
            self._seconds.popleft()
