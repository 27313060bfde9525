"""Every attempt at a job is a row, and a dead letter names the call and the build."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from structlog.contextvars import bound_contextvars

from models.errors import InternalError, MediaError, Unavailable
from models.reasons import Reason
from server.jobs.letter_rules import LetterRules, NewLetter, log_letter
from server.jobs.types import NOTHING, Completion, Handler
from server.ledger import claims, dead_letters, job_attempts, jobs
from server.ledger.columns import Cursor, fetch_all
from server.ledger.dead_letters import DroppedLetters, LetterBounds
from server.ledger.job_attempts import JobAttemptRow, owner_name
from server.ledger.types import DeadLetterRow, JobRow
from server.setting_groups import JobKind
from server.settings import Settings, unknown_variables
from tests.unit.jobs.conftest import World
from tests.unit.ledger import makers
from tests.unit.ledger.stored import events_of_session

CALL = "0af7651916cd43dd8448eb211c80319c"


class Fails(Handler):
    """Advances the clock by two seconds and then does what the test says."""

    kind = "scripted"

    def __init__(self, world: World, *steps: BaseException | None) -> None:
        self.world = world
        self.steps = list(steps)

    async def run(self, job: JobRow) -> Completion[Any]:
        self.world.clock.advance(2)
        step = self.steps.pop(0)
        if step is not None:
            raise step
        return NOTHING


async def run(world: World, *steps: BaseException | None) -> JobRow:
    """Make one attempt for each step."""
    world.runner._owner = world.runner._ends._owner = world.runner._attempts._owner = owner_name("1.2.3", "me")
    world.more_handlers = [Fails(world, *steps)]
    await world.start()
    with bound_contextvars(correlation_id=CALL):
        job = await world.runner.enqueue(
            kind="scripted", key="one", session_id=world.session_id, payload={}, policy="network"
        )
    for _ in steps:
        await world.settle()
        world.clock.advance(600)
    return job


async def attempts(world: World, job: JobRow) -> list[JobAttemptRow]:
    return await world.read(lambda cursor: job_attempts.list_of_job(cursor, job.id))


async def the_letter(world: World) -> DeadLetterRow:
    (letter,), _ = await world.read(dead_letters.list_letters)
    return letter


async def test_each_attempt_has_its_time_outcome_reason_and_build(world: World) -> None:
    job = await run(world, Unavailable("Gone.", reason=Reason.WORKER_LOST), None)
    first, second = await attempts(world, job)
    assert (first.number, first.outcome, first.reason, first.build) == (1, "retry", "WORKER_LOST", "1.2.3")
    assert (second.number, second.outcome, second.reason, second.build) == (2, "done", "", "1.2.3")
    assert first.end_time - first.begin_time == second.end_time - second.begin_time == timedelta(seconds=2)
    assert second.begin_time - first.end_time >= timedelta(seconds=1)


async def test_a_refused_file_is_an_attempt_that_was_refused(world: World) -> None:
    job = await run(world, MediaError("It does not decode.", reason=Reason.BROKEN_MEDIA))
    assert [(row.outcome, row.reason) for row in await attempts(world, job)] == [("refused", "BROKEN_MEDIA")]


async def test_a_letter_names_the_call_the_build_and_keeps_its_attempts(world: World) -> None:
    job = await run(world, InternalError("A defect."))
    letter = await the_letter(world)
    assert (letter.correlation_id, letter.build, letter.job_id) == (CALL, "1.2.3", job.id)
    assert [(row.outcome, row.reason) for row in await attempts(world, job)] == [("dead", "INTERNAL")]
    (shown,) = await world.read(lambda cursor: fetch_all(cursor, "FROM v_dead_letters"))
    assert (shown["correlation_id"], shown["build"], shown["attempt_s"]) == (CALL, "1.2.3", 2.0)
    (row,) = await world.read(lambda cursor: fetch_all(cursor, "FROM v_job_attempts"))
    assert (row["session_id"], row["kind"], row["took_s"]) == (world.session_id, "scripted", 2.0)


async def test_retries_dead_letters_and_redrives_are_events_of_the_session(world: World) -> None:
    lost = Unavailable("Gone.", reason=Reason.WORKER_LOST)
    await run(world, lost, InternalError("A defect."), InternalError("A defect."))
    await world.runner.redrive((await the_letter(world)).id)
    await world.settle()
    await world.runner.discard((await the_letter(world)).id, "useless")
    rows = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
    found = [(row.name, {key: value.value for key, value in row.properties.items()}) for row in rows]
    told = [(name, given) for name, given in found if name.startswith("job_")]
    assert float(told[0][1].pop("retry_in_s")) >= 1
    assert told == [
        ("job_retried", {"job": "scripted", "reason": "worker_lost", "attempt": "1"}),
        ("job_failed", {"job": "scripted", "reason": "internal", "attempts": "2", "exhausted": "false"}),
        ("job_redriven", {"job": "scripted"}),
        ("job_failed", {"job": "scripted", "reason": "internal", "attempts": "1", "exhausted": "false"}),
        ("job_discarded", {"job": "scripted"}),
    ]


async def test_attempts_of_before_a_redrive_are_kept(world: World) -> None:
    job = await run(world, InternalError("A defect."), None)
    await world.runner.redrive((await the_letter(world)).id)
    await world.settle()
    assert [(row.number, row.outcome) for row in await attempts(world, job)] == [(1, "dead"), (1, "done")]


async def test_a_stopping_server_leaves_a_released_attempt(world: World) -> None:
    class Hangs(Handler):
        kind = "scripted"

        async def run(self, job: JobRow) -> Completion[Any]:
            await asyncio.Event().wait()
            return NOTHING

    world.more_handlers = [Hangs()]
    await world.start()
    job = await world.runner.enqueue(kind="scripted", key="one", session_id="", payload={}, policy="network")
    await world.runner.claim()
    assert await world.runner.stop(0) == 1
    assert [(row.number, row.outcome, row.reason) for row in await attempts(world, job)] == [
        (1, "released", "SHUTTING_DOWN")
    ]


@pytest.mark.parametrize("restarted", [True, False], ids=["at the next start", "when the lease ends"])
async def test_the_attempt_of_a_process_that_died_is_lost(world: World, restarted: bool) -> None:
    row = makers.job("")

    def die(cursor: Cursor) -> None:
        jobs.enqueue(cursor, row)
        claims.claim(cursor, owner_name("1.0.0", "dead"), world.clock(), 30.0, 1)

    await world.ledger.write(die)
    began = world.clock()
    world.clock.advance(31)

    def take(cursor: Cursor) -> None:
        if restarted:
            claims.take_over(cursor, world.clock(), timedelta(seconds=600))
        else:
            claims.claim(cursor, "me", world.clock(), 30.0, 1)

    await world.ledger.write(take)
    assert await attempts(world, row) == [JobAttemptRow(row.id, 1, began, world.clock(), "lost", "LEASE_LOST", "1.0.0")]


async def test_attempts_at_one_job_are_bounded(world: World) -> None:
    row = makers.job("")

    def write(cursor: Cursor) -> None:
        for number in range(1, job_attempts.KEPT_ATTEMPTS + 4):
            claimed = replace(row, attempts=number, claim_time=makers.after(number))
            job_attempts.insert_attempt(cursor, claimed, makers.after(number), "retry", "X")

    await world.ledger.write(write)
    kept = await attempts(world, row)
    assert [kept[0].number, kept[-1].number, len(kept)] == [4, 103, 100]


async def test_whoever_watches_learns_of_new_letters_and_of_dropped_ones(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: list[NewLetter] = []
    world.runner._ends._letters = LetterRules(LetterBounds(1), seen.append)
    world.gateway.will("read_picture", *[InternalError("A defect.")] * 2)
    await world.start()
    for _ in range(2):
        await world.upload()
        await world.settle()
        world.clock.advance(1)
    assert [list(new.dropped) for new in seen] == [[], [DroppedLetters("app", "read_picture", 1)]]
    assert await the_letter(world) == seen[1].letter
    log_letter(seen[1])
    assert re.search("dead_letters_dropped.* client=app ", capsys.readouterr().out)


async def test_a_letter_that_is_pruned_as_soon_as_it_is_discarded_takes_its_media_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.gateway.will("read_picture", InternalError("A defect."))
    await world.start()
    await world.upload()
    await world.settle()
    letter, write = await the_letter(world), world.ledger.write

    async def write_and_prune(change: Callable[[Cursor], Any]) -> Any:
        result = await write(change)
        await write(lambda cursor: dead_letters.prune(cursor, LetterBounds(0)))
        return result

    monkeypatch.setattr(world.ledger, "write", write_and_prune)
    await world.runner.discard(letter.id, "old")
    assert not world.spool.ids()


async def test_the_settings_know_every_kind_of_job(world: World) -> None:
    await world.start()
    assert sorted(get_args(JobKind)) == sorted(world.runner._handlers)


def test_bounds_of_single_kinds_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DEAD_LETTERS__MOST_BY_KIND", '{"reply": 5}')
    monkeypatch.setenv("VESTIBULE_DEAD_LETTERS__DAYS_BY_KIND", '{"read_picture": 0.5}')
    read = Settings().dead_letters
    assert (read.most, read.most_by_kind, read.days_by_kind) == (1000, {"reply": 5}, {"read_picture": 0.5})
    monkeypatch.setenv("VESTIBULE_DEAD_LETTERS__MOST_BY_KIND__READ_PICTURE", "7")
    assert Settings().dead_letters.most_by_kind == {"reply": 5, "read_picture": 7}
    assert unknown_variables() == {}
    for wrong in ('{"reply": 0}', '{"letters": 5}'):
        monkeypatch.setenv("VESTIBULE_DEAD_LETTERS__MOST_BY_KIND", wrong)
        with pytest.raises(ValueError, match="most_by_kind"):
            Settings()
