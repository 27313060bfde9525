"""A wall clock that tests move."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta


class HandClock:
    """A clock that only moves when told to."""

    def __init__(self, now: datetime = datetime(2026, 11, 24, 12, tzinfo=UTC)) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)
