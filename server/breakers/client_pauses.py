"""Keeps what one client sends from opening the breaker of a kind of worker for everybody.

Failures in a row say either that the workers are broken, or that somebody sends what breaks them. They say the first
when the calls of several clients failed. When one client had a call under way in each of them, they may say the
second: that client's calls are paused, and the server has the worker do a small task of its own.
"""

from __future__ import annotations

from models.errors import BreakerOpen
from server.breakers.breaker import AsyncBreaker
from server.breakers.types import BreakerState
from server.observability.log import get_logger

log = get_logger("breakers")

RETRY_AFTER_S = 5.0
"""Hint for a client whose calls are paused. A worker that died is replaced in 10 to 20 seconds."""


class ClientPauses:
    """The clients whose calls to a kind of worker are paused.

    Args:
        breaker: Of that kind.
        probed: Whether health probes are made, which end a pause. Without them nobody is paused, and every failure
            counts.
    """

    def __init__(self, breaker: AsyncBreaker, *, probed: bool = True) -> None:
        self.breaker = breaker
        self._probed = probed
        self._in_every_failure: frozenset[str] = frozenset()
        self._paused: frozenset[str] = frozenset()
        self._period = breaker.period

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
        self._paused = frozenset()

    def counts(self, clients: frozenset[str]) -> bool:
        """Whether a failure counts for the breaker.

        Args:
            clients: Those that had calls under way at that kind of worker.
        """
        if not self.breaker.failure_count:
            self._in_every_failure = clients
        self._in_every_failure &= clients
        closed = self.breaker.state is BreakerState.CLOSED
        opens = closed and self.breaker.failure_count + 1 >= self.breaker.bounds.failures
        if not (self._probed and opens and self._in_every_failure):
            return True
        self._paused = self.clients | self._in_every_failure
        self._period = self.breaker.period
        self.breaker.forget_failures()
        log.warning("clients_paused", breaker=self.breaker.name, clients=sorted(self._paused))
        return False
