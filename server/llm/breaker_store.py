"""Keeps the state of circuit breakers over a restart, in the ledger."""

from __future__ import annotations

import asyncio

from models.errors import VestibuleError
from server.ledger import breakers
from server.ledger.breakers import BreakerRow
from server.ledger.types import Clock
from server.ledger.writer import Ledger
from server.llm.breaker import AsyncBreaker
from server.llm.breaker_types import BreakerChange, BreakerState
from server.observability.log import describe, get_logger

log = get_logger("breakers")


class BreakerStore:
    """Stores each change of state in the background, and restores the last one at the start.

    Calls do not wait for the ledger, and a ledger that fails does not fail them; it is logged.

    Args:
        ledger: Where the states are.
        clock: Wall clock: the time that passes between two starts counts for an open breaker.
    """

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self._ledger = ledger
        self._clock = clock
        self._writes: set[asyncio.Task[None]] = set()

    async def restore(self, breaker: AsyncBreaker) -> None:
        """Give a breaker the state in which it was stored. An open one stays open for the rest of its time."""
        row = await self._ledger.read(lambda cursor: breakers.load(cursor, breaker.name))
        if row is None:
            return
        open_for_s = (self._clock() - row.opened_at).total_seconds() if row.opened_at else 0.0
        # A wall clock that was set back must not keep it open for longer than once.
        breaker.restore(BreakerState(row.state), failures=row.failures, open_for_s=max(0.0, open_for_s))

    def store(self, change: BreakerChange) -> None:
        """Store the new state; needs the event loop."""
        opened_at = self._clock() if change.new is BreakerState.OPEN else None
        write = asyncio.create_task(self._write(BreakerRow(change.name, change.new, change.failures, opened_at)))
        self._writes.add(write)
        write.add_done_callback(self._writes.discard)

    async def drain(self) -> None:
        """Wait until everything that changed is stored."""
        while self._writes:
            await asyncio.wait(self._writes)

    async def _write(self, row: BreakerRow) -> None:
        try:
            await self._ledger.write(lambda cursor: breakers.store(cursor, row))
        except VestibuleError as error:
            log.warning("breaker_not_stored", breaker=row.name, state=row.state, **describe(error))
