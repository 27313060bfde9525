"""Asks an upstream whose breaker is open whether it works again, so that no person has to be the first to try."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from models.errors import VestibuleError
from server.breakers.breaker import BLOCKED_S, AsyncBreaker
from server.breakers.client_pauses import ClientPauses
from server.breakers.registry import Breakers
from server.breakers.types import BreakerState
from server.observability.log import describe, get_logger

log = get_logger("breakers")

TICK_S = 2.0
"""How often it looks which breakers are open."""


@dataclass(frozen=True, slots=True)
class HealthProbe:
    """How one upstream is probed.

    Attributes:
        breaker: Its breaker.
        ask: A small call that succeeds when the upstream works; it bounds its own time.
        every_s: Seconds between two probes while the breaker is open; 0 means none. After the first one ``BLOCKED_S``,
            while the upstream is blocked.
        pauses: The clients whose calls are paused until the upstream answers a probe; None where there are none.
    """

    breaker: AsyncBreaker
    ask: Callable[[], Awaitable[object]]
    every_s: float
    pauses: ClientPauses | None = None

    @property
    def is_awaited(self) -> bool:
        """Whether clients wait for an answer to it."""
        return self.pauses is not None and bool(self.pauses.clients)


class HealthProber:
    """Probes while a breaker is not closed, or clients are paused. A probe that fails keeps nothing open for longer.

    Args:
        breakers: All breakers; what other processes stored is taken over with each tick.
        probes: Those that are probed.
        clock: Seconds, never going back.
    """

    def __init__(
        self, breakers: Breakers, probes: Sequence[HealthProbe], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._breakers = breakers
        self._probes = tuple(probe for probe in probes if probe.every_s > 0)
        self._clock = clock
        self._due_at: dict[str, float] = {}

    async def run(self) -> None:
        """Probe until cancelled."""
        while True:
            await asyncio.sleep(TICK_S)
            try:
                await self._breakers.follow()
            except VestibuleError as error:
                log.debug("breakers_not_followed", **describe(error))
            await self.tick()

    async def tick(self) -> None:
        """Probe what is due."""
        await asyncio.gather(*(self._probe(probe) for probe in self._probes if self._is_due(probe)))

    def _is_due(self, probe: HealthProbe) -> bool:
        if probe.pauses is not None:
            probe.pauses.refresh()
        if probe.is_awaited:
            return True
        name, now = probe.breaker.name, self._clock()
        if not probe.breaker.wants_health_probes:
            self._due_at.pop(name, None)
            return False
        due = self._due_at.setdefault(name, now + probe.every_s)
        if now < due:
            return False
        self._due_at[name] = now + max(probe.every_s, BLOCKED_S if probe.breaker.blocked else 0.0)
        return True

    async def _probe(self, probe: HealthProbe) -> None:
        breaker = probe.breaker
        try:
            if probe.pauses is not None and probe.is_awaited:
                async with probe.pauses.check():
                    await probe.ask()
            if breaker.state is BreakerState.OPEN:
                await probe.ask()
                breaker.let_probes_through()
            while breaker.state is BreakerState.HALF_OPEN:
                async with breaker.guard():
                    await probe.ask()
        except VestibuleError as error:
            log.info("health_probe_failed", breaker=breaker.name, **describe(error))
