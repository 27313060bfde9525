"""Tells an operator of each worker that ended: a line of the log, an event, a metric, and the status."""

from __future__ import annotations

import asyncio
from collections import Counter

from models.errors import VestibuleError
from ray_tasks.supervised_gateway import KINDS
from ray_tasks.types import WorkerEnd, WorkerEndReason
from server.ledger import server_events
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.observability.log import describe, get_logger
from server.observability.metrics import Metrics
from server.times import machine_time, shown_time

log = get_logger("workers")

ENDED = "worker_ended"
"""Name of the event."""


class WorkerReport:
    """Reports on the workers of one server. Nobody waits for the ledger; that it fails is logged.

    Args:
        ledger: Keeps the events.
        metrics: Counts them.
    """

    def __init__(self, ledger: Ledger, metrics: Metrics) -> None:
        self._ledger = ledger
        self._metrics = metrics
        self._counts: Counter[str] = Counter()
        self._last: dict[str, WorkerEnd] = {}
        self._writes: set[asyncio.Task[None]] = set()
        metrics.show(metrics.worker_ends, KINDS, WorkerEndReason)

    def observe(self, end: WorkerEnd) -> None:
        """Take note of one; needs the event loop."""
        log.warning(ENDED, kind=end.kind, reason=end.reason, pid=end.pid, end_time=machine_time(end.end_time))
        self._metrics.worker_ends.labels(end.kind, end.reason).inc()
        self._counts[end.kind] += 1
        self._last[end.kind] = end
        write = asyncio.create_task(self._store(end))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    def sentence(self, kind: str) -> str:
        """How many workers of a kind ended, and the last one; empty when none did."""
        last = self._last.get(kind)
        if last is None:
            return ""
        when = shown_time(last.end_time)
        return f"{self._counts[kind]} ended since the start of the server, the last one at {when} ({last.reason})."

    async def drain(self) -> None:
        """Wait until everything is stored."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def _store(self, end: WorkerEnd) -> None:
        properties: dict[str, str | int | float] = {"reason": end.reason.value, "pid": end.pid}

        def write(cursor: Cursor) -> None:
            server_events.append(cursor, ENDED, end.kind, properties, end.end_time)

        try:
            await self._ledger.write(write)
        except VestibuleError as error:
            log.warning("worker_end_not_stored", kind=end.kind, **describe(error))
