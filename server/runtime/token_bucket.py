"""Token buckets: how often each of many keys may do something.

The generic cell rate algorithm keeps one number a key: the time at which its bucket is full again.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Final

SWEEP_KEYS: Final = 1024
"""Keys after which those with a full bucket are forgotten."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How fast tokens come.

    Attributes:
        per_s: Tokens a second.
        burst: Tokens of a full bucket, at least 1.
    """

    per_s: float
    burst: float

    @staticmethod
    def per_minute(count: int) -> Rate:
        """``count`` tokens a minute; a full bucket holds as many."""
        return Rate(count / 60.0, float(count))


class TokenBuckets:
    """One bucket for each key. A new key has a full one.

    Args:
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(self, rate: Rate, monotonic: Callable[[], float]) -> None:
        self._token_s = 1.0 / rate.per_s
        self._depth_s = rate.burst * self._token_s
        self._monotonic = monotonic
        self._full_at: dict[Hashable, float] = {}
        self._sweep_at = SWEEP_KEYS

    def __len__(self) -> int:
        """Keys that are remembered."""
        return len(self._full_at)

    def wait_s(self, key: Hashable) -> float:
        """Seconds until the key has a token; 0 if it has one now. Takes nothing."""
        now = self._monotonic()
        wait_s = self._full_at.get(key, now) - now + self._token_s - self._depth_s
        return wait_s if wait_s > _ROUNDING_S else 0.0

    def take(self, key: Hashable) -> float:
        """Take a token of the key.

        Returns:
            0 if there was one; otherwise the seconds until there is, and nothing is taken.
        """
        wait_s = self.wait_s(key)
        if wait_s:
            return wait_s
        now = self._monotonic()
        if key not in self._full_at and len(self._full_at) >= self._sweep_at:
            self._sweep(now)
        self._full_at[key] = max(self._full_at.get(key, now), now) + self._token_s
        return 0.0

    def _sweep(self, now: float) -> None:
        self._full_at = {key: full_at for key, full_at in self._full_at.items() if full_at > now}
        self._sweep_at = max(SWEEP_KEYS, 2 * len(self._full_at))


_ROUNDING_S: Final = 1e-6
"""Sums of floating-point seconds are off by less; a caller that waited as told is not refused for it."""
