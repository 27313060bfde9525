"""A circuit breaker for asyncio, built on pybreaker's states, storage and listeners.

pybreaker's own ``call`` holds a lock for as long as the call runs, counts an ``async def`` as a success when its
coroutine is created, and counts cancellation as a failure. Here a call asks for admission before it starts and reports
its outcome when it ends. pybreaker decides what the outcome means, in one short synchronous step.

What is added to pybreaker's rules:

- A call belongs to the period between two changes of state in which it began. If the state has changed since, its
  outcome is ignored: a success from before it opened does not close it, a failure does not keep it open longer.
- Half open, at most ``probes`` calls run at a time.
- A cancelled call counts as nothing, and so does one that failed for the caller's own fault.
- An answer that took longer than ``slow_s`` counts as a failure.
- A call that says that no other can succeed before an operator acts blocks the upstream: see ``block``.
- Time comes from ``clock``.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pybreaker

from models.errors import BreakerOpen, CallerError
from server.breakers.breaker_guard import BreakerGuard
from server.breakers.recorder import Recorder
from server.breakers.types import BreakerBounds, BreakerChange, BreakerSnapshot, BreakerState, ChangeCause, Outcome
from server.ledger.types import Clock, utc_now

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

PROBE_WAIT_S = 1.0
"""Retry hint while all probes are taken. How long they run is unknown, and asking again is cheap."""

BLOCKED_S = 900.0
"""How long a blocked upstream is left alone."""


def judge_error(error: Exception) -> Outcome:
    """What an error says about the upstream: every one is a failure except the caller's own fault."""
    return Outcome.NOTHING if isinstance(error, CallerError) else Outcome.FAILURE


class _CallFailed(Exception):
    """Tells pybreaker that a call failed, without keeping the real error and its frames alive."""


class AsyncBreaker:
    """Refuses calls to an upstream that keeps failing.

    Args:
        name: Key for operators, ``llm_api``; lower case, digits and underscores.
        bounds: When it opens and closes.
        clock: Seconds, never going back.
        now: The wall clock, for what operators see.
        judge: What an error says about the upstream.
        on_change: Called after every change of state, outside pybreaker's lock, on the event loop; must not raise.

    Attributes:
        last_failure_reason: Reason of the failure that came last.
        observers: Called after ``on_change``, under the same rules. A call in flight adds one and takes it away again.
    """

    def __init__(
        self,
        name: str,
        bounds: BreakerBounds = BreakerBounds(),  # noqa: B008 - it is frozen
        *,
        clock: Callable[[], float] = time.monotonic,
        now: Clock = utc_now,
        judge: Callable[[Exception], Outcome] = judge_error,
        on_change: Callable[[BreakerChange], None] | None = None,
    ) -> None:
        self.name = name
        self.bounds = bounds
        self.last_failure_time: datetime | None = None
        self.last_failure_reason = ""
        self.observers: set[Callable[[BreakerChange], None]] = set()
        self._tripped = False
        self._blocked = False
        self._clock = clock
        self._now = now
        self._judge = judge
        self._on_change = on_change
        self._probing = 0
        self._probing_period = -1
        self._recorder = Recorder()
        self._storage = pybreaker.CircuitMemoryStorage(pybreaker.STATE_CLOSED)
        self._machine = pybreaker.CircuitBreaker(
            fail_max=bounds.failures,
            reset_timeout=bounds.reset_s,
            success_threshold=bounds.successes,
            listeners=[self._recorder],
            state_storage=self._storage,
            name=name,
            throw_new_error_on_trip=False,
        )

    @property
    def state(self) -> BreakerState:
        """The state as stored. An open breaker turns half open with the first call after its reset time."""
        return BreakerState(self._machine.current_state)

    @property
    def failure_count(self) -> int:
        """Failures in a row."""
        return int(self._machine.fail_counter)

    @property
    def period(self) -> int:
        """Number of the time between two changes of state."""
        return self._recorder.period

    def forget_failures(self) -> None:
        """Count the failures in a row from 0 again."""
        self._storage.reset_counter()

    def snapshot(self) -> BreakerSnapshot:
        """What an operator sees."""
        return BreakerSnapshot(
            self.name,
            self.state,
            self.failure_count,
            int(self._machine.success_counter),
            self.bounds,
            self.open_for_more_s,
            self.last_failure_time,
            self.last_failure_reason,
        )

    @property
    def open_for_more_s(self) -> float:
        """Seconds until it lets calls through again; 0 unless it is open."""
        return max(0.0, self._open_for_more_s()) if self.state is BreakerState.OPEN else 0.0

    @property
    def blocked(self) -> bool:
        """Whether it is open because no call can succeed before an operator has changed something."""
        return self._blocked and self.open_for_more_s > 0

    @property
    def admits(self) -> bool:
        """Whether a call would be let through now."""
        if self.state is BreakerState.OPEN:
            return self._open_for_more_s() <= 0
        return self.state is BreakerState.CLOSED or self._probes_now < self.bounds.probes

    def guard(self) -> BreakerGuard:
        """Wrap one call: ``async with breaker.guard(): ...``.

        Raises:
            BreakerOpen: On entering, when the call must not be made; ``retry_after_s`` says when it may.
        """
        return BreakerGuard(self._admit, self._settle, self._judge, self._clock, self.bounds.slow_s)

    def reset(self) -> None:
        """Close it by hand and forget the failures; outcomes of calls that are running no longer count."""
        before = self.failure_count
        self._tripped = self._blocked = False
        self._machine.close()
        self._publish(before, ChangeCause.RESET_BY_HAND)

    def trip(self) -> None:
        """Open it by hand for a whole reset time; outcomes of calls that are running no longer count."""
        before = self.failure_count
        self._machine.open()
        self._opened_now()
        self._tripped, self._blocked = True, False
        self._publish(before, ChangeCause.TRIPPED_BY_HAND)

    def block(self, reason: str) -> None:
        """Open it for ``BLOCKED_S``, after one failure that only an operator can mend.

        Args:
            reason: Stable reason of the failure.
        """
        before = self.failure_count
        self.last_failure_time, self.last_failure_reason = self._now(), reason
        self._machine.open()
        self._opened_now()
        self._tripped, self._blocked = False, True
        self._publish(before, ChangeCause.BLOCKED)

    @property
    def wants_health_probes(self) -> bool:
        """Whether it is not closed, and nobody opened it by hand for a time that is not over."""
        return self.state is not BreakerState.CLOSED and not (self._tripped and self._open_for_more_s() > 0)

    def let_probes_through(self) -> None:
        """Turn an open breaker half open before its reset time, because a health probe was answered."""
        if self.state is BreakerState.OPEN:
            self._half_open(ChangeCause.HEALTH_PROBE)

    def restore(
        self, state: BreakerState, *, failures: int, open_for_s: float, last_failure_time: datetime | None = None
    ) -> None:
        """Continue from a stored state; ``on_change`` is not called.

        Args:
            state: The stored state. Half open, all probes have to succeed again.
            failures: Failures in a row that led to it.
            open_for_s: Seconds since it opened; counts for an open breaker only.
            last_failure_time: When a call failed last.
        """
        self._blocked = False
        self._storage.state = state.value
        self._storage.opened_at = _EPOCH + timedelta(seconds=self._clock() - open_for_s)
        _ = self._machine.state  # pybreaker takes the stored state over and resets the counters
        self._storage.reset_counter()
        for _ in range(failures):
            self._storage.increment_counter()
        self.last_failure_time = last_failure_time
        self._recorder.changes.clear()

    def _opened_now(self) -> None:
        """Take the time of opening from our clock; pybreaker wrote that of the wall clock."""
        self._storage.opened_at = _EPOCH + timedelta(seconds=self._clock())

    def _open_for_more_s(self) -> float:
        opened = self._storage.opened_at
        opened_s = self._clock() if opened is None else (opened - _EPOCH).total_seconds()
        stays_s = max(BLOCKED_S, self.bounds.reset_s) if self._blocked else self.bounds.reset_s
        return opened_s + stays_s - self._clock()

    def _admit(self) -> int:
        """Let a call start; returns the period in which it begins."""
        if self.state is BreakerState.OPEN:
            left_s = self._open_for_more_s()
            if left_s > 0:
                raise self._refusal(left_s)
            self._half_open(ChangeCause.RESET_TIME_OVER)
        if self.state is BreakerState.HALF_OPEN:
            self._take_probe()
        return self._recorder.period

    def _half_open(self, cause: ChangeCause) -> None:
        self._tripped = self._blocked = False
        self._machine.half_open()
        self._publish(self.failure_count, cause)

    @property
    def _probes_now(self) -> int:
        """Probes that run; those of an earlier period do not count."""
        return self._probing if self._probing_period == self._recorder.period else 0

    def _take_probe(self) -> None:
        running = self._probes_now
        if running >= self.bounds.probes:
            raise self._refusal(PROBE_WAIT_S)
        self._probing_period, self._probing = self._recorder.period, running + 1

    def _refusal(self, retry_after_s: float) -> BreakerOpen:
        why = f"failed {self.failure_count} times in a row and " if self.failure_count else ""
        return BreakerOpen(f"Calls to {self.name} {why}are paused.", retry_after_s=retry_after_s)

    def _settle(self, period: int, ended: Callable[[], tuple[Outcome, str]]) -> None:
        """Report to pybreaker how a call ended, if it began in this period."""
        if period != self._recorder.period:
            return
        outcome, reason = ended()
        if period == self._probing_period:
            self._probing -= 1
        before = self.failure_count
        if outcome is Outcome.ANSWER:
            self._machine.call(_succeed)
            self._publish(before, ChangeCause.PROBES_SUCCEEDED)
        elif outcome is Outcome.BLOCKED:
            self.block(reason)
        elif outcome is Outcome.FAILURE:
            half_open = self.state is BreakerState.HALF_OPEN
            self._fail(reason)
            cause = ChangeCause.PROBE_FAILED if half_open else ChangeCause.FAILURES
            self._publish(max(before, self.failure_count), cause)

    def _fail(self, reason: str) -> None:
        self.last_failure_time, self.last_failure_reason = self._now(), reason
        try:
            self._machine.call(_raise_failed)
        except _CallFailed:
            if self.state is BreakerState.OPEN:
                self._opened_now()

    def _publish(self, failures: int, cause: ChangeCause) -> None:
        changes, self._recorder.changes = self._recorder.changes, []
        for old, new in changes:
            change = BreakerChange(self.name, BreakerState(old), BreakerState(new), failures, cause)
            if self._on_change is not None:
                self._on_change(change)
            for observe in tuple(self.observers):
                observe(change)


def _succeed() -> None:
    """A successful call."""


def _raise_failed() -> None:
    raise _CallFailed
