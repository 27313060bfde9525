"""Places to decode in: who gets one, who waits, and what becomes of those who do not wait any longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from models.errors import Overloaded
from server.sandbox.places import ALONE_S, PlaceLimits, Places


async def settled() -> None:
    """Let everything run that can."""
    for _ in range(10):
        await asyncio.sleep(0)


class Files:
    """Files that wait for a place, and the order in which they got one."""

    def __init__(self, limits: PlaceLimits) -> None:
        self.now_s = 0.0
        self.places = Places(limits, lambda: self.now_s)
        self.order: list[str] = []
        self.tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, *names: str) -> None:
        """Files named by their client and a number, as in ``a1``."""
        for name in names:
            self.tasks[name] = asyncio.create_task(self._wait(name))
            await settled()

    async def end(self, name: str) -> None:
        """A file was decoded."""
        self.places.release(name[0])
        await settled()

    async def _wait(self, name: str) -> None:
        await self.places.acquire(name[0])
        self.order.append(name)


def make(places: int, of_client: int, wait_s: float = 60.0) -> Files:
    return Files(PlaceLimits(places, of_client, wait_s))


async def cancelled(files: Files) -> None:
    for task in files.tasks.values():
        task.cancel()
    await asyncio.gather(*files.tasks.values(), return_exceptions=True)


async def test_a_client_has_no_more_than_its_places() -> None:
    files = make(3, 2)
    await files.come("b0", "a1", "a2", "a3")
    await files.end("b0")
    assert files.order == ["b0", "a1", "a2"]
    await files.come("b1")
    await files.end("a1")
    assert files.order[3:] == ["b1", "a3"]
    await cancelled(files)


async def test_a_client_that_is_alone_has_all_places() -> None:
    files = make(3, 2)
    await files.come("a1", "a2", "a3", "a4")
    assert files.order == ["a1", "a2", "a3"]
    await files.come("b1")
    await files.end("a1")
    await files.end("a2")
    assert files.order[3:] == ["b1", "a4"]
    await cancelled(files)


async def test_a_client_is_alone_when_the_last_place_of_another_is_long_ago() -> None:
    files = make(2, 1)
    await files.come("b1", "a1", "a2")
    files.now_s = 5 * ALONE_S  # a long recording
    await files.end("b1")
    files.now_s += ALONE_S - 1
    await files.end("a1")
    await files.come("a3")
    assert files.order == ["b1", "a1", "a2"]
    files.now_s += 1
    await files.come("a4")
    assert files.order == ["b1", "a1", "a2", "a3"]
    await files.end("a2")
    assert files.order[4:] == ["a4"]
    assert list(files.places._seen_s) == ["a"]
    await cancelled(files)


async def test_the_first_file_of_a_client_does_not_wait_for_those_that_wait_of_another() -> None:
    files = make(2, 2)
    await files.come("a1", "a2", "a3", "a4", "b1")
    assert files.order == ["a1", "a2"]
    await files.end("a1")
    await files.end("a2")
    assert files.order[2:] == ["b1", "a3"]
    await cancelled(files)


async def test_clients_that_hold_equally_many_take_turns() -> None:
    files = make(1, 1)
    await files.come("a1", "a2", "a3", "b1", "b2", "c1")
    for name in ("a1", "b1", "c1", "a2", "b2"):
        assert files.order[-1] == name
        await files.end(name)
    assert files.order[-1] == "a3"
    await cancelled(files)


async def test_one_that_waits_too_long_is_told_when_to_come_again() -> None:
    files = make(1, 1, wait_s=0.001)
    await files.come("a1")
    with pytest.raises(Overloaded) as caught:
        await files.places.acquire("b")
    error = caught.value
    assert (error.reason, error.hint, error.retry_after_s) == ("DECODERS_BUSY", "Try again in 10 seconds.", 10.0)
    await files.end("a1")
    await files.come("c1")
    assert files.order == ["a1", "c1"]


def leave_before(files: Files) -> None:
    files.tasks["b1"].cancel()
    files.places.release("a")


def leave_after(files: Files) -> None:
    files.places.release("a")
    files.tasks["b1"].cancel()


@pytest.mark.parametrize("leave", [leave_before, leave_after])
async def test_one_that_leaves_while_its_turn_comes_frees_its_place(leave: Callable[[Files], None]) -> None:
    files = make(1, 1)
    await files.come("a1", "b1", "c1")
    leave(files)
    await settled()
    assert files.order == ["a1", "c1"]
    await files.end("c1")
    await files.come("d1")
    assert files.order == ["a1", "c1", "d1"]
    await files.end("d1")
    assert (files.places._waiting, files.places._held, files.places._last_turn) == ({}, {}, {})
