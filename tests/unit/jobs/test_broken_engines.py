"""Cases that lost or repeated work in other engines, each on a real ledger."""

from __future__ import annotations

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from models.errors import Conflict, InvalidInput, Unavailable
from models.retry import POLICIES
from server.jobs.runner import JobRunner
from server.jobs.types import Completion, Handler
from server.ledger import claims, dead_letters, job_ends, job_order, jobs
from server.ledger.columns import Cursor, count
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import JobRow, JobState
from server.runtime.steady_clock import SteadyClock
from tests.eventually import eventually
from tests.unit.jobs.clock import HandClock
from tests.unit.jobs.conftest import World

LEASE_S = 30.0
LONGEST_WAIT = timedelta(seconds=max(policy.longest_s for policy in POLICIES.values()))


class Effects(Handler):
    """Stores one row for each result that counts. With ``hold`` set, an attempt waits for it."""

    kind = "effects"
    deadline_s = 1000.0
    concurrency = 50

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.hold: asyncio.Event | None = None
        self.errors: list[Exception] = []

    async def run(self, job: JobRow) -> Completion[Any]:
        self.begun.append(job.key)
        if self.hold is not None:
            await self.hold.wait()
        if self.errors:
            raise self.errors.pop()
        return Completion(lambda cursor: _effect(cursor, job.id), _nothing)


async def _nothing(recorded: object) -> None:
    return


def _effect(cursor: Cursor, job_id: str) -> None:
    cursor.execute("INSERT INTO effects VALUES (?)", [job_id])


@pytest.fixture
async def effects(world: World) -> Effects:
    await world.ledger.write(lambda cursor: cursor.execute("CREATE TABLE effects (job_id VARCHAR)") and None)
    handler = Effects()
    world.more_handlers = [handler]
    return handler


async def _enqueue(world: World, key: str = "one", session_id: str = "") -> JobRow:
    return await world.runner.enqueue(kind="effects", key=key, session_id=session_id, payload={}, policy="network")


async def _results(world: World) -> Counter[str]:
    found = await world.read(lambda cursor: cursor.execute("SELECT job_id FROM effects").fetchall())
    return Counter(job_id for (job_id,) in found)


async def _job(world: World, job: JobRow) -> JobRow:
    return await world.read(lambda cursor: jobs.get(cursor, job.id))


class TestStaleClaimants:
    async def test_a_claimant_that_finishes_after_its_lease_changes_nothing(self, world: World) -> None:
        """dbos#742: work that was recovered ran a second time."""
        row = jobs.new_job("effects", "one", "", {}, "network", world.clock())
        await world.ledger.write(lambda cursor: jobs.enqueue(cursor, row))
        late = world.clock() + timedelta(seconds=LEASE_S)

        def take(owner: str, seconds: float) -> Any:
            now = world.clock() + timedelta(seconds=seconds)
            return lambda cursor: claims.claim(cursor, owner, now, LEASE_S, 1)

        (stale,) = await world.ledger.write(take("one", 0))
        # The same process takes it again, so the name of the owner does not tell the two apart.
        (fresh,) = await world.ledger.write(take("one", LEASE_S))
        assert (stale.attempts, fresh.attempts) == (1, 2)
        for change in (
            lambda cursor: job_ends.finish(cursor, row.id, owner="one", attempt=stale.attempts),
            lambda cursor: job_ends.fail(
                cursor, row.id, late, reason="X", message="X.", owner="one", attempt=stale.attempts
            ),
            lambda cursor: jobs.reschedule(cursor, row.id, late, "X", owner="one", attempt=stale.attempts),
            lambda cursor: jobs.release(cursor, row.id, late, owner="one", attempt=stale.attempts),
            lambda cursor: jobs.renew_lease(cursor, row.id, "one", late, attempt=stale.attempts),
        ):
            with pytest.raises(Conflict) as caught:
                await world.ledger.write(change)
            assert caught.value.reason == "LEASE_LOST"
        assert await _job(world, row) == fresh
        await world.ledger.write(lambda cursor: job_ends.finish(cursor, row.id, owner="one", attempt=fresh.attempts))
        assert (await _job(world, row)).state is JobState.DONE

    async def test_a_process_that_stood_still_goes_on_with_its_job_and_does_not_begin_it_twice(
        self, world: World, effects: Effects
    ) -> None:
        effects.hold = asyncio.Event()
        await world.start()
        job = await _enqueue(world)
        await eventually(lambda: effects.begun)
        world.clock.advance(LEASE_S + 1)  # SIGSTOP: the lease ran out, and nobody renewed it
        assert await world.runner.claim() == 0
        effects.hold.set()
        await world.settle()
        assert effects.begun == ["one"]
        assert await _results(world) == {job.id: 1}


class TestOwners:
    @pytest.mark.parametrize("owner", ["same", "other"])
    async def test_a_restart_takes_over_at_once_whatever_the_owner_is_called(
        self, world: World, effects: Effects, owner: str
    ) -> None:
        """dbos#804: work of an executor that came back under its own id was stranded."""
        row = jobs.new_job("effects", "one", "", {}, "network", world.clock())
        await world.ledger.write(lambda cursor: jobs.enqueue(cursor, row))
        await world.ledger.write(lambda cursor: claims.claim(cursor, "same", world.clock(), LEASE_S, 1))
        world.runner._owner = owner
        world.boot()
        assert await world.start() == 1
        await world.settle()
        assert await _results(world) == {row.id: 1}


class TestKeys:
    async def test_an_empty_key_is_refused(self, world: World) -> None:
        """dbos#759: everything without an id counted as one."""
        with pytest.raises(InvalidInput):
            await _enqueue(world, key="")


class TestClock:
    async def test_set_back_a_new_job_and_a_retry_do_not_wait_for_it(self, tmp_path: Path) -> None:
        async with _Stepping(tmp_path) as it:
            it.effects.errors = [Unavailable("Down.")]
            first = await it.enqueue("first")
            await it.until(lambda: len(it.effects.begun) == 1)
            await it.until_state(first, JobState.QUEUED)
            it.wall.advance(-3600)
            second = await it.enqueue("second")
            await it.until_state(second, JobState.DONE)
            it.elapsed_s += 3.0  # the longest first delay of the policy
            it.runner.wake()
            await it.until_state(first, JobState.DONE)
            assert it.effects.begun == ["first", "second", "first"]

    async def test_set_forward_no_lease_ends_and_no_policy_is_exhausted(self, tmp_path: Path) -> None:
        async with _Stepping(tmp_path) as it:
            it.effects.hold = asyncio.Event()
            it.effects.errors = [Unavailable("Down.")]
            job = await it.enqueue("one")
            await it.until(lambda: it.effects.begun == ["one"])
            it.wall.advance(24 * 3600)
            assert await it.runner.claim() == 0
            it.effects.hold.set()
            await it.until_state(job, JobState.QUEUED)  # a retry, not a dead letter
            it.elapsed_s += 3.0
            it.runner.wake()
            await it.until_state(job, JobState.DONE)
            assert it.effects.begun == ["one", "one"]

    async def test_set_forward_a_redriven_job_begins_at_once(self, tmp_path: Path) -> None:
        async with _Stepping(tmp_path) as it:
            it.effects.errors = [InvalidInput("Broken.")]
            job = await it.enqueue("one")
            await it.until_state(job, JobState.DEAD)
            it.wall.advance(6 * 3600)
            [letter], _ = await it.world.read(dead_letters.list_letters)
            await it.runner.redrive(letter.id, "mended")
            await it.until_state(job, JobState.DONE)

    async def test_set_back_while_no_server_ran_a_retry_waits_no_longer_than_its_policy(
        self, world: World, effects: Effects
    ) -> None:
        row = jobs.new_job("effects", "one", "", {}, "network", world.clock())
        await world.ledger.write(lambda cursor: jobs.enqueue(cursor, row))

        def fail_once(cursor: Cursor) -> None:
            claims.claim(cursor, "dead", world.clock(), LEASE_S, 1)
            at = world.clock() + timedelta(seconds=3)
            jobs.reschedule(cursor, row.id, at, "WORKER_LOST", owner="dead")

        await world.ledger.write(fail_once)
        world.clock.advance(-24 * 3600)
        await world.start()
        found = await _job(world, row)
        assert found.next_attempt_time == world.clock() + LONGEST_WAIT
        assert found.first_attempt_time == world.clock()
        world.clock.advance(LONGEST_WAIT.total_seconds())
        await world.settle()
        assert await _results(world) == {row.id: 1}

    @pytest.mark.parametrize("restarts", [False, True])
    async def test_set_back_the_order_of_a_session_is_kept(
        self, world: World, effects: Effects, monkeypatch: pytest.MonkeyPatch, restarts: bool
    ) -> None:
        monkeypatch.setattr(job_order._Newest, "time", datetime.min.replace(tzinfo=UTC))
        await _enqueue(world, "first", world.session_id)
        world.clock.advance(-60)
        if restarts:
            job_order._Newest.time = datetime.min.replace(tzinfo=UTC)
            await world.ledger.write(lambda cursor: claims.take_over(cursor, world.clock(), LONGEST_WAIT))
        await _enqueue(world, "second", world.session_id)
        await _enqueue(world, "third", world.session_id)
        await world.start()
        await world.settle()
        assert effects.begun == ["first", "second", "third"]

    def test_the_steady_clock_follows_what_passed_and_not_what_was_set(self) -> None:
        wall = HandClock()
        began, elapsed_s = wall(), [100.0]
        steady = SteadyClock(wall, lambda: elapsed_s[0])
        wall.advance(-5000)
        elapsed_s[0] += 7
        assert steady() == began + timedelta(seconds=7)
        assert SteadyClock(wall)() >= wall()


class _Stepping:
    """A runner whose wall clock is set, while the steady one goes on."""

    def __init__(self, folder: Path) -> None:
        self.wall = HandClock()
        self.elapsed_s = 0.0
        self.world = World(folder)
        self.effects = Effects()

    async def __aenter__(self) -> _Stepping:
        ledger: EmbeddedLedger = self.world.ledger
        await ledger.write(lambda cursor: cursor.execute("CREATE TABLE effects (job_id VARCHAR)") and None)
        self.runner = JobRunner(
            ledger,
            clock=self.wall,
            owner=str(uuid4()),
            audit=self.world.audit,
            observer=self.world.attempts.append,
            steady=SteadyClock(self.wall, lambda: self.elapsed_s),
        )
        await self.runner.start([self.effects])
        return self

    async def __aexit__(self, *args: object) -> None:
        await self.runner.stop(0)
        self.world.ledger.close()

    async def enqueue(self, key: str) -> JobRow:
        return await self.runner.enqueue(kind="effects", key=key, session_id="", payload={}, policy="network")

    async def until(self, condition: Any) -> None:
        await eventually(condition)

    async def until_state(self, job: JobRow, state: JobState) -> None:
        async with asyncio.timeout(120):
            while (await _job(self.world, job)).state is not state:  # noqa: ASYNC110 - the ledger tells nobody
                await asyncio.sleep(0.01)


@pytest.mark.slow
async def test_two_claimants_do_each_of_a_thousand_jobs_once(tmp_path: Path) -> None:
    """dbos#541: two runners ran the same work. Both share one ledger here, each with claims of its own."""
    world = World(tmp_path)
    handlers = [Effects(), Effects()]
    await world.ledger.write(lambda cursor: cursor.execute("CREATE TABLE effects (job_id VARCHAR)") and None)
    rows = [
        jobs.new_job("effects", f"key-{number}", f"session-{number % 100}", {}, "network", world.clock())
        for number in range(1000)
    ]
    await world.ledger.write(lambda cursor: [jobs.enqueue(cursor, row) for row in rows] and None)
    runners = [JobRunner(world.ledger, clock=world.clock, owner=f"claimant-{name}", audit=world.audit) for name in "ab"]
    for runner, handler in zip(runners, handlers, strict=True):
        await runner.start([handler])
    async with asyncio.timeout(240):
        while await world.read(jobs.count_open):
            for runner in runners:
                runner.wake()
            await asyncio.sleep(0.05)
    done = await _results(world)
    begun = Counter(handlers[0].begun + handlers[1].begun)
    for runner in runners:
        await runner.stop(1)
    dead = await world.read(lambda cursor: count(cursor, "SELECT count(*) FROM jobs WHERE state <> 'DONE'"))
    world.ledger.close()
    assert dead == 0
    assert done == Counter(row.id for row in rows)
    assert begun == Counter(row.key for row in rows)
    assert all(handler.begun for handler in handlers)
