"""Memory that is shared out."""

from __future__ import annotations

import asyncio

from ray_tasks.room import Room


async def test_whoever_finds_too_little_waits_until_enough_is_given_back() -> None:
    room, order = Room(10), []

    async def take(name: str, size_bytes: int, give_back: asyncio.Event) -> None:
        async with room.reserved(size_bytes):
            order.append(name)
            await give_back.wait()

    events = [asyncio.Event() for _ in range(3)]
    tasks = [asyncio.create_task(take(f"{size}", size, event)) for size, event in zip((6, 4, 50), events, strict=True)]
    await asyncio.sleep(0)
    assert order == ["6", "4"]
    events[0].set()
    await tasks[0]
    await asyncio.sleep(0)
    assert order == ["6", "4"]
    events[1].set()
    events[2].set()
    await asyncio.gather(*tasks)
    assert order == ["6", "4", "50"]


async def test_whoever_leaves_takes_nothing() -> None:
    room = Room(10)
    async with room.reserved(10):
        waits = asyncio.create_task(room.reserved(1).__aenter__())
        await asyncio.sleep(0)
        waits.cancel()
        await asyncio.gather(waits, return_exceptions=True)
    async with asyncio.timeout(30), room.reserved(10):
        pass
