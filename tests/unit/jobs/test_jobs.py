from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from models.errors import BreakerOpen, InvalidInput, NotFound, Overloaded, Unavailable
from models.reasons import Reason
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import claims, dead_letters, jobs
from server.ledger.columns import Cursor
from server.ledger.types import JobRow, JobState
from server.settings import Settings
from tests.eventually import eventually
from tests.unit.jobs.conftest import World


class Scripted(Handler):
    """Does what the test says, and counts."""

    kind = "scripted"

    def __init__(self, *steps: BaseException | None, deadline_s: float = 10.0, concurrency: int = 2) -> None:
        self.steps = list(steps)
        self.deadline_s = deadline_s
        self.concurrency = concurrency
        self.free = asyncio.Event()
        self.free.set()
        self.begun: list[str] = []
        self.discarded: list[str] = []

    async def run(self, job: JobRow) -> Completion[Any]:
        self.begun.append(job.key)
        await self.free.wait()
        step = self.steps.pop(0) if self.steps else None
        if step is not None:
            raise step
        return NOTHING

    async def on_discard(self, job: JobRow) -> None:
        self.discarded.append(job.key)


async def enqueue(world: World, key: str = "one", session_id: str = "") -> JobRow:
    return await world.runner.enqueue(kind="scripted", key=key, session_id=session_id, payload={}, policy="network")


async def start(world: World, handler: Scripted) -> None:
    world.more_handlers = [handler]
    await world.start()


async def state_of(world: World, job: JobRow) -> JobState:
    return (await world.read(lambda cursor: jobs.get(cursor, job.id))).state


async def test_a_new_job_starts_at_once(world: World) -> None:
    handler = Scripted()
    await start(world, handler)
    job = await enqueue(world)
    await eventually(lambda: world.attempts)
    assert await state_of(world, job) is JobState.DONE


async def test_a_key_runs_one_job_once(world: World) -> None:
    handler = Scripted()
    await start(world, handler)
    assert (await enqueue(world)).id == (await enqueue(world)).id
    await world.settle()
    await enqueue(world)
    await world.settle()
    assert handler.begun == ["one"]


async def test_no_job_begins_while_a_disk_is_full(world: World) -> None:
    full = Overloaded("Full.", reason=Reason.LEDGER_FULL)
    errors: list[Exception] = [full]

    def admit() -> None:
        if errors:
            raise errors[0]

    world.runner._admit = admit
    handler = Scripted()
    await start(world, handler)
    job = await enqueue(world)
    with pytest.raises(Overloaded):
        await world.runner.claim()
    assert (await world.read(lambda cursor: jobs.get(cursor, job.id))).attempts == 0
    errors.clear()
    await world.settle()
    assert await state_of(world, job) is JobState.DONE


async def test_a_disk_that_stays_full_is_logged_once(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refused: list[int] = []

    def admit() -> None:
        refused.append(1)
        raise Overloaded("Full.", reason=Reason.LEDGER_FULL)

    monkeypatch.setattr("server.jobs.runner.LEDGER_ERROR_PAUSE_S", 0.001)
    world.runner._admit = admit
    await start(world, Scripted())
    await eventually(lambda: len(refused) > 5)
    assert capsys.readouterr().out.count("claim_failed") == 1


async def test_concurrency_is_bounded_for_each_kind(world: World) -> None:
    handler = Scripted(concurrency=2)
    handler.free.clear()
    await start(world, handler)
    for key in "abcde":
        await enqueue(world, key)
    await world.runner.claim()
    assert world.runner.running == 2
    handler.free.set()
    await world.settle()
    assert sorted(handler.begun) == list("abcde")


async def test_one_kind_does_not_hold_up_another_in_its_session(world: World) -> None:
    handler = Scripted()
    handler.free.clear()
    await start(world, handler)
    await enqueue(world, session_id=world.session_id)
    upload = await world.upload()
    while (await world.uploaded(upload.id)).state != "DONE":
        await world.runner.claim()
    assert "scripted" not in [details.kind for details in world.attempts]
    handler.free.set()
    await world.settle()


async def test_a_defect_becomes_a_dead_letter_and_the_runner_goes_on(world: World) -> None:
    handler = Scripted(ZeroDivisionError("Maria said so"), None)
    await start(world, handler)
    broken, fine = await enqueue(world, "broken"), await enqueue(world, "fine")
    await world.settle()
    assert await state_of(world, broken) is JobState.DEAD
    assert await state_of(world, fine) is JobState.DONE
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert letter.reason == "INTERNAL"
    assert "Maria" not in letter.message


async def test_an_attempt_that_takes_too_long_is_a_failure(world: World) -> None:
    handler = Scripted(deadline_s=0.0)
    handler.free.clear()
    await start(world, handler)
    await enqueue(world)
    await world.settle()
    assert (world.attempts[0].outcome, world.attempts[0].reason) == ("retry", "DEADLINE_EXCEEDED")


async def test_when_the_ledger_fails_the_job_is_due_again_after_its_lease(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Scripted()
    handler.free.clear()
    await start(world, handler)
    job = await enqueue(world)
    await world.runner.claim()

    async def failing(_fn: object) -> None:
        raise Unavailable("The disk did not take it.", reason=Reason.LEDGER_IO)

    with monkeypatch.context() as patched:
        patched.setattr(world.ledger, "write", failing)
        handler.free.set()
        await asyncio.wait([task for _, task in world.runner._running.values()])
    assert (world.attempts[0].outcome, world.attempts[0].reason) == ("lost", "LEDGER_IO")
    world.clock.advance(29)
    assert await world.runner.claim() == 0
    world.clock.advance(2)
    await world.settle()
    assert await state_of(world, job) is JobState.DONE


async def test_a_result_that_the_ledger_does_not_take_at_first_is_recorded_without_a_second_attempt(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    handler = Scripted()
    handler.free.clear()
    await start(world, handler)
    job = await enqueue(world)
    await world.runner.claim()
    write, refused = world.ledger.write, iter(range(2))

    async def failing(fn: Any) -> Any:
        if "JobEnds" in fn.__qualname__ and next(refused, None) is not None:
            raise Unavailable("The disk did not take it.", reason=Reason.LEDGER_IO)
        return await write(fn)

    monkeypatch.setattr(world.ledger, "write", failing)
    handler.free.set()
    await asyncio.wait([task for _, task in world.runner._running.values()])
    assert await state_of(world, job) is JobState.DONE
    assert [(a.attempt, a.outcome) for a in world.attempts] == [(1, "done")]
    first_s, second_s = world.paused_s
    assert 0.5 <= first_s <= 1.0 <= second_s <= 2.0, "between half and all of 1 s and 2 s"


async def test_an_outage_uses_no_attempts_up(world: World) -> None:
    handler = Scripted()
    handler.steps = [BreakerOpen("Paused.", retry_after_s=60.0)] * 8
    await start(world, handler)
    job = await enqueue(world)
    for _ in range(9):
        await world.settle()
        world.clock.advance(70)
    assert [a.outcome for a in world.attempts] == ["retry"] * 8 + ["done"]
    assert {a.attempt for a in world.attempts} == {1}
    assert await state_of(world, job) is JobState.DONE


async def test_the_policies_of_the_settings_hold(world: World) -> None:
    policies = Settings.model_validate({"retry": {"network": {"attempts": 2, "first_delay_s": 60}}}).retry.policies
    world.policies = policies
    world.boot()
    handler = Scripted(deadline_s=0.0)
    handler.free.clear()
    await start(world, handler)
    await enqueue(world)
    await world.settle()
    assert world.attempts[0].retry_in_s is not None
    assert 30 <= world.attempts[0].retry_in_s <= 60
    world.clock.advance(60)
    await world.settle()
    assert [a.outcome for a in world.attempts] == ["retry", "dead"]


async def test_a_lease_is_renewed_while_work_goes_on(world: World) -> None:
    handler = Scripted()
    handler.free.clear()
    await start(world, handler)
    job = await enqueue(world)
    await world.runner.claim()
    for _ in range(5):
        world.clock.advance(20)
        await world.runner.renew()
    assert await world.runner.claim() == 0
    handler.free.set()
    await world.settle()
    assert handler.begun == ["one"]
    assert await state_of(world, job) is JobState.DONE


async def test_an_attempt_whose_job_another_process_took_is_stopped(world: World) -> None:
    handler = Scripted()
    handler.free.clear()
    await start(world, handler)
    job = await enqueue(world)
    await world.runner.claim()
    (task,) = [task for _, task in world.runner._running.values()]

    def take(cursor: Cursor) -> None:
        claims.take_over(cursor, world.clock(), timedelta(seconds=600))
        claims.claim(cursor, "another", world.clock(), 30.0, 1, ("scripted",))

    await world.ledger.write(take)
    await world.runner.renew()
    await asyncio.wait({task})
    assert task.cancelled()
    assert world.runner.running == 0
    assert (await world.read(lambda cursor: jobs.get(cursor, job.id))).lease_owner == "another"


async def test_the_runner_sleeps_until_the_next_attempt_is_due(world: World) -> None:
    handler = Scripted(Unavailable("Later.", retry_after_s=40.0))
    await start(world, handler)
    await enqueue(world)
    await world.settle()
    pause_s = await world.runner._until_next_due_s(world.clock())
    assert pause_s is not None
    assert 40 < pause_s <= 44
    world.clock.advance(pause_s)
    await world.settle()
    assert world.outcomes == ["retry", "done"]
    assert await world.runner._until_next_due_s(world.clock()) is None


async def test_a_discarded_letter_stays_discarded(world: World) -> None:
    handler = Scripted(InvalidInput("Broken."))
    await start(world, handler)
    await enqueue(world)
    await world.settle()
    (letter,), _ = await world.read(dead_letters.list_letters)
    assert (await world.runner.discard(letter.id, "duplicate")).closed_reason == "duplicate"
    assert handler.discarded == ["one"]
    with pytest.raises(NotFound):
        await world.runner.redrive("no such letter")
    assert await world.read(dead_letters.count_open) == 0


async def test_an_unknown_policy_is_refused(world: World) -> None:
    with pytest.raises(InvalidInput):
        await world.runner.enqueue(kind="scripted", key="k", session_id="", payload={}, policy="hopeful")


async def test_a_job_that_became_due_while_others_were_claimed_is_not_overlooked(world: World) -> None:
    handler = Scripted(Unavailable("Later.", retry_after_s=40.0))
    await start(world, handler)
    await enqueue(world)
    await world.settle()
    claim_began = world.clock()
    world.clock.advance(60.0)  # the claim has found nothing, and the job is due by now
    assert await world.runner._until_next_due_s(claim_began) == 0.0
