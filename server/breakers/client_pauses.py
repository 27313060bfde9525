"""Keeps what one client sends from opening the breaker of a kind of worker for everybody.

Failures in a row say either that the workers are broken, or that somebody sends what breaks them. They say the first
when the calls of several clients failed. When one client had a call under way in each of them, they may say the
second: that client's calls are paused, and the server has the worker do a small task of its own.
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from models.errors import BreakerOpen
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerState
from server.observability.log import get_logger

log = get_logger("breakers")

RETRY_AFTER_S = 5.0
"""Hint for a client whose calls are paused. A worker that died is replaced in 10 to 20 seconds."""

REPLACED_S = 20.0
"""Ray needs 10 to 20 seconds to replace a worker that died. Until then a check also fails where nothing is broken."""


class ClientPauses:
    """The clients whose calls to a kind of worker are paused.

    Args:
        breaker: Of that kind.
        probed: Whether health probes are made, which end a pause. Without them nobody is paused, and every failure
            counts.
        clock: Seconds, never going back.
    """

    def __init__(
        self, breaker: AsyncBreaker, *, probed: bool = True, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.breaker = breaker
        self._probed = probed
        self._clock = clock
        self._in_every_failure: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._period = breaker.period
        self._since_s = 0.0
        self._check_failed = False
        """Whether a check that counts failed since the pause began: the workers are broken, whoever calls them."""

    @property
    def clients(self) -> frozenset[str]:
        """Those that are paused. A change of the breaker, also by hand, ends the pause."""
        if self.breaker.state is not BreakerState.CLOSED or self.breaker.period != self._period:
            return frozenset()
        return self._paused

    def require(self, client_id: str) -> None:
        """Let a call begin.

        Raises:
            BreakerOpen: The client is paused.
        """
        if client_id in self.clients:
            name, failures = self.breaker.name, self.breaker.bounds.failures
            raise BreakerOpen(
                f"Calls to {name} failed {failures} times in a row while this client used it. Its calls are paused "
                "until a check of the workers succeeds.",
                retry_after_s=RETRY_AFTER_S,
            )

    def end(self) -> None:
        """The workers gave an answer: end the pause."""
        if self._paused:
            paused_s = round(self._clock() - self._since_s, 1)
            log.warning("clients_resumed", breaker=self.breaker.name, clients=sorted(self._paused), paused_s=paused_s)
        self._paused = frozenset()

    def refresh(self) -> None:
        """Note the end of a pause that a change of the breaker has ended."""
        if not self.clients:
            self.end()

    @asynccontextmanager
    async def check(self) -> AsyncIterator[None]:
        """Wrap a small task for the workers during a pause. An answer ends the pause.

        A failure counts for the breaker, unless the task began before a worker that died could be replaced.
        """
        counts = self._clock() >= self._since_s + REPLACED_S

        def record() -> bool:
            self._check_failed |= counts
            return counts

        async with self.breaker.guard() as guard:
            guard.failure_counts = record
            yield
        self.end()

    def record_failure(self, clients: frozenset[str]) -> bool:
        """Pause the clients that may be the cause of a failure that would open the breaker.

        Args:
            clients: Those that had calls under way at that kind of worker.

        Returns:
            Whether the failure counts for the breaker. After a check that failed, each one does until the pause ends.
        """
        self.refresh()
        if not self.breaker.failure_count:
            self._in_every_failure = clients
        self._in_every_failure &= clients
        closed = self.breaker.state is BreakerState.CLOSED
        opens = closed and self.breaker.failure_count + 1 >= self.breaker.bounds.failures
        broken = bool(self._paused) and self._check_failed
        if broken or not (self._probed and opens and self._in_every_failure):
            return True
        if not self._paused:
            self._since_s, self._check_failed = self._clock(), False
        self._paused |= self._in_every_failure
        self._period = self.breaker.period
        self.breaker.forget_failures()
        log.warning("clients_paused", breaker=self.breaker.name, clients=sorted(self._paused))
        return False
