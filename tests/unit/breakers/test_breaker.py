"""The adapter on pybreaker: what it adds, case by case. Its agreement with pybreaker is in test_breaker_model.py."""

from __future__ import annotations

import asyncio
import gc
import weakref
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import TypeVar

import pytest

from models.errors import BreakerOpen, CallerError, InvalidInput, Overloaded, UpstreamFailed
from server.breakers.breaker import BLOCKED_S, AsyncBreaker
from server.breakers.breaker_guard import SLOW_ANSWER, BreakerGuard
from server.breakers.types import (
    BreakerBounds,
    BreakerChange,
    BreakerSnapshot,
    BreakerState,
    ChangeCause,
    Outcome,
)
from tests.clocks import HandSeconds

T = TypeVar("T")
FAILURE = UpstreamFailed("It failed.")
BOUNDS = BreakerBounds(failures=3, reset_s=120, successes=2)
NOW = datetime(2026, 11, 27, 9, tzinfo=UTC)


class Watched(Exception):
    """Unlike the exceptions of Python itself, one that a weak reference can watch."""


@pytest.fixture
def clock() -> HandSeconds:
    return HandSeconds()


@pytest.fixture
def changes() -> list[BreakerChange]:
    return []


@pytest.fixture
def breaker(clock: HandSeconds, changes: list[BreakerChange]) -> AsyncBreaker:
    return AsyncBreaker("llm_api", BOUNDS, clock=clock, now=lambda: NOW, on_change=changes.append)


def state_of(breaker: AsyncBreaker) -> BreakerState:
    """Read anew; a type checker takes a property for a constant after a comparison."""
    return breaker.state


async def call(breaker: AsyncBreaker, make: Callable[[], Awaitable[T]]) -> T:
    async with breaker.guard():
        return await make()


async def succeed() -> str:
    return "answer"


async def fail(breaker: AsyncBreaker, times: int = 1, error: Exception = FAILURE) -> None:
    for _ in range(times):
        with pytest.raises(type(error)):
            async with breaker.guard():
                raise error


async def begin(breaker: AsyncBreaker) -> BreakerGuard:
    return await breaker.guard().__aenter__()


async def end(guard: BreakerGuard, error: BaseException | None = None) -> None:
    await guard.__aexit__(type(error) if error else None, error, None)


async def test_opens_after_the_threshold_and_gives_a_retry_delay(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    await fail(breaker, 3)
    assert state_of(breaker) is BreakerState.OPEN
    clock.advance(20)
    with pytest.raises(BreakerOpen) as refused:
        await call(breaker, succeed)
    assert refused.value.retry_after_s == pytest.approx(100)
    assert refused.value.reason == "BREAKER_OPEN"


async def test_the_failure_that_opens_the_breaker_is_raised_unchanged(breaker: AsyncBreaker) -> None:
    await fail(breaker, 2)
    with pytest.raises(UpstreamFailed) as failed:
        async with breaker.guard():
            raise FAILURE
    assert failed.value is FAILURE


async def test_a_success_between_failures_resets_the_count(breaker: AsyncBreaker) -> None:
    await fail(breaker, 2)
    assert await call(breaker, succeed) == "answer"
    assert breaker.failure_count == 0
    await fail(breaker, 2)
    assert state_of(breaker) is BreakerState.CLOSED


async def test_closes_after_enough_successful_probes(
    breaker: AsyncBreaker, clock: HandSeconds, changes: list[BreakerChange]
) -> None:
    await fail(breaker, 3)
    clock.advance(120)
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.CLOSED
    assert [(c.old, c.new) for c in changes] == [
        (BreakerState.CLOSED, BreakerState.OPEN),
        (BreakerState.OPEN, BreakerState.HALF_OPEN),
        (BreakerState.HALF_OPEN, BreakerState.CLOSED),
    ]
    assert changes[0] == BreakerChange("llm_api", BreakerState.CLOSED, BreakerState.OPEN, 3, ChangeCause.FAILURES)


async def test_a_failing_probe_opens_for_another_whole_reset_time(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    await fail(breaker, 3)
    clock.advance(120)
    await fail(breaker)
    clock.advance(119)
    with pytest.raises(BreakerOpen):
        await call(breaker, succeed)
    clock.advance(1)
    await call(breaker, succeed)


@pytest.mark.parametrize("probes", [1, 2, 5])
async def test_half_open_admits_a_bounded_number_of_probes(clock: HandSeconds, probes: int) -> None:
    breaker = AsyncBreaker("llm_api", BreakerBounds(1, 10, probes, probes), clock=clock)
    await fail(breaker)
    clock.advance(10)
    running = [await begin(breaker) for _ in range(probes)]
    with pytest.raises(BreakerOpen) as refused:
        await begin(breaker)
    assert refused.value.retry_after_s == 1.0
    for guard in running:
        await end(guard)
    assert state_of(breaker) is BreakerState.CLOSED


async def test_a_cancelled_probe_frees_its_place(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    await fail(breaker, 3)
    clock.advance(120)
    await end(await begin(breaker), asyncio.CancelledError())
    assert state_of(breaker) is BreakerState.HALF_OPEN
    await call(breaker, succeed)


async def test_a_success_that_began_before_opening_does_not_close_it(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    early = [await begin(breaker) for _ in range(3)]
    await fail(breaker, 3)
    await end(early[0])
    assert state_of(breaker) is BreakerState.OPEN
    clock.advance(120)
    probe = await begin(breaker)
    await end(early[1])
    await end(early[2])
    assert state_of(breaker) is BreakerState.HALF_OPEN
    await end(probe)
    assert state_of(breaker) is BreakerState.HALF_OPEN, "early successes were counted as probes"


async def test_a_late_failure_does_not_extend_the_open_time(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    early = [await begin(breaker) for _ in range(2)]
    await fail(breaker, 3)
    clock.advance(60)
    await end(early[0], FAILURE)
    clock.advance(60)
    probe = await begin(breaker)
    await end(early[1], FAILURE)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    await end(probe)


@pytest.mark.parametrize("nothing", [asyncio.CancelledError(), GeneratorExit(), KeyboardInterrupt()])
async def test_cancellation_counts_as_nothing(breaker: AsyncBreaker, nothing: BaseException) -> None:
    await fail(breaker, 2)
    for _ in range(5):
        await end(await begin(breaker), nothing)
    assert (breaker.state, breaker.failure_count) == (BreakerState.CLOSED, 2)


async def test_a_really_cancelled_task_counts_as_nothing(breaker: AsyncBreaker) -> None:
    entered, never = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        entered.set()
        await never.wait()

    await fail(breaker, 2)
    task = asyncio.create_task(call(breaker, hang))
    await entered.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert breaker.failure_count == 2


@pytest.mark.parametrize(
    ("error", "counted"),
    [
        (UpstreamFailed("x"), 1),
        (Overloaded("x", retry_after_s=5), 1),
        (TimeoutError(), 1),
        (CallerError("x"), 0),
        (InvalidInput("x"), 0),
    ],
)
async def test_only_upstream_faults_count_as_failures(breaker: AsyncBreaker, error: Exception, counted: int) -> None:
    await fail(breaker, 1, error)
    assert breaker.failure_count == counted


async def test_the_predicate_can_be_replaced(clock: HandSeconds) -> None:
    breaker = AsyncBreaker("llm_api", clock=clock, judge=lambda error: Outcome.ANSWER)
    await fail(breaker, 9, ValueError())
    assert breaker.failure_count == 0


async def test_parallel_calls_run_at_the_same_time(breaker: AsyncBreaker) -> None:
    """Four calls meet at a barrier, which none could pass if a lock were held across the awaited call."""
    together = asyncio.Barrier(4)

    async def meet() -> int:
        return await together.wait()

    arrived = await asyncio.gather(*(call(breaker, meet) for _ in range(4)))
    assert sorted(arrived) == [0, 1, 2, 3]


async def test_ten_thousand_calls_at_once(breaker: AsyncBreaker) -> None:
    together = asyncio.Barrier(10_000)

    async def meet_and_fail() -> None:
        await together.wait()
        raise FAILURE

    results = await asyncio.gather(*(call(breaker, meet_and_fail) for _ in range(10_000)), return_exceptions=True)
    assert all(result is FAILURE for result in results)
    assert (breaker.state, breaker.failure_count) == (BreakerState.OPEN, 3)


async def test_reset_by_hand(breaker: AsyncBreaker, changes: list[BreakerChange]) -> None:
    late = await begin(breaker)
    await fail(breaker, 3)
    breaker.reset()
    assert breaker.snapshot() == BreakerSnapshot(
        "llm_api", BreakerState.CLOSED, 0, 0, BOUNDS, 0.0, NOW, "UPSTREAM_FAILED"
    )
    assert changes[-1] == BreakerChange("llm_api", BreakerState.OPEN, BreakerState.CLOSED, 3, ChangeCause.RESET_BY_HAND)
    await end(late, FAILURE)
    assert breaker.failure_count == 0, "a call from before the reset was counted"
    breaker.reset()
    assert len(changes) == 2, "closing a closed breaker is no change"


async def test_the_hook_sees_the_new_state() -> None:
    seen: list[BreakerState] = []
    watched: list[AsyncBreaker] = []
    watched.append(AsyncBreaker("llm_api", BreakerBounds(1), on_change=lambda change: seen.append(watched[0].state)))
    await fail(watched[0])
    assert seen == [BreakerState.OPEN]


async def test_a_restored_open_breaker_stays_open_for_the_rest_of_its_time(
    breaker: AsyncBreaker, clock: HandSeconds, changes: list[BreakerChange]
) -> None:
    breaker.restore(BreakerState.OPEN, failures=3, open_for_s=50)
    assert breaker.failure_count == 3
    clock.advance(69)
    with pytest.raises(BreakerOpen) as refused:
        await call(breaker, succeed)
    assert refused.value.retry_after_s == pytest.approx(1)
    assert changes == []
    clock.advance(1)
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.HALF_OPEN


async def test_a_restored_half_open_breaker_needs_all_its_probes(breaker: AsyncBreaker) -> None:
    breaker.restore(BreakerState.HALF_OPEN, failures=3, open_for_s=0)
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.HALF_OPEN
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.CLOSED


async def test_a_restored_half_open_breaker_opens_at_the_first_failure(breaker: AsyncBreaker) -> None:
    breaker.restore(BreakerState.HALF_OPEN, failures=3, open_for_s=0)
    await fail(breaker)
    assert state_of(breaker) is BreakerState.OPEN


async def test_keeps_no_reference_to_an_error(breaker: AsyncBreaker) -> None:
    error = Watched()
    kept = weakref.ref(error)
    await fail(breaker, 3, error)
    del error
    gc.collect()
    assert kept() is None


async def test_a_trip_by_hand_opens_it_for_a_whole_reset_time(
    breaker: AsyncBreaker, clock: HandSeconds, changes: list[BreakerChange]
) -> None:
    early = await begin(breaker)
    breaker.trip()
    assert changes == [BreakerChange("llm_api", BreakerState.CLOSED, BreakerState.OPEN, 0, ChangeCause.TRIPPED_BY_HAND)]
    await end(early)
    clock.advance(119)
    assert not breaker.admits
    with pytest.raises(BreakerOpen) as refused:
        await call(breaker, succeed)
    assert refused.value.retry_after_s == pytest.approx(1)
    clock.advance(1)
    assert breaker.admits
    await call(breaker, succeed)


async def test_a_second_trip_begins_the_reset_time_again(breaker: AsyncBreaker, clock: HandSeconds) -> None:
    breaker.trip()
    clock.advance(100)
    breaker.trip()
    assert breaker.snapshot().open_for_more_s == pytest.approx(120)


@pytest.mark.parametrize(("slow_s", "took_s", "counted"), [(5, 5, 0), (5, 6, 1), (0, 600, 0)])
async def test_slow_answers_count_past_the_threshold(
    clock: HandSeconds, slow_s: float, took_s: float, counted: int
) -> None:
    breaker = AsyncBreaker("llm_api", BreakerBounds(3, 120, 2, slow_s=slow_s), clock=clock, now=lambda: NOW)
    guard = await begin(breaker)
    clock.advance(took_s)
    await end(guard)
    assert breaker.failure_count == counted
    assert breaker.snapshot().last_failure_reason == (SLOW_ANSWER if counted else "")


async def test_what_comes_after_the_answer_began_does_not_make_it_slow(clock: HandSeconds) -> None:
    breaker = AsyncBreaker("llm_api", BreakerBounds(slow_s=5), clock=clock)
    guard = await begin(breaker)
    clock.advance(4)
    guard.answered()
    clock.advance(60)
    await end(guard)
    assert breaker.failure_count == 0


async def test_a_health_probe_lets_probes_through_early(breaker: AsyncBreaker, changes: list[BreakerChange]) -> None:
    breaker.let_probes_through()
    assert changes == [], "nothing happens to a closed one"
    await fail(breaker, 3)
    breaker.let_probes_through()
    assert changes[-1].cause is ChangeCause.HEALTH_PROBE
    await call(breaker, succeed)
    await call(breaker, succeed)
    assert state_of(breaker) is BreakerState.CLOSED


async def test_it_knows_when_and_why_a_call_failed_last(breaker: AsyncBreaker) -> None:
    assert breaker.snapshot().last_failure_time is None
    await fail(breaker, 1, TimeoutError())
    snapshot = breaker.snapshot()
    assert (snapshot.last_failure_time, snapshot.last_failure_reason) == (NOW, "TimeoutError")


async def test_four_calls_of_half_a_second_take_half_a_second(breaker: AsyncBreaker) -> None:
    """pybreaker's own call holds a lock meanwhile, so that they would take 2 s."""
    loop = asyncio.get_running_loop()
    began = loop.time()

    async def wait() -> None:
        await asyncio.sleep(0.5)

    await asyncio.gather(*(call(breaker, wait) for _ in range(4)))
    assert 0.5 <= loop.time() - began < 1.9


async def test_one_failure_that_only_an_operator_can_mend_opens_it_for_long(
    clock: HandSeconds, changes: list[BreakerChange]
) -> None:
    breaker = AsyncBreaker("llm_api", BOUNDS, clock=clock, on_change=changes.append, judge=lambda _: Outcome.BLOCKED)
    slow = await begin(breaker)
    await fail(breaker)
    assert (breaker.blocked, breaker.failure_count) == (True, 0)
    assert breaker.snapshot().last_failure_reason == FAILURE.reason
    await end(slow, FAILURE)  # it began before
    clock.advance(BLOCKED_S - 1)
    with pytest.raises(BreakerOpen) as refused:
        await call(breaker, succeed)
    assert refused.value.retry_after_s == 1
    breaker.block("UPSTREAM_KEY_REFUSED")  # a probe found the same
    clock.advance(BLOCKED_S)
    assert not breaker.blocked
    assert await call(breaker, succeed) == "answer"
    assert [change.cause for change in changes] == [ChangeCause.BLOCKED, ChangeCause.RESET_TIME_OVER]


@pytest.mark.parametrize("by_hand", ["reset", "trip"])
async def test_who_resets_or_trips_a_blocked_one_ends_that(
    breaker: AsyncBreaker, clock: HandSeconds, by_hand: str
) -> None:
    breaker.block("UPSTREAM_KEY_REFUSED")
    getattr(breaker, by_hand)()
    assert not breaker.blocked
    clock.advance(BOUNDS.reset_s)
    assert breaker.admits
