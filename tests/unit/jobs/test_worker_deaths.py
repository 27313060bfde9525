"""A job whose worker dies twice is set aside; jobs beside it are not, and a cluster that is away blames nobody."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from models.errors import Unavailable, VestibuleError, WorkerLost
from models.reasons import Reason
from models.retry import POLICIES
from server.jobs import runner as runner_module
from server.jobs.isolation import Isolation
from server.jobs.types import Completion, Handler
from server.ledger import dead_letters, jobs
from server.ledger.types import JobRow, JobState, UploadState
from tests.eventually import eventually
from tests.unit.jobs.conftest import World

DIED = WorkerLost("It died.")
AWAY = Unavailable("Away.", reason=Reason.CLUSTER_LOST, retry_after_s=20.0)


async def once_more(world: World) -> None:
    """Move the clock to the next attempt of the job that failed last, and let it end."""
    delay_s = world.attempts[-1].retry_in_s
    assert delay_s is not None
    world.clock.advance(delay_s)
    await world.settle()


async def test_an_item_whose_worker_dies_twice_is_set_aside(world: World) -> None:
    world.gateway.will("read_picture", DIED, DIED)
    await world.start()
    upload = await world.upload()
    await world.settle()
    await once_more(world)
    assert world.outcomes == ["retry", "dead"]
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.reason, letter.attempts, letter.policy) == ("WORKER_KILLED", 2, "")
    assert (await world.uploaded(upload.id)).failure_reason == "WORKER_KILLED"
    assert len(world.spool.ids()) == 1, "a person may retry it"
    await world.runner.redrive(letter.id)
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE


async def test_one_death_costs_one_attempt(world: World) -> None:
    world.gateway.will("read_picture", DIED)
    await world.start()
    upload = await world.upload()
    await world.settle()
    await once_more(world)
    assert world.outcomes == ["retry", "done"]
    assert (await world.uploaded(upload.id)).attempts == 2


async def test_a_cluster_that_is_away_costs_no_attempt(world: World) -> None:
    """Also for longer than the policy would try."""
    tries = 40
    world.gateway.will("read_picture", *[AWAY] * tries)
    await world.start()
    upload = await world.upload()
    await world.settle()
    for _ in range(tries):
        assert world.attempts[-1].retry_in_s == 20.0
        await once_more(world)
    assert tries * 20.0 > POLICIES["network"].total_s - POLICIES["network"].longest_s
    assert world.outcomes == ["postponed"] * tries + ["done"]
    assert world.attempts[-1].attempt == 1
    assert (await world.uploaded(upload.id)).state is UploadState.DONE


async def test_the_time_for_retries_begins_anew_after_an_outage(world: World) -> None:
    world.gateway.will("read_picture", AWAY, Unavailable("It failed."))
    await world.start()
    await world.upload()
    await world.settle()
    world.clock.advance(10 * POLICIES["network"].total_s)
    await world.settle()
    await once_more(world)
    assert world.outcomes == ["postponed", "retry", "done"], world.attempts


async def test_a_death_before_an_outage_is_not_forgotten(world: World) -> None:
    world.gateway.will("read_picture", DIED, AWAY, DIED)
    await world.start()
    await world.upload()
    await world.settle()
    await once_more(world)
    await once_more(world)
    assert world.outcomes == ["retry", "postponed", "dead"]


async def test_no_job_is_claimed_while_the_workers_are_away(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runner_module, "AWAY_PAUSE_S", 0.001)
    world.workers_up = False
    await world.start()
    await world.upload()
    await asyncio.sleep(0.01)
    assert not world.gateway.calls
    world.workers_up = True
    await eventually(lambda: world.outcomes == ["done"])


class Beside(Handler):
    """Notes which jobs run at the same time; each attempt waits until the test ends it."""

    kind = "beside"

    def __init__(self) -> None:
        self.running: dict[str, asyncio.Future[VestibuleError | None]] = {}
        self.together: list[frozenset[str]] = []

    async def run(self, job: JobRow) -> Completion[None]:
        """See ``Handler``."""
        self.running[job.key] = asyncio.get_running_loop().create_future()
        self.together.append(frozenset(self.running))
        try:
            if error := await self.running[job.key]:
                raise error
        finally:
            del self.running[job.key]
        return NOTHING_TO_DO


async def _nothing(_recorded: object) -> None:
    return None


NOTHING_TO_DO: Completion[None] = Completion(lambda _cursor: None, _nothing)


async def test_jobs_that_died_together_are_tried_one_at_a_time(world: World) -> None:
    """The guilty one dies again, alone; the innocent one is done."""
    handler = Beside()
    world.more_handlers.append(handler)
    await world.start()
    ids = {}
    for key in ("guilty", "innocent"):
        row = await world.runner.enqueue(kind="beside", key=key, session_id="", payload={}, policy="network")
        ids[key] = row.id
    await eventually(lambda: len(handler.running) == 2)
    for attempt in list(handler.running.values()):
        attempt.set_result(DIED)
    await eventually(lambda: world.outcomes == ["retry", "retry"])
    world.clock.advance(max(one.retry_in_s or 0.0 for one in world.attempts))
    world.runner.wake()
    for _ in range(2):
        await eventually(lambda: handler.running)
        [(key, attempt)] = handler.running.items()
        attempt.set_result(DIED if key == "guilty" else None)
        await eventually(lambda: key not in handler.running)  # noqa: B023 - it is awaited at once
    await eventually(lambda: len(world.attempts) == 4)
    assert handler.together[-2:] in (
        [frozenset({"guilty"}), frozenset({"innocent"})],
        [frozenset({"innocent"}), frozenset({"guilty"})],
    )
    states = {key: (await world.read(partial(jobs.get, job_id=job_id))).state for key, job_id in ids.items()}
    assert states == {"guilty": JobState.DEAD, "innocent": JobState.DONE}


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
        async with asyncio.timeout(1):
            await behind
    assert done == ["behind"]
