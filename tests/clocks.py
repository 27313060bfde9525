"""Clocks that only the test moves."""

from __future__ import annotations


class HandSeconds:
    """Seconds. It starts at an arbitrary value, so that code which forgets to subtract the start fails."""

    def __init__(self, now_s: float = 1000.0) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s

    def advance(self, seconds: float) -> None:
        self.now_s += seconds
