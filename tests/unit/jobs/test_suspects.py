"""Jobs that may have killed their worker are tried alone: what that costs others, and what it shows."""

from __future__ import annotations

import pytest

from models.errors import VestibuleError
from server.ledger import jobs, sessions
from server.ledger.columns import Cursor
from server.ledger.jobs import new_job
from tests.eventually import eventually
from tests.unit.jobs.conftest import World
from tests.unit.jobs.test_worker_deaths import DIED, LOST_TWICE, Beside, next_attempts
from tests.unit.ledger.makers import session


async def suspects_of_one_client(world: World, handler: Beside, number: int, died: VestibuleError = DIED) -> None:
    """Have the first attempts at so many jobs of one client end with the death of their worker."""

    def write(cursor: Cursor) -> None:
        sessions.insert_or_get(cursor, session("good", client_id="good"))
        for n in range(number):
            sessions.insert_or_get(cursor, session(f"bad-{n}", client_id="bad"))
            jobs.enqueue(cursor, new_job(handler.kind, f"bad-{n}", f"bad-{n}", {}, "network", world.clock()))

    await world.ledger.write(write)
    world.more_handlers.append(handler)
    await world.start()
    while len(world.attempts) < number:
        await eventually(lambda: len(handler.running) == min(handler.concurrency, number - len(world.attempts)))
        for attempt in list(handler.running.values()):
            attempt.set_result(died)
        await eventually(lambda: not handler.running)
        await eventually(lambda: not world.runner.running)
        await world.runner.claim()


async def begin_next(world: World, handler: Beside) -> None:
    await world.runner.claim()
    await eventually(lambda: handler.running)


async def test_a_file_of_another_client_waits_for_one_suspect(world: World) -> None:
    """Each of the suspects would take a place to wait in, so that the other file would wait for two of them."""
    handler = Beside()
    await suspects_of_one_client(world, handler, 2 * Beside.concurrency)
    world.clock.advance(max(one.retry_in_s or 0.0 for one in world.attempts))
    await begin_next(world, handler)
    await world.runner.enqueue(kind=handler.kind, key="good", session_id="good", payload={}, policy="network")
    ended = 0
    while "good" not in handler.running:
        await world.runner.claim()
        [(_, attempt)] = handler.running.items()
        attempt.set_result(None)
        ended += 1
        await eventually(lambda: len(world.attempts) == 2 * Beside.concurrency + ended)  # noqa: B023 - awaited at once
        await begin_next(world, handler)
    assert ended == 1


@pytest.mark.parametrize("died", [DIED, LOST_TWICE], ids=lambda error: error.reason)
async def test_suspects_wait_in_the_queue_and_each_has_its_turn(world: World, died: VestibuleError) -> None:
    handler = Beside()
    number = Beside.concurrency + 2
    await suspects_of_one_client(world, handler, number, died)
    await next_attempts(world)
    for turn in range(1, number + 1):
        await eventually(lambda: handler.running)
        await world.runner.claim()
        assert (world.runner.running, len(handler.running)) == (1, 1), "the others hold no place"
        [(_, attempt)] = handler.running.items()
        attempt.set_result(None)
        await eventually(lambda: world.outcomes.count("done") == turn)  # noqa: B023 - awaited at once
