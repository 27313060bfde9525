"""A clock that goes on evenly, however the system's clock is set meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import datetime, timedelta

Clock = Callable[[], datetime]


def running_s() -> float:
    """Seconds since the system started, sleep included where the system can tell; never set by anybody."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        return time.clock_gettime(time.CLOCK_BOOTTIME)
    return time.monotonic()


class SteadyClock:
    """The time of ``wall`` when it was made, plus what has passed since.

    For leases and delays: a wall clock that is set forward would end them all at once, one that is set back would hold
    them. What people read is stamped with the wall clock.
    """

    def __init__(self, wall: Clock, elapsed_s: Callable[[], float] = running_s) -> None:
        self._began = wall()
        self._elapsed_s = elapsed_s
        self._began_s = elapsed_s()

    def __call__(self) -> datetime:
        """The time now."""
        return self._began + timedelta(seconds=self._elapsed_s() - self._began_s)
