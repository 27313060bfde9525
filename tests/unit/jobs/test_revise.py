"""A record that a person sends back is followed by another one, never by the same."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from models.errors import BreakerOpen
from models.text import RedactedText
from server.ledger.columns import update
from server.ledger.reviews_decisions import FieldDecision, FieldDecisionRow, insert_decisions
from server.ledger.types import Origin, RecommendationRow, SessionState
from server.llm.types import OnboardingRecord, RecordField, ReviewedField
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import PENDING, REJECTED, SUPERSEDED, propose, reason_of
from tests.unit.ledger.stored import events_of_session

READING = RecordField("meter_reading", "4821")
SITE = RecordField("site_name", "Ikeja")


def record(
    *fields: RecordField, summary: str = "A visit.", missing: tuple[str, ...] = ("contact",)
) -> OnboardingRecord:
    return OnboardingRecord(summary, fields, missing)


FIRST = record(READING, SITE)


async def send_back(world: World, row: RecommendationRow, reason: str = "wrong_reading") -> None:
    world.clock.advance(5)
    await world.recommender.decide(row.id, row.content_hash, "clerk-7", approve=False, reason=reason, revise=True)
    world.clock.advance(5)


async def sent_back(world: World, reason: str = "wrong_reading", first: OnboardingRecord = FIRST) -> RecommendationRow:
    """A record that was proposed and sent back."""
    await world.say("The meter reads 4821.")
    world.assistant.script_record(first)
    row = await propose(world)
    await send_back(world, row, reason)
    return row


async def events_named(world: World, name: str) -> list[dict[str, str]]:
    rows = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
    return [{key: value.value for key, value in row.properties.items()} for row in rows if row.name == name]


async def test_the_next_one_is_told_what_was_rejected_and_why(world: World) -> None:
    row = await sent_back(world)
    world.assistant.script_record(record(SITE, missing=("meter_reading", "contact")))
    second = await propose(world)
    assert second.state is PENDING
    asked = world.assistant.asked_records[-1]
    assert [(one.record, one.reason) for one in asked.rejected] == [(row.record, "wrong_reading")]
    assert not asked.again
    assert len(world.assistant.asked_records) == 2


async def test_the_same_record_is_asked_for_once_more(world: World) -> None:
    await sent_back(world)
    world.assistant.script_record(FIRST)
    world.assistant.script_record(record(SITE))
    assert (await propose(world)).state is PENDING
    assert [asked.again for asked in world.assistant.asked_records] == [False, False, True]


async def test_a_model_that_insists_gets_no_proposal(world: World) -> None:
    row = await sent_back(world)
    for _ in range(3):
        world.assistant.script_record(FIRST)
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
    assert len(world.assistant.asked_records) == 1 + 2
    assert [one.id for one in await world.recommendations()] == [row.id]
    assert (await world.session()).state is SessionState.IN_PROGRESS
    assert await events_named(world, "proposal_unchanged") == [{"origin": "MODEL"}]


async def test_no_record_of_the_past_comes_again(world: World) -> None:
    await sent_back(world)
    second = record(SITE)
    world.assistant.script_record(second)
    await send_back(world, await propose(world), "no_reading")
    for written in (second, FIRST):
        world.assistant.script_record(written)
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
    assert [one.reason for one in world.assistant.asked_records[-1].rejected] == ["wrong_reading", "no_reading"]


async def test_the_fallback_that_writes_the_same_is_asked_once(world: World) -> None:
    await world.say("The meter reads 4821.")
    for _ in range(2):
        world.assistant.script_record(BreakerOpen("Not asked."))
    row = await propose(world)
    assert row.origin is Origin.FALLBACK
    await send_back(world, row)
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
    assert len(world.assistant.asked_records) == 2
    assert await events_named(world, "proposal_unchanged") == [{"origin": "FALLBACK"}]


async def test_the_job_does_not_bring_a_rejected_record_back(world: World) -> None:
    await world.start()
    await sent_back(world)
    world.assistant.script_record(BreakerOpen("Not asked."))
    world.assistant.script_record(FIRST)
    world.assistant.script_record(FIRST)
    pending = await propose(world)
    assert pending.origin is Origin.FALLBACK
    await world.settle()
    assert [one.state for one in await world.recommendations()] == [REJECTED, PENDING]
    assert [asked.again for asked in world.assistant.asked_records] == [False, False, False, True]


async def test_the_job_asks_once_more_and_replaces_the_fallback(world: World) -> None:
    await world.start()
    await sent_back(world)
    world.assistant.script_record(BreakerOpen("Not asked."))
    world.assistant.script_record(FIRST)
    world.assistant.script_record(record(SITE))
    await propose(world)
    await world.settle()
    assert [one.state for one in await world.recommendations()] == [REJECTED, SUPERSEDED, PENDING]


def others() -> Iterator[tuple[str, OnboardingRecord, bool]]:
    yield "wrong_reading", record(READING, SITE, summary="Other words."), False
    yield "unclear_summary", record(READING, SITE, summary="Other words."), True
    yield "unclear_summary", FIRST, False
    yield "wrong_reading", record(SITE, READING), False
    yield "wrong_reading", record(RecordField("meter_reading", "4822"), SITE), True
    yield "", record(READING), True


@pytest.mark.parametrize(("reason", "written", "is_another"), list(others()))
async def test_what_makes_another_record(
    world: World, reason: str, written: OnboardingRecord, is_another: bool
) -> None:
    await sent_back(world, reason)
    for _ in range(2):
        world.assistant.script_record(written)
    if is_another:
        assert (await propose(world)).state is PENDING
    else:
        assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"


@pytest.mark.parametrize(
    ("reason", "says_it_again", "is_another"),
    [("wrong_reading", False, False), ("wrong_reading", True, True), ("wrong_source", False, True)],
)
async def test_another_source_counts_where_something_came_in_or_the_reason_names_it(
    world: World, reason: str, says_it_again: bool, is_another: bool
) -> None:
    first = await world.say("The meter reads 4821.")
    world.clock.advance(1)
    other = await world.say("Yes, 4821.")
    world.assistant.script_record(record(RecordField("meter_reading", "4821", first.id)))
    await send_back(world, await propose(world), reason)
    if says_it_again:
        other = await world.say("I looked again: 4821.")
    for _ in range(2):
        world.assistant.script_record(record(RecordField("meter_reading", "4821", other.id)))
    if is_another:
        assert (await propose(world)).state is PENDING
    else:
        assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"


async def test_the_same_values_from_a_source_that_has_them_at_last_are_checked(world: World) -> None:
    """The model names the old source again, and the judge moves the value to the new one: another record."""
    first = await world.say("Good morning.")
    written = record(RecordField("meter_reading", "4821", first.id))
    world.assistant.script_record(written)
    await send_back(world, await propose(world))
    await world.say("The meter reads 4821.")
    world.assistant.script_record(written)
    assert (await propose(world)).state is PENDING
    assert len(world.assistant.asked_checks) == 2


async def test_a_rejected_record_that_is_not_safe_gives_its_reason_alone(world: World) -> None:
    row = await sent_back(world)
    await world.ledger.write(lambda cursor: update(cursor, "recommendations", row.id, {"record_safe": False}))
    world.assistant.script_record(record(SITE))
    await propose(world)
    [rejected] = world.assistant.asked_records[-1].rejected
    assert (rejected.record, rejected.reason) == (None, "wrong_reading")


async def test_the_next_one_is_told_what_was_decided_about_single_fields(world: World) -> None:
    async def decided(field: str, decision: FieldDecision, reason: str, row: RecommendationRow) -> None:
        one = FieldDecisionRow(
            world.session_id, row.id, row.id, field, decision, reason, "clerk-7", "key:1", world.clock()
        )
        await world.ledger.write(lambda cursor: insert_decisions(cursor, [one]))

    await world.say("The meter reads 4821.")
    for number, written in enumerate((FIRST, record(SITE), record(READING))):
        world.assistant.script_record(written)
        row = await propose(world)
        world.clock.advance(1)
        if number == 0:
            await decided("meter_reading", FieldDecision.REJECTED, "blurred", row)
            await decided("site_name", FieldDecision.ACCEPTED, "", row)
        if number == 1:
            await decided("site_name", FieldDecision.CORRECTED, "", row)
        if number < 2:
            await send_back(world, row)
    rejected = world.assistant.asked_records[-1].rejected
    assert [one.fields for one in rejected] == [
        (ReviewedField("meter_reading", "rejected", "blurred"),),
        (ReviewedField("site_name", "corrected", ""),),
    ]


async def test_values_in_the_prompt_are_the_redacted_ones(world: World) -> None:
    world.gateway.secrets = {"Maria Lindqvist": "NAME"}
    await sent_back(world, first=record(RecordField("visitor", "Maria Lindqvist")))
    world.assistant.script_record(record(SITE))
    await propose(world)
    [rejected] = world.assistant.asked_records[-1].rejected
    assert isinstance(rejected.record, RedactedText)
    assert "[REDACTED_NAME]" in rejected.record.value
    assert "Maria" not in rejected.record.value
