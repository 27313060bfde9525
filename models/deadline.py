"""The time that is left for the work of the current task: of a client's call, or of an attempt at a job."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

_end: ContextVar[float] = ContextVar("end", default=math.inf)


def time_left_s(clock: Callable[[], float] = time.monotonic) -> float:
    """Seconds that are left; infinite when there is no deadline, negative when it has passed."""
    return _end.get() - clock()


def end_in(seconds: float, clock: Callable[[], float] = time.monotonic) -> None:
    """Set the deadline of the current task and of those that it starts. An earlier one stays."""
    _end.set(min(_end.get(), clock() + seconds))


@contextmanager
def ending_in(seconds: float, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """The same for the block only."""
    before = _end.set(min(_end.get(), clock() + seconds))
    try:
        yield
    finally:
        _end.reset(before)
