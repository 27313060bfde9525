"""Who runs when, where some want to run alone."""

from __future__ import annotations

import asyncio

from server.jobs.isolation import Isolation
from tests.eventually import eventually


async def test_who_wants_to_be_alone_goes_before_later_ones() -> None:
    isolation, order = Isolation(), list[str]()
    release = asyncio.Event()

    async def run(name: str, *, alone: bool) -> None:
        async with isolation.enter(alone=alone):
            order.append(name)
            if name == "first":
                await release.wait()

    tasks = []
    for name, alone in (("first", False), ("alone", True), ("later", False)):
        tasks.append(asyncio.create_task(run(name, alone=alone)))
        await asyncio.sleep(0)
    assert order == ["first"]
    release.set()
    await asyncio.gather(*tasks)
    assert order == ["first", "alone", "later"]


async def test_those_that_wait_go_between_two_that_want_to_be_alone() -> None:
    isolation, order = Isolation(), list[str]()
    ends = {name: asyncio.Event() for name in ("poison 1", "poison 2", "neighbour", "later")}

    async def run(name: str, *, alone: bool) -> None:
        async with isolation.enter(alone=alone):
            order.append(name)
            await ends[name].wait()

    tasks = []
    for name in ("poison 1", "poison 2", "neighbour"):
        tasks.append(asyncio.create_task(run(name, alone=name != "neighbour")))
        await asyncio.sleep(0)
    ends["poison 1"].set()
    await eventually(lambda: order == ["poison 1", "neighbour"])
    tasks.append(asyncio.create_task(run("later", alone=False)))
    await asyncio.sleep(0)
    assert order == ["poison 1", "neighbour"], "one that comes later waits"
    for end in ends.values():
        end.set()
    async with asyncio.timeout(30):
        await asyncio.gather(*tasks)
    assert order == ["poison 1", "neighbour", "poison 2", "later"]


async def test_one_that_has_the_next_turn_and_stops_waiting_lets_others_pass() -> None:
    isolation = Isolation()
    end = asyncio.Event()

    async def run(*, alone: bool) -> None:
        async with isolation.enter(alone=alone):
            await end.wait()

    first, second, neighbour = (asyncio.create_task(run(alone=alone)) for alone in (True, True, False))
    await asyncio.sleep(0)
    end.set()
    neighbour.cancel()
    async with asyncio.timeout(30):
        await asyncio.gather(first, second)
    assert neighbour.cancelled()


async def test_who_stops_waiting_to_be_alone_lets_others_pass() -> None:
    isolation, done = Isolation(), list[str]()

    async def run(name: str, *, alone: bool) -> None:
        async with isolation.enter(alone=alone):
            done.append(name)

    async with isolation.enter(alone=False):
        waiting = asyncio.create_task(run("alone", alone=True))
        await asyncio.sleep(0)
        behind = asyncio.create_task(run("behind", alone=False))
        await asyncio.sleep(0)
        waiting.cancel()
        async with asyncio.timeout(30):
            await behind
    assert done == ["behind"]
