"""How many calls of the LLM one proposal costs, as docs/operating/llm.md says."""

from __future__ import annotations

import asyncio

import pytest

from server.ledger.types import RecommendationState
from server.llm.types import OnboardingRecord, RecordField
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import propose, reason_of, until_asked

FIRST = OnboardingRecord("A visit.", (RecordField("meter_reading", "4821"),))
OTHER = OnboardingRecord("A visit.", (RecordField("site_name", "Riverside"),))


async def calls(world: World) -> tuple[int, int]:
    """Calls that write a record, and calls that check one."""
    return len(world.assistant.asked_records), len(world.assistant.asked_checks)


async def sent_back(world: World) -> None:
    await world.say("The meter reads 4821.")
    world.assistant.script_record(FIRST)
    row = await propose(world)
    world.clock.advance(5)
    await world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="wrong_reading", revise=True)
    world.clock.advance(5)
    world.assistant.asked_records.clear()
    world.assistant.asked_checks.clear()


async def test_a_proposal_is_written_once_and_checked_once(world: World) -> None:
    await world.say("The meter reads 4821.")
    await propose(world)
    assert await calls(world) == (1, 1)


@pytest.mark.parametrize("times", [1, 2])
async def test_what_comes_in_meanwhile_costs_both_calls_once_more(world: World, times: int) -> None:
    await world.say("The meter reads 4821.")
    world.assistant.hold()
    proposing = asyncio.create_task(propose(world))
    for number in range(1, times + 1):
        await until_asked(world, number)
        await world.say(f"There are {number} doors.")
        world.assistant.release()
        world.assistant.hold()
    world.assistant.release()
    await proposing
    assert await calls(world) == (2, 2)


async def test_a_rejected_record_that_is_written_again_is_not_checked(world: World) -> None:
    await sent_back(world)
    world.assistant.script_record(FIRST)
    world.assistant.script_record(OTHER)
    assert (await propose(world)).state is RecommendationState.PENDING
    assert await calls(world) == (2, 1)


async def test_a_model_that_insists_on_a_rejected_record_costs_two_calls(world: World) -> None:
    await sent_back(world)
    for _ in range(2):
        world.assistant.script_record(FIRST)
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
    assert await calls(world) == (2, 0)
