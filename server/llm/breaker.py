"""A circuit breaker for asyncio, built on pybreaker's states, storage and listeners.

pybreaker's own ``call`` holds a lock for as long as the call runs, counts an ``async def`` as a success when its
coroutine is created, and counts cancellation as a failure. Here a call asks for admission before it starts and reports
its outcome when it ends. pybreaker decides what the outcome means, in one short synchronous step.

What is added to pybreaker's rules:

- A call belongs to the period between two changes of state in which it began. If the state has changed since, its
  outcome is ignored: a success from before it opened does not close it, a failure does not keep it open longer.
- Half open, at most ``probes`` calls run at a time.
- A cancelled call counts as nothing.
- Time comes from ``clock``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import TracebackType

import pybreaker

from models.errors import BreakerOpen, CallerError
from server.llm.breaker_types import BreakerChange, BreakerSnapshot, BreakerState

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PROBE_WAIT_S = 1.0
"""Retry hint while all probes are taken. How long they run is unknown, and asking again is cheap."""


def counts_as_failure(error: Exception) -> bool:
    """Whether the upstream is to blame: every error counts except the caller's own fault."""
    return not isinstance(error, CallerError)


class _CallFailed(Exception):
    """Tells pybreaker that a call failed, without keeping the real error and its frames alive."""


class _Recorder(pybreaker.CircuitBreakerListener):
    """Collects changes of state.

    pybreaker notifies before its storage has the new state, so ``on_change`` must not run inside the notification.
    """

    def __init__(self) -> None:
        self.period = 0
        self.changes: list[tuple[str, str]] = []

    def state_change(
        self,
        cb: pybreaker.CircuitBreaker,
        old_state: pybreaker.CircuitBreakerState | None,
        new_state: pybreaker.CircuitBreakerState,
    ) -> None:
        """Begin a new period."""
        self.period += 1
        if old_state is not None and old_state.name != new_state.name:
            self.changes.append((old_state.name, new_state.name))


class BreakerGuard:
    """One admitted call; made by ``AsyncBreaker.guard``. Use it once, with ``async with``."""

    def __init__(self, breaker: AsyncBreaker) -> None:
        self._breaker = breaker
        self._period = 0

    async def __aenter__(self) -> BreakerGuard:
        self._period = self._breaker._admit()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._breaker._settle(self._period, self._outcome(error))

    def _outcome(self, error: BaseException | None) -> bool | None:
        """True for a success, False for a failure, None when it is neither."""
        if error is None:
            return True
        # Neither: the call was cancelled, or the reader of a stream went away.
        return not self._breaker._counts(error) if isinstance(error, Exception) else None


class AsyncBreaker:
    """Refuses calls to an upstream that keeps failing.

    Args:
        name: Key for operators, ``llm_api``; lower case and underscores.
        failures: Failures in a row that open it.
        reset_s: Seconds for which it stays open before probes are let through.
        successes: Probes that must succeed in a row before it closes.
        probes: Probes at a time while half open.
        clock: Seconds, never going back.
        counts: Whether an error counts as a failure; otherwise it counts as an answer.
        on_change: Called after every change of state, outside pybreaker's lock, on the event loop; must not raise.
    """

    def __init__(
        self,
        name: str,
        *,
        failures: int = 3,
        reset_s: float = 120.0,
        successes: int = 2,
        probes: int = 1,
        clock: Callable[[], float] = time.monotonic,
        counts: Callable[[Exception], bool] = counts_as_failure,
        on_change: Callable[[BreakerChange], None] | None = None,
    ) -> None:
        self._clock = clock
        self._counts = counts
        self._on_change = on_change
        self._probes = probes
        self._probing = 0
        self._probing_period = -1
        self._recorder = _Recorder()
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._machine = pybreaker.CircuitBreaker(
            fail_max=failures,
            reset_timeout=reset_s,
            success_threshold=successes,
            listeners=[self._recorder],
            state_storage=self._storage,
            name=name,
            throw_new_error_on_trip=False,
        )

    @property
    def name(self) -> str:
        """Key for operators."""
        return self._machine.name or ""

    @property
    def state(self) -> BreakerState:
        """The state as stored. An open breaker turns half open with the first call after its reset time."""
        return BreakerState(self._machine.current_state)

    @property
    def failure_count(self) -> int:
        """Failures in a row."""
        return int(self._machine.fail_counter)

    def snapshot(self) -> BreakerSnapshot:
        """What an operator sees."""
        machine = self._machine
        return BreakerSnapshot(self.name, self.state, self.failure_count, machine.fail_max, machine.reset_timeout)

    def guard(self) -> BreakerGuard:
        """Wrap one call: ``async with breaker.guard(): ...``.

        Raises:
            BreakerOpen: On entering, when the call must not be made; ``retry_after_s`` says when it may.
        """
        return BreakerGuard(self)

    def reset(self) -> None:
        """Close it by hand and forget the failures; outcomes of calls that are running no longer count."""
        before = self.failure_count
        self._machine.close()
        self._publish(before)

    def restore(self, state: BreakerState, *, failures: int, open_for_s: float) -> None:
        """Continue from a stored state; ``on_change`` is not called.

        Args:
            state: The stored state. Half open, all probes have to succeed again.
            failures: Failures in a row that led to it.
            open_for_s: Seconds since it opened; counts for an open breaker only.
        """
        self._storage.state = state.value
        self._storage.opened_at = _EPOCH + timedelta(seconds=self._clock() - open_for_s)
        _ = self._machine.state  # pybreaker takes the stored state over and resets the counters
        self._storage.reset_counter()
        for _ in range(failures):
            self._storage.increment_counter()
        self._recorder.changes.clear()

    def _opened_at_s(self) -> float:
        opened = self._storage.opened_at
        return self._clock() if opened is None else (opened - _EPOCH).total_seconds()

    def _admit(self) -> int:
        """Let a call start; returns the period in which it begins."""
        if self.state is BreakerState.OPEN:
            left_s = self._opened_at_s() + self._machine.reset_timeout - self._clock()
            if left_s > 0:
                raise self._refusal(left_s)
            self._machine.half_open()
            self._publish(self.failure_count)
        if self.state is BreakerState.HALF_OPEN:
            self._take_probe()
        return self._recorder.period

    def _take_probe(self) -> None:
        if self._probing_period != self._recorder.period:
            self._probing_period, self._probing = self._recorder.period, 0
        if self._probing >= self._probes:
            raise self._refusal(PROBE_WAIT_S)
        self._probing += 1

    def _refusal(self, retry_after_s: float) -> BreakerOpen:
        return BreakerOpen(
            f"The upstream {self.name} failed {self.failure_count} times in a row and is left alone for now.",
            retry_after_s=retry_after_s,
        )

    def _settle(self, period: int, succeeded: bool | None) -> None:
        """Report to pybreaker how a call ended, unless the period in which it began is over."""
        if period != self._recorder.period:
            return
        if period == self._probing_period:
            self._probing -= 1
        before = self.failure_count
        if succeeded is True:
            self._machine.call(_succeed)
        elif succeeded is False:
            self._fail()
        self._publish(max(before, self.failure_count))

    def _fail(self) -> None:
        try:
            self._machine.call(_raise_failed)
        except _CallFailed:
            if self.state is BreakerState.OPEN:
                # pybreaker wrote the wall clock there.
                self._storage.opened_at = _EPOCH + timedelta(seconds=self._clock())

    def _publish(self, failures: int) -> None:
        changes, self._recorder.changes = self._recorder.changes, []
        for old, new in changes:
            if self._on_change is not None:
                self._on_change(BreakerChange(self.name, BreakerState(old), BreakerState(new), failures))


def _succeed() -> None:
    """A successful call."""


def _raise_failed() -> None:
    raise _CallFailed
