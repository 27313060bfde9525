"""Counts how often Ray was lost lately, so that one that is lost as soon as it is up does not use up the machine."""

from __future__ import annotations

from collections import deque
from typing import Final

AT_ONCE: Final = 5
"""So many losses within ``WINDOW_S`` are each followed by a start at once; further ones wait before it, longer and
longer. A start takes a quarter of a minute.
"""
WINDOW_S: Final = 600.0


class Losses:
    """The losses of the last minutes."""

    def __init__(self) -> None:
        self._at: deque[float] = deque()

    def note(self, now_s: float) -> None:
        """Count one more."""
        self._at.append(now_s)

    def too_many(self, now_s: float) -> int:
        """By how much they are more than those that are followed by a start at once."""
        while self._at and self._at[0] <= now_s - WINDOW_S:
            self._at.popleft()
        return max(0, len(self._at) - AT_ONCE)
