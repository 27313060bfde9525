"""What was received and waits for segmentation: it keeps its order and is bounded."""

from __future__ import annotations

import asyncio

import numpy as np

from models.text import RawText
from server.streaming.events import EndMark, TextIn
from server.streaming.segmentation import (
    MAX_BACKLOG_ITEMS,
    MAX_BACKLOG_SAMPLES,
    MAX_REPLAYED_SAMPLES,
    Backlog,
    Received,
)


async def test_items_keep_their_order() -> None:
    backlog, samples = Backlog(), np.zeros(160, np.float32)
    items: list[Received] = [TextIn(RawText("One.")), samples, EndMark(), None]
    for item in items:
        await backlog.put(item)
    assert [await backlog.get() for _ in items] == items


async def test_audio_above_the_bound_waits_until_some_is_taken() -> None:
    backlog, half = Backlog(), np.zeros(MAX_BACKLOG_SAMPLES // 2, np.float32)
    await backlog.put(half)
    await backlog.put(half)
    third = asyncio.create_task(backlog.put(half))
    await asyncio.sleep(0)
    assert not third.done()
    await backlog.get()
    await third


async def test_new_audio_does_not_wait_for_room_behind_a_long_replay() -> None:
    backlog, piece = Backlog(), np.zeros(MAX_BACKLOG_SAMPLES, np.float32)
    new = piece[:160]
    for _ in range(3):
        await backlog.put(piece, replayed=True)
    async with asyncio.timeout(30):
        await backlog.put(new)
    assert [id(await backlog.get()) for _ in range(4)] == [id(piece)] * 3 + [id(new)]


async def test_a_replay_is_bounded_too() -> None:
    backlog = Backlog()
    await backlog.put(np.zeros(MAX_REPLAYED_SAMPLES, np.float32), replayed=True)
    more = asyncio.create_task(backlog.put(np.zeros(160, np.float32), replayed=True))
    await asyncio.sleep(0)
    assert not more.done()
    await backlog.get()
    await more


async def test_items_without_audio_are_bounded_too() -> None:
    backlog = Backlog()
    for _ in range(MAX_BACKLOG_ITEMS):
        await backlog.put(EndMark())
    one_more = asyncio.create_task(backlog.put(EndMark()))
    await asyncio.sleep(0)
    assert not one_more.done()
    await backlog.get()
    await one_more
