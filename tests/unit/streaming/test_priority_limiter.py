"""In which order callers get a place."""

from __future__ import annotations

import asyncio

import pytest

from server.streaming.priority_limiter import PriorityLimiter


class Holder:
    """Holds a place until it is told to leave."""

    def __init__(self, limiter: PriorityLimiter, urgent: asyncio.Event | None = None) -> None:
        self.inside = False
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._hold(limiter, urgent))

    async def _hold(self, limiter: PriorityLimiter, urgent: asyncio.Event | None) -> None:
        async with limiter.acquire(urgent):
            self.inside = True
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_places_are_given_in_the_order_of_arrival() -> None:
    limiter = PriorityLimiter(1)
    first, second, third = (Holder(limiter) for _ in range(3))
    await settle()
    assert [w.inside for w in (first, second, third)] == [True, False, False]
    await first.leave()
    await settle()
    assert [w.inside for w in (second, third)] == [True, False]
    await second.leave()
    await third.leave()


async def test_an_urgent_caller_goes_ahead_without_taking_a_place() -> None:
    limiter, urgent = PriorityLimiter(1), asyncio.Event()
    first, hurried, last = Holder(limiter), Holder(limiter, urgent), Holder(limiter)
    await settle()
    assert not hurried.inside
    urgent.set()
    await settle()
    assert hurried.inside
    await hurried.leave()
    await settle()
    assert not last.inside
    await first.leave()
    await last.leave()


@pytest.mark.parametrize("waits", [False, True])
async def test_a_cancelled_caller_loses_no_place(waits: bool) -> None:
    limiter = PriorityLimiter(1)
    first = Holder(limiter)
    await settle()
    given_up = Holder(limiter, asyncio.Event() if waits else None)
    await settle()
    given_up.task.cancel()
    await asyncio.gather(given_up.task, return_exceptions=True)
    await first.leave()
    again = Holder(limiter)
    await settle()
    assert again.inside
    await again.leave()


async def test_a_pause_goes_before_partials_that_came_earlier() -> None:
    limiter = PriorityLimiter(1)
    first, partial, pause = Holder(limiter), Holder(limiter), Holder(limiter, asyncio.Event())
    await settle()
    await first.leave()
    await settle()
    assert [w.inside for w in (partial, pause)] == [False, True]
    await pause.leave()
    await settle()
    assert partial.inside
    await partial.leave()


async def test_it_is_crowded_while_a_caller_waits() -> None:
    limiter = PriorityLimiter(1)
    first = Holder(limiter)
    await settle()
    assert not limiter.crowded
    second = Holder(limiter)
    await settle()
    assert limiter.crowded
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    assert not limiter.crowded
    await first.leave()


async def test_cancelled_callers_are_removed_from_the_queue() -> None:
    limiter = PriorityLimiter(1)
    inside = Holder(limiter)
    await settle()
    waiting = [Holder(limiter) for _ in range(50)]
    await settle()
    for holder in waiting:
        holder.task.cancel()
    await asyncio.gather(*(holder.task for holder in waiting), return_exceptions=True)
    assert not limiter.crowded
    assert len(limiter._partials) == 0
    await inside.leave()
