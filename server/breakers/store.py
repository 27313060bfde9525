"""Keeps the states of circuit breakers in the ledger, over a restart and between server processes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Collection
from datetime import datetime

from models.errors import VestibuleError
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerChange, BreakerState, ChangeCause
from server.ledger import breakers, jobs, server_events
from server.ledger.breakers import BreakerRow
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger

log = get_logger("breakers")

CHANGED = "breaker_changed"
"""Name of the event of a change."""


class BreakerStore:
    """Stores each change of state in the background, with an event, and takes over those of other processes.

    Calls do not wait for the ledger, and a ledger that fails does not fail them; it is logged. When a breaker closes,
    jobs that were refused meanwhile become due, so that they do not wait for the rest of the reset time.

    Args:
        ledger: Where the states are.
        clock: Wall clock: the time that passes between two starts counts for an open breaker.

    Attributes:
        wake_jobs: Called when jobs have become due.
        on_stored: Called after a change was stored.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._seen: dict[str, datetime | None] = {}
        self._begun = Counter[str]()
        self._ended = Counter[str]()
        self._writes: set[asyncio.Task[None]] = set()
        self.wake_jobs: Callable[[], None] = lambda: None
        self.on_stored: Callable[[], None] = lambda: None

    async def restore(self, found: Collection[AsyncBreaker]) -> None:
        """Give breakers the states in which they were stored. An open one stays open for the rest of its time."""
        rows = {row.name: row for row in await self._ledger.read(breakers.load_all)}
        for breaker in found:
            if breaker.name in rows:
                self._take_over(breaker, rows[breaker.name])

    async def follow(self, found: Collection[AsyncBreaker]) -> list[str]:
        """Take over what another process has stored since; returns the names of those breakers.

        Times are compared for equality alone, because each process has its own clock. What is stored last holds, so a
        breaker with a change that is still being stored is left for the next time.
        """
        begun = dict(self._begun)
        settled = {breaker.name for breaker in found if self._begun[breaker.name] == self._ended[breaker.name]}
        rows = {row.name: row for row in await self._ledger.read(breakers.load_all)}
        changed = []
        for breaker in found:
            row = rows.get(breaker.name)
            if breaker.name not in settled or self._begun[breaker.name] != begun.get(breaker.name, 0):
                continue
            if row is not None and row.change_time is not None and row.change_time != self._seen.get(row.name):
                self._take_over(breaker, row)
                changed.append(breaker.name)
        return changed

    def store(self, change: BreakerChange, last_failure_time: datetime | None) -> None:
        """Store the new state; needs the event loop."""
        now = self._clock()
        self._begun[change.name] += 1
        opened_at = now if change.new is BreakerState.OPEN else None
        # A restart may bring what a blocked upstream needs, such as another key: it is asked once then.
        state = BreakerState.CLOSED if change.cause is ChangeCause.BLOCKED else change.new
        row = BreakerRow(change.name, state, change.failures, opened_at, now, last_failure_time)
        write = asyncio.create_task(self._write(row, change))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def drain(self) -> None:
        """Wait until everything that changed is stored."""
        while self._writes:
            await asyncio.wait(self._writes)

    def _take_over(self, breaker: AsyncBreaker, row: BreakerRow) -> None:
        self._seen[row.name] = row.change_time
        open_for_s = (self._clock() - row.opened_at).total_seconds() if row.opened_at else 0.0
        breaker.restore(
            BreakerState(row.state),
            failures=row.failures,
            # A wall clock that was set back must not keep it open for longer than once.
            open_for_s=max(0.0, open_for_s),
            last_failure_time=row.last_failure_time,
        )

    async def _write(self, row: BreakerRow, change: BreakerChange) -> None:
        properties: dict[str, str | int | float] = {
            "old": change.old.value,
            "new": change.new.value,
            "failures": change.failures,
            "cause": change.cause.value,
        }

        now = row.change_time or self._clock()
        closed = change.new is BreakerState.CLOSED

        def write(cursor: Cursor) -> None:
            breakers.store(cursor, row)
            server_events.append(cursor, CHANGED, row.name, properties, now)
            if closed:
                jobs.return_refused(cursor, now)

        try:
            await self._ledger.write(write)
        except VestibuleError as error:
            log.warning("breaker_not_stored", breaker=row.name, state=row.state, **describe(error))
            return
        finally:
            self._ended[row.name] += 1
        self._seen[row.name] = row.change_time
        self.on_stored()
        if closed:
            self.wake_jobs()
