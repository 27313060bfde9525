"""The retry budget and the deadline of a task."""

from __future__ import annotations

import asyncio
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.deadline import end_in, ending_in, time_left_s
from models.retry_budget import WINDOW_S, RetryBudget
from tests.clocks import HandSeconds


def test_retries_are_a_share_of_the_requests_of_the_last_minute() -> None:
    clock = HandSeconds()
    budget = RetryBudget(share=0.2, least=2, clock=clock)
    assert budget.left == 2
    for _ in range(50):
        budget.count(retry=False)
    assert budget.left == 12
    assert [budget.take_retry() for _ in range(13)] == [True] * 12 + [False]
    clock.advance(WINDOW_S + 1)
    assert budget.left == 2, "what is older than a minute is forgotten"


def test_a_spent_budget_says_when_to_come_again() -> None:
    clock = HandSeconds()
    budget = RetryBudget(share=0, least=1, clock=clock)
    assert budget.wait_s() == 0
    assert budget.take_retry()
    clock.advance(20)
    wait_s = budget.wait_s()
    assert wait_s == WINDOW_S + 1 - 20
    clock.advance(wait_s - 0.1)
    assert budget.left == 0
    clock.advance(0.1)
    assert budget.take_retry()


@given(
    share=st.floats(0, 1),
    least=st.integers(0, 20),
    steps=st.lists(st.tuples(st.booleans(), st.floats(0, 30)), max_size=200),
)
def test_no_retry_is_made_that_the_last_minute_does_not_allow(
    share: float, least: int, steps: list[tuple[bool, float]]
) -> None:
    clock = HandSeconds()
    budget = RetryBudget(share, least, clock)
    requests: list[float] = []
    retries: list[float] = []
    for wants_retry, pause_s in steps:
        if not wants_retry:
            budget.count(retry=False)
            requests.append(clock())
        elif budget.take_retry():
            retries.append(clock())
            recent_retries = sum(at > clock() - WINDOW_S for at in retries)
            # A call is forgotten at most a second after its minute.
            recent_requests = sum(at >= clock() - WINDOW_S - 1 for at in requests)
            assert recent_retries <= least + math.floor(share * recent_requests)
        clock.advance(pause_s)
    assert len(budget._seconds) <= WINDOW_S + 1


def test_a_deadline_holds_in_its_block_and_an_earlier_one_stays() -> None:
    clock = HandSeconds()
    assert time_left_s(clock) == math.inf
    with ending_in(10, clock):
        clock.advance(4)
        with ending_in(60, clock):
            assert time_left_s(clock) == 6
        with ending_in(2, clock):
            assert time_left_s(clock) == 2
        clock.advance(8)
        assert time_left_s(clock) == -2
    assert time_left_s(clock) == math.inf


async def test_a_deadline_reaches_the_tasks_that_are_started_from_the_task() -> None:
    clock = HandSeconds()

    async def left() -> float:
        return time_left_s(clock)

    async def call() -> float:
        end_in(5, clock)
        return await asyncio.create_task(left())

    assert await asyncio.create_task(call()) == pytest.approx(5)
    assert time_left_s(clock) == math.inf
