"""Counts the jobs that wait, for Prometheus."""

from __future__ import annotations

from collections.abc import Sequence

from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.ledger.waiting_jobs import waiting_jobs
from server.observability.metrics import Metrics


class WaitingJobs:
    """Counts the jobs that wait, each time its round is called.

    Args:
        ledger: Has them.
        metrics: Shows them.
        clock: The time now.
        kinds: All kinds, so that one without a job shows 0.
    """

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Clock, kinds: Sequence[str]) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._clock = clock
        self._kinds = kinds

    async def round(self) -> None:
        """Count them.

        Raises:
            Unavailable: The ledger cannot be read.
        """
        found = await self._ledger.read(waiting_jobs)
        for kind in self._kinds:
            number, oldest = found.get(kind, (0, None))
            age_s = (self._clock() - oldest).total_seconds() if oldest else 0.0
            self._metrics.waiting_jobs.labels(kind).set(number)
            self._metrics.waiting_job_seconds.labels(kind).set(max(age_s, 0.0))
