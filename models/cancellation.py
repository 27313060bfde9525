"""Tells a thread that its work is not wanted any more: the caller gave up, or its time is over.

Python cannot stop a thread from outside. So work that may take long looks at its ``Cancellation`` between pieces.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from models.errors import DeadlineExceeded


class Cancelled(Exception):
    """The caller does not wait any more. It ends the thread's work and never leaves the worker."""


class Cancellation:
    """A flag that a caller sets, and a deadline. Safe to use from several threads.

    Args:
        left_s: Seconds that the caller still waits.
        clock: Seconds, monotonic.
    """

    def __init__(self, left_s: float = math.inf, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._deadline = clock() + left_s
        self._lock = threading.Lock()
        self._cancelled = threading.Event()
        self._callbacks: list[Callable[[], object]] = []
        self._looked = clock()

    @property
    def left_s(self) -> float:
        """Seconds until the deadline, never negative."""
        return max(0.0, self._deadline - self._clock())

    @property
    def cancelled(self) -> bool:
        """Whether the caller gave up. A deadline that passed does not count."""
        return self._cancelled.is_set()

    @property
    def idle_s(self) -> float:
        """Seconds since the work last looked, which tells whether it hangs."""
        return self._clock() - self._looked

    def cancel(self) -> None:
        """Set the flag. Repeating it changes nothing."""
        with self._lock:
            self._cancelled.set()
            callbacks, self._callbacks = self._callbacks, []
        for callback in callbacks:
            callback()

    def wait(self, timeout_s: float) -> bool:
        """Wait until the flag is set; returns whether it is."""
        return self._cancelled.wait(timeout_s)

    def check(self) -> None:
        """Call this between the pieces of the work.

        Raises:
            Cancelled: The caller gave up.
            DeadlineExceeded: Its time is over.
        """
        self._looked = self._clock()
        if self._cancelled.is_set():
            raise Cancelled
        if self.left_s <= 0:
            raise DeadlineExceeded("The time of the call was over before its work was done.")

    @contextmanager
    def calling(self, callback: Callable[[], object]) -> Iterator[None]:
        """Within the block, ``cancel`` also calls this; at once where the flag is already set."""
        with self._lock:
            if registered := not self._cancelled.is_set():
                self._callbacks.append(callback)
        if not registered:
            callback()
        try:
            yield
        finally:
            with self._lock:
                if callback in self._callbacks:
                    self._callbacks.remove(callback)


NEVER: Final = Cancellation()
"""For work that nobody cancels."""
