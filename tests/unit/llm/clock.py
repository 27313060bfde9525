"""A clock that only the test moves."""

from __future__ import annotations


class HandClock:
    """Seconds; starts at a value that is no power of anything, so that differences are really taken."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
