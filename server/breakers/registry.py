"""All circuit breakers of a server: made in one place, so that each change is stored, counted and logged alike."""

from __future__ import annotations

import time
from collections.abc import Callable

from models.errors import NotFound
from models.reasons import Reason
from server.breakers.breaker import AsyncBreaker, judge_error
from server.breakers.store import BreakerStore
from server.breakers.types import BreakerBounds, BreakerChange, BreakerSnapshot, BreakerState, Outcome
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import get_logger
from server.observability.metrics import Metrics

log = get_logger("breakers")


class Breakers:
    """The breakers by name.

    Args:
        ledger: Keeps their states.
        metrics: Shows them.
        clock: The wall clock.
    """

    def __init__(self, ledger: Ledger, metrics: Metrics, clock: Clock) -> None:
        self._metrics = metrics
        self._clock = clock
        self._store = BreakerStore(ledger, clock)
        self._breakers: dict[str, AsyncBreaker] = {}

    def build(
        self,
        name: str,
        bounds: BreakerBounds,
        judge: Callable[[Exception], Outcome] = judge_error,
        clock: Callable[[], float] = time.monotonic,
    ) -> AsyncBreaker:
        """Make a breaker; call ``restore`` when all are made."""
        breaker = AsyncBreaker(name, bounds, clock=clock, now=self._clock, judge=judge, on_change=self._on_change)
        self._breakers[name] = breaker
        self._metrics.show(self._metrics.breaker_open, [name])
        self._metrics.show(self._metrics.breaker_changes, [name], BreakerState)
        return breaker

    def wake_when_closed(self, wake_jobs: Callable[[], None]) -> None:
        """Have the job runner look for due jobs after a breaker has closed: those that it refused are due then."""
        self._store.wake_jobs = wake_jobs

    def tell_when_stored(self, tell: Callable[[], None]) -> None:
        """Have other servers told of each change after it is in the ledger."""
        self._store.on_stored = tell

    async def restore(self) -> None:
        """Give all breakers the states that they had before the start."""
        await self._store.restore(self._breakers.values())
        for breaker in self._breakers.values():
            self._show(breaker.name, breaker.state)

    async def follow(self) -> None:
        """Take over what another server process on the same ledger has stored."""
        for name in await self._store.follow(self._breakers.values()):
            state = self._breakers[name].state
            log.info("breaker_followed", breaker=name, state=state)
            self._show(name, state)

    async def drain(self) -> None:
        """Wait until everything that changed is stored."""
        await self._store.drain()

    @property
    def all(self) -> tuple[AsyncBreaker, ...]:
        """Every breaker, ordered by name."""
        return tuple(breaker for _, breaker in sorted(self._breakers.items()))

    def snapshots(self) -> list[BreakerSnapshot]:
        """What an operator sees, ordered by name."""
        return [breaker.snapshot() for breaker in self.all]

    def get(self, name: str) -> AsyncBreaker:
        """The breaker of this name.

        Raises:
            NotFound: BREAKER_NOT_FOUND.
        """
        try:
            return self._breakers[name]
        except KeyError:
            hint = f"Known breakers: {', '.join(sorted(self._breakers))}."
            raise NotFound("There is no breaker of this name.", reason=Reason.BREAKER_NOT_FOUND, hint=hint) from None

    def _on_change(self, change: BreakerChange) -> None:
        log.warning(
            "breaker_changed",
            breaker=change.name,
            old=change.old,
            state=change.new,
            failures=change.failures,
            cause=change.cause,
        )
        self._metrics.breaker_changes.labels(change.name, change.new).inc()
        self._show(change.name, change.new)
        self._store.store(change, self._breakers[change.name].last_failure_time)

    def _show(self, name: str, state: BreakerState) -> None:
        self._metrics.breaker_open.labels(name).set(state is not BreakerState.CLOSED)
