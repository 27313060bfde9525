"""Who goes through, and who goes ahead."""

from __future__ import annotations

import asyncio

import pytest

from server.streaming.priority_limiter import PriorityLimiter


class Walker:
    """Goes in and stays until it is told to leave."""

    def __init__(self, limiter: PriorityLimiter, urgent: asyncio.Event | None = None) -> None:
        self.inside = False
        self._leave = asyncio.Event()
        self.task = asyncio.create_task(self._walk(limiter, urgent))

    async def _walk(self, limiter: PriorityLimiter, urgent: asyncio.Event | None) -> None:
        async with limiter.acquire(urgent):
            self.inside = True
            await self._leave.wait()

    async def leave(self) -> None:
        self._leave.set()
        await self.task


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_after_the_other_in_the_order_in_which_they_came() -> None:
    limiter = PriorityLimiter(1)
    first, second, third = (Walker(limiter) for _ in range(3))
    await settle()
    assert [w.inside for w in (first, second, third)] == [True, False, False]
    await first.leave()
    await settle()
    assert [w.inside for w in (second, third)] == [True, False]
    await second.leave()
    await third.leave()


async def test_who_becomes_urgent_goes_ahead_and_leaves_no_place_behind() -> None:
    limiter, urgent = PriorityLimiter(1), asyncio.Event()
    first, hurried, last = Walker(limiter), Walker(limiter, urgent), Walker(limiter)
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
async def test_a_place_is_not_lost_with_who_gives_up(waits: bool) -> None:
    limiter = PriorityLimiter(1)
    first = Walker(limiter)
    await settle()
    given_up = Walker(limiter, asyncio.Event() if waits else None)
    await settle()
    given_up.task.cancel()
    await asyncio.gather(given_up.task, return_exceptions=True)
    await first.leave()
    again = Walker(limiter)
    await settle()
    assert again.inside
    await again.leave()


async def test_a_pause_goes_before_partials_that_came_earlier() -> None:
    limiter = PriorityLimiter(1)
    first, partial, pause = Walker(limiter), Walker(limiter), Walker(limiter, asyncio.Event())
    await settle()
    await first.leave()
    await settle()
    assert [w.inside for w in (partial, pause)] == [False, True]
    await pause.leave()
    await settle()
    assert partial.inside
    await partial.leave()


async def test_it_is_crowded_while_somebody_waits() -> None:
    limiter = PriorityLimiter(1)
    first = Walker(limiter)
    await settle()
    assert not limiter.crowded
    second = Walker(limiter)
    await settle()
    assert limiter.crowded
    second.task.cancel()
    await asyncio.gather(second.task, return_exceptions=True)
    assert not limiter.crowded
    await first.leave()


async def test_who_gave_up_is_not_remembered() -> None:
    limiter = PriorityLimiter(1)
    inside = Walker(limiter)
    await settle()
    waiting = [Walker(limiter) for _ in range(50)]
    await settle()
    for walker in waiting:
        walker.task.cancel()
    await asyncio.gather(*(walker.task for walker in waiting), return_exceptions=True)
    assert not limiter.crowded
    assert len(limiter._partials) == 0
    await inside.leave()
