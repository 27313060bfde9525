"""A small Serve deployment that waits, fails or crashes on command."""

from __future__ import annotations

import asyncio
import signal

from ray_tasks.worker_runtime import ErrorBoundary


class Probe:
    """Runs in a replica in place of a real worker."""

    def __init__(self) -> None:
        self.begun = 0
        self.cancelled = 0

    async def wait(self) -> None:
        """Never answer."""
        self.begun += 1
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise

    async def waits(self) -> int:
        """How many calls began to wait."""
        return self.begun

    async def cancellations(self) -> int:
        """How many calls were cancelled while they waited."""
        return self.cancelled

    async def fail(self, text: str) -> None:
        """Raise an error that quotes its input, as an engine might."""
        with ErrorBoundary("probe"):
            raise ValueError(text)

    async def die(self) -> None:
        """End as a crash does."""
        signal.raise_signal(signal.SIGKILL)
