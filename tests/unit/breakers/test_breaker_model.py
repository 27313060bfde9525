"""The adapter against pybreaker itself as the model: whatever the order of events, both agree."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections import Counter
from collections.abc import Coroutine
from datetime import UTC, datetime, timedelta
from itertools import cycle
from typing import Any
from unittest import mock

import pybreaker
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, rule

from models.errors import BreakerOpen, InvalidInput, UpstreamFailed
from server.breakers.breaker import AsyncBreaker
from server.breakers.breaker_guard import BreakerGuard
from server.breakers.types import BreakerBounds
from tests.clocks import HandSeconds

PROBES = 2
CROWD = 10_000


def run(step: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never really waits."""
    try:
        step.send(None)
    except StopIteration as done:
        return done.value
    raise AssertionError("the breaker waited")


class Periods(pybreaker.CircuitBreakerListener):
    """Counts the model's changes of state."""

    count = 0

    def state_change(self, cb: object, old_state: object, new_state: object) -> None:
        self.count += 1


class BreakerMachine(RuleBasedStateMachine):
    """Calls overlap and end in any order while time passes."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        self.clock = HandSeconds()
        fake = mock.Mock(wraps=datetime)
        fake.now = lambda zone: self.now()
        self.patch = mock.patch.object(pybreaker, "datetime", fake)
        self.patch.start()

    def now(self) -> datetime:
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=self.clock())

    def teardown(self) -> None:
        self.patch.stop()

    @initialize(failures=st.integers(1, 3), successes=st.integers(1, 3), reset_s=st.integers(1, 20))
    def build(self, failures: int, successes: int, reset_s: int) -> None:
        self.breaker = AsyncBreaker("llm_api", BreakerBounds(failures, reset_s, successes, PROBES), clock=self.clock)
        self.periods = Periods()
        self.model = pybreaker.CircuitBreaker(
            failures, reset_s, successes, [], [self.periods], throw_new_error_on_trip=False
        )
        self.running: Counter[int] = Counter()

    @rule(target=calls)
    def begin_one(self) -> tuple[BreakerGuard, int] | None:
        return self.begin()

    def begin(self) -> tuple[BreakerGuard, int] | None:
        guard = self.breaker.guard()
        if not self.model_admits():
            try:
                run(guard.__aenter__())
            except BreakerOpen:
                return None
            raise AssertionError("pybreaker refuses this call")
        run(guard.__aenter__())
        self.running[self.periods.count] += 1
        return guard, self.periods.count

    def model_admits(self) -> bool:
        """pybreaker's check before a call, and the bound on probes, which pybreaker lacks."""
        if self.model.current_state == pybreaker.STATE_OPEN:
            opened_at = self.model._state_storage.opened_at
            assert opened_at is not None
            if self.now() < opened_at + timedelta(seconds=self.model.reset_timeout):
                return False
            self.model.half_open()
        if self.model.current_state == pybreaker.STATE_HALF_OPEN:
            return self.running[self.periods.count] < PROBES
        return True

    @rule(call=consumes(calls), outcome=st.sampled_from(["success", "failure", "excluded", "cancelled"]))
    def finish_one(self, call: tuple[BreakerGuard, int] | None, outcome: str) -> None:
        self.finish(call, outcome)

    def finish(self, call: tuple[BreakerGuard, int] | None, outcome: str) -> None:
        if call is None:
            return
        guard, period = call
        self.running[period] -= 1
        error: BaseException | None = {
            "success": None,
            "failure": UpstreamFailed("It failed."),
            "excluded": InvalidInput("Your fault."),
            "cancelled": asyncio.CancelledError(),
        }[outcome]
        run(guard.__aexit__(type(error) if error else None, error, None))
        # The caller's own fault and a cancellation are not told to the model: they count as nothing.
        if period == self.periods.count and (error is None or isinstance(error, UpstreamFailed)):
            self.tell_model(error)

    def tell_model(self, error: UpstreamFailed | None) -> None:
        def outcome() -> None:
            if error is not None:
                raise error

        with contextlib.suppress(UpstreamFailed):
            self.model.call(outcome)

    @rule()
    def wait_until_it_may_be_asked_again(self) -> None:
        self.clock.advance(self.breaker.bounds.reset_s)

    @rule(outcome=st.sampled_from(["success", "success", "failure", "cancelled"]))
    def call(self, outcome: str) -> None:
        """One whole call; random interleavings alone seldom get through half open."""
        self.finish(self.begin(), outcome)

    @rule(seconds=st.integers(0, 12))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def reset(self) -> None:
        self.breaker.reset()
        self.model.close()

    @rule()
    def trip(self) -> None:
        self.breaker.trip()
        self.model.open()

    @rule()
    def a_health_probe_is_answered(self) -> None:
        self.breaker.let_probes_through()
        if self.model.current_state == pybreaker.STATE_OPEN:
            self.model.half_open()

    @invariant()
    def agree(self) -> None:
        if not hasattr(self, "model"):
            return
        assert self.breaker.state == self.model.current_state
        assert self.breaker.failure_count == self.model.fail_counter
        assert self.breaker._machine.success_counter == self.model.success_counter


class CrowdedMachine(BreakerMachine):
    """The same with ten thousand calls that run at once and end in any order."""

    @rule(
        outcomes=st.lists(st.sampled_from(["success", "failure", "excluded", "cancelled"]), min_size=1, max_size=12),
        seed=st.integers(0, 2**16),
    )
    def ten_thousand_calls(self, outcomes: list[str], seed: int) -> None:
        running = [self.begin() for _ in range(CROWD)]
        random.Random(seed).shuffle(running)
        for call, outcome in zip(running, cycle(outcomes), strict=False):
            self.finish(call, outcome)
        self.agree()


TestTenThousandCallsAtOnce = CrowdedMachine.TestCase
TestTenThousandCallsAtOnce.settings = settings(max_examples=10, stateful_step_count=8, deadline=None)

TestBreakerAgreesWithPybreaker = BreakerMachine.TestCase
TestBreakerAgreesWithPybreaker.settings = settings(max_examples=200, stateful_step_count=50, deadline=None)
