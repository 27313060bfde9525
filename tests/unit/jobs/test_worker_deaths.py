"""A job whose worker dies twice is set aside; jobs beside it are not, and a cluster that is away blames nobody."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from models.errors import BreakerOpen, Unavailable, VestibuleError, WorkerLost
from models.reasons import Reason
from models.retry import POLICIES
from server.breakers.suspects import current_suspicion
from server.jobs import runner as runner_module
from server.jobs.types import Completion, Handler
from server.ledger import dead_letters, jobs
from server.ledger.types import JobRow, JobState, UploadState
from tests.eventually import eventually
from tests.unit.jobs.conftest import World

DIED = WorkerLost("It died.")
LOST_TWICE = WorkerLost("The cluster was lost twice.", reason=Reason.CLUSTER_LOST_TWICE)
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


async def test_its_letter_says_in_how_many_attempts_the_workers_died(world: World) -> None:
    """An attempt between failed otherwise, and a redriven job begins anew."""
    world.gateway.will("read_picture", DIED, Unavailable("It failed."), DIED, DIED)
    await world.start()
    await world.upload()
    await world.settle()
    for _ in range(3):
        await once_more(world)
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert letter.message.startswith("Its workers died in 3 of 4 attempts, ")
    world.clock.advance(1)
    world.gateway.will("read_picture", DIED, DIED)
    await world.runner.redrive(letter.id)
    await world.settle()
    await once_more(world)
    letters, _ = await world.read(dead_letters.list_letters)
    assert letters[0].message.startswith("Its workers died in 2 of 2 attempts, ")


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
    rounds = 0

    def workers_up() -> bool:
        nonlocal rounds
        rounds += 1
        return world.workers_up

    world.runner._workers_up = workers_up
    world.workers_up = False
    await world.start()
    await world.upload()
    first = rounds
    await eventually(lambda: rounds >= first + 5)
    [job] = await world.jobs()
    assert (job.state, job.attempts, world.gateway.calls) == (JobState.QUEUED, 0, [])
    world.workers_up = True
    await eventually(lambda: world.outcomes == ["done"])


class Beside(Handler):
    """Notes which jobs run at the same time; each attempt waits until the test ends it."""

    def __init__(self, kind: str = "beside") -> None:
        self.kind = kind
        self.running: dict[str, asyncio.Future[VestibuleError | None]] = {}
        self.together: list[frozenset[str]] = []
        self.suspected: list[bool] = []

    async def run(self, job: JobRow) -> Completion[None]:
        """See ``Handler``."""
        self.suspected.append(current_suspicion() is not None)
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
    assert handler.suspected == [False, False, True, True], "what a job does alone says nothing about the workers"


async def next_attempts(world: World) -> None:
    """Move the clock to the last of the next attempts, and have them begun."""
    world.clock.advance(max(one.retry_in_s or 0.0 for one in world.attempts))
    world.runner.wake()


@pytest.mark.parametrize("again", [LOST_TWICE, DIED])
async def test_a_job_beside_one_of_another_kind_that_ends_the_cluster_is_done(
    world: World, again: VestibuleError
) -> None:
    """All kinds lose their attempts with the cluster, so the suspects of all kinds run one at a time."""
    guilty, innocent = Beside("guilty"), Beside("innocent")
    world.more_handlers += [guilty, innocent]
    await world.start()
    for kind in ("guilty", "innocent"):
        await world.runner.enqueue(kind=kind, key=kind, session_id="", payload={}, policy="network")
    await eventually(lambda: guilty.running and innocent.running)
    for handler in (guilty, innocent):
        handler.running[handler.kind].set_result(LOST_TWICE)
    await eventually(lambda: world.outcomes == ["retry", "retry"])
    await next_attempts(world)
    for _ in range(2):
        await eventually(lambda: guilty.running or innocent.running)
        await eventually(lambda: world.runner.running == 4 - len(world.attempts))
        [(key, attempt)] = [*guilty.running.items(), *innocent.running.items()]
        attempt.set_result(again if key == "guilty" else None)
        await eventually(lambda: key not in guilty.running and key not in innocent.running)  # noqa: B023 - at once
    await eventually(lambda: len(world.attempts) == 4)
    assert {one.kind: one.outcome for one in world.attempts[2:]} == {"guilty": "dead", "innocent": "done"}
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (letter.reason, letter.message) == (
        "WORKER_KILLED",
        "Its workers died in 2 of 2 attempts, the last time while no other job ran.",
    )


async def test_a_cluster_that_is_lost_while_a_suspect_runs_beside_other_kinds_blames_nobody(world: World) -> None:
    world.gateway.will("read_picture", DIED, LOST_TWICE)
    await world.start()
    await world.upload()
    await world.settle()
    await once_more(world)
    await once_more(world)
    assert world.outcomes == ["retry", "retry", "done"]


async def test_a_suspect_whose_attempt_was_not_begun_stays_one(world: World) -> None:
    """Otherwise an open breaker would let it run beside others again."""
    world.gateway.will("read_picture", DIED, BreakerOpen("It is open.", retry_after_s=60.0), DIED)
    await world.start()
    await world.upload()
    await world.settle()
    await once_more(world)
    await once_more(world)
    assert world.outcomes == ["retry", "retry", "dead"]
