"""A clock that only the test moves."""

from __future__ import annotations

from datetime import datetime, timedelta

from tests.unit.access.issuer import NOW


class HandClock:
    """Tells the same time until it is advanced."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, by: timedelta) -> None:
        """Let time pass."""
        self.now += by
