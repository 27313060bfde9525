"""The real queue on a real ledger: a client with many uploads hardly delays another client."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import jobs, sessions
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from server.ledger.types import JobRow
from tests.eventually import eventually
from tests.unit.jobs.conftest import World
from tests.unit.ledger.copies import copy_row
from tests.unit.ledger.makers import session

MANY = 1_000
ROUNDS = 6
"""More than there are places, so that each place is taken by both clients in turn."""
QUIET = "quiet"


class Held(Handler):
    """Its attempts last until the test ends them."""

    kind = "read"
    deadline_s = 600.0
    concurrency = 4

    def __init__(self) -> None:
        self.begun: list[JobRow] = []
        self.running: dict[str, asyncio.Event] = {}

    async def run(self, job: JobRow) -> Completion[Any]:
        self.begun.append(job)
        self.running[job.key] = asyncio.Event()
        await self.running[job.key].wait()
        del self.running[job.key]
        return NOTHING


class Crowd:
    """A client whose thousand uploads wait, in so many sessions, and another client."""

    def __init__(self, world: World, busy_sessions: int) -> None:
        self.world = world
        self.handler = Held()
        self.busy_sessions = busy_sessions
        self.at_once = min(Held.concurrency, busy_sessions)
        """How many of the thousand run at the same time: one a session."""

    async def begin(self) -> None:
        """Queue the thousand, and wait until the first of them run."""

        def write(cursor: Cursor) -> None:
            for name in ("busy-0", QUIET):
                sessions.insert_or_get(cursor, session(name, client_id=name.partition("-")[0]))
            first, _ = jobs.enqueue(cursor, new_job(Held.kind, "0000", "busy-0", {}, "network", self.world.clock()))
            more = {"id": "'busy-' || n", "request_id": "'request-' || n"}
            copy_row(cursor, "sessions", "busy-0", self.busy_sessions - 1, more)
            more = {"id": "id || n", "key": "lpad(n::VARCHAR, 4, '0')"}
            more |= {"session_id": f"'busy-' || (n % {self.busy_sessions})"}
            more |= {"create_time": "create_time + n * INTERVAL '1 microsecond'"}
            copy_row(cursor, "jobs", first.id, MANY - 1, more)

        await self.world.ledger.write(write)
        self.world.more_handlers = [self.handler]
        await self.world.start()
        await eventually(lambda: len(self.handler.running) == self.at_once)

    async def end(self, key: str) -> None:
        """End an attempt; returns when the queue has claimed what it claims for its place."""
        self.handler.running[key].set()
        await eventually(lambda: key not in self.handler.running)
        await eventually(lambda: self.world.runner.running == len(self.handler.running))
        await self.world.runner.claim()
        await eventually(lambda: self.world.runner.running == len(self.handler.running))

    async def delay_of(self, key: str) -> int:
        """Upload once as the other client; returns how many of the thousand ended before it began."""
        await self.world.runner.enqueue(kind=Held.kind, key=key, session_id=QUIET, payload={}, policy="network")
        await self.world.runner.claim()
        await eventually(lambda: self.world.runner.running == len(self.handler.running))
        ended = 0
        while key not in self.handler.running:
            await self.end(next(iter(self.handler.running)))
            ended += 1
        return ended


@pytest_asyncio.fixture(params=[1, 4, MANY], ids="{}_sessions".format)
async def crowd(world: World, request: pytest.FixtureRequest) -> AsyncIterator[Crowd]:
    made = Crowd(world, request.param)
    await made.begin()
    yield made
    await world.runner.stop(0)


async def test_one_upload_of_another_client_waits_for_at_most_one_of_a_thousand(crowd: Crowd) -> None:
    delays = []
    for number in range(ROUNDS):
        crowd.world.clock.advance(1)
        delays.append(await crowd.delay_of(f"{QUIET}-{number}"))
        await crowd.end(f"{QUIET}-{number}")
    all_places_taken = crowd.at_once == Held.concurrency
    assert delays == [int(all_places_taken)] * ROUNDS
    served = defaultdict(list)
    for job in crowd.handler.begun:
        served[job.session_id].append(job.key)
    assert all(keys == sorted(keys) for name, keys in served.items() if name != QUIET), "a session keeps its order"
    assert len(crowd.handler.begun) >= crowd.at_once + ROUNDS
    assert len(crowd.handler.running) == crowd.at_once, "the other client goes on"
