"""A value that a reviewer took out of a record comes again only if the person tells it anew; the others stay."""

from __future__ import annotations

import pytest

from server.flows.progress import FieldState
from server.ledger import answers, sessions
from server.ledger.columns import Cursor
from server.ledger.types import Origin, TurnRow
from server.llm.assistant import OpenAiAssistant
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord, RecordField
from tests.fakes.guide import GUIDE
from tests.unit.jobs.recommendation_helpers import PENDING, propose, reason_of
from tests.unit.ledger.stored import events_of_session
from tests.unit.reviews.conftest import ANN, ReviewWorld, correct, reject
from tests.unit.reviews.sending_back import send_back, values, write

SITE, READING, UNIT = "site_name", "meter_reading", "meter_unit"


async def answer(world: ReviewWorld, text: str, asked: str) -> TurnRow:
    """Answer the question for a field."""
    world.clock.advance(1)
    said = await world.say(text)

    def hear(cursor: Cursor) -> None:
        GUIDE.heard(cursor, sessions.get(cursor, world.session_id), said, known=asked)

    await world.ledger.write(hear)
    return said


async def test_a_rejected_answer_does_not_come_again(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reject(READING, "misread"))
    again = await write(world, said.id, site_name="Riverside", meter_unit="m3")
    assert values(again) == {SITE: "Riverside", UNIT: "m3"}
    assert READING in stored_record(again.record.value).missing


@pytest.mark.parametrize("reason", ["wrong", "wrong_meter_reading"])
async def test_a_refused_value_does_not_come_again_from_a_model(world: ReviewWorld, reason: str) -> None:
    said = await world.say("The meter reads 4821 at Riverside.")
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, *([reject(READING)] if reason == "wrong" else []), reason=reason)
    await world.say("Good morning.")
    again = await write(world, said.id, site_name="Riverside", meter_reading="04821", meter_unit="m3")
    assert values(again) == {SITE: "Riverside", UNIT: "m3"}


async def test_a_refused_value_does_not_come_again_from_the_fallback(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 m3 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reject(READING, "misread"))
    world.recommender._builder._assistant = OpenAiAssistant([])
    again = await propose(world)
    assert again.origin is Origin.FALLBACK
    assert (READING in values(again), values(again)[UNIT]) == (False, "m3")


async def test_a_corrected_value_stays_and_the_wrong_one_does_not_come_again(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, correct(READING, "4812"))
    for written in ({}, {READING: "4821"}):
        again = await write(world, said.id, site_name="Riverside", **written, meter_unit="m3")
        assert values(again) == {SITE: "Riverside", READING: "4812", UNIT: "m3"}


async def test_a_value_that_a_later_correction_gives_back_is_not_refused(world: ReviewWorld) -> None:
    said = await world.say("The meter reads 4821.")
    row = await write(world, said.id, meter_reading="4821")
    world.clock.advance(1)
    row = await world.decide(ANN, row, correct(READING, "4812"))
    await send_back(world, row, correct(READING, "4821"))
    again = await write(world, said.id, meter_reading="4821", meter_unit="m3")
    assert values(again) == {READING: "4821", UNIT: "m3"}


async def test_a_correction_stays_where_another_wrong_value_is_written(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4812 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, correct(READING, "4830"))
    again = await write(world, said.id, site_name="Riverside", meter_reading="4812", meter_unit="m3")
    assert values(again)[READING] == "4830", "neither the model nor the answer before it replaces it"


async def test_a_person_who_does_not_know_what_was_taken_out_leaves_it_to_the_reviewer(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reject(READING, "misread"))
    await answer(world, "I do not know it.", READING)
    again = await write(world, said.id, site_name="Riverside")
    assert (again.state, values(again)) == (PENDING, {SITE: "Riverside"})


@pytest.mark.parametrize("by_model", [True, False])
async def test_a_value_that_is_told_anew_comes_again(world: ReviewWorld, by_model: bool) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reject(READING, "misread"))
    if by_model:
        world.clock.advance(1)
        await world.say("I looked again: the meter reads 4821.")
        again = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    else:
        await answer(world, "The meter reads 4821.", READING)
        again = await write(world, said.id, site_name="Riverside")
    assert values(again) == {SITE: "Riverside", READING: "4821"}


async def test_what_nobody_objected_to_stays(world: ReviewWorld) -> None:
    """One wrong field takes no right answers away, also if the model overlooks them."""
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821", meter_unit="kWh")
    await send_back(world, row, reason="wrong_unit")
    again = await write(world, said.id, site_name="Riverside", meter_unit="m3")
    assert values(again) == {SITE: "Riverside", READING: "4821", UNIT: "m3"}


async def test_an_answer_that_alone_would_make_the_rejected_record_again_is_left_out(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reason="wrong_number")
    again = await write(world, said.id, site_name="Riverside")
    assert (again.state, values(again)) == (PENDING, {SITE: "Riverside"})


async def test_what_a_reviewer_rejected_is_asked_again(world: ReviewWorld) -> None:
    """Not what was accepted, and not what was corrected: its value is known."""
    await answer(world, "I am at the Riverside site", SITE)
    said = await answer(world, "4821", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821", meter_unit="kWh")
    await send_back(world, row, reject(READING, "misread"), correct(SITE, "Pendlewick"))

    def read(cursor: Cursor) -> dict[str, FieldState]:
        progress = GUIDE.progress(cursor, sessions.get(cursor, world.session_id))
        return {one.field.name: one.state for one in progress.fields}

    states = await world.read(read)
    assert (states[SITE], states[READING]) == (FieldState.ANSWERED, FieldState.MISSING)
    [row_of_answer] = [
        each
        for each in await world.read(lambda cursor: answers.list_of_session(cursor, world.session_id))
        if each.status == "reopened"
    ]
    assert (row_of_answer.field, row_of_answer.way) == (READING, "review")
    told = await world.read(lambda cursor: events_of_session(cursor, world.session_id))
    [event] = [each for each in told if each.name == "field_reopened"]
    assert {key: value.value for key, value in event.properties.items()} == {
        "field": READING,
        "step": row_of_answer.step,
        "way": "review",
    }


async def test_what_the_reason_names_is_asked_again_and_nothing_new_came_in(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821.", READING)
    row = await write(world, said.id, meter_reading="4821")
    await send_back(world, row, reason="wrong_meter_reading")
    progress = await world.read(lambda cursor: GUIDE.progress(cursor, sessions.get(cursor, world.session_id)))
    one = progress.find(READING)
    assert one is not None
    assert one.state is FieldState.MISSING
    await answer(world, "The meter reads 4827.", READING)
    assert values(await write(world)) == {READING: "4827"}


async def test_without_anything_new_no_record_comes_after_a_rejected_field(world: ReviewWorld) -> None:
    said = await answer(world, "The meter reads 4821 at Riverside.", READING)
    row = await write(world, said.id, site_name="Riverside", meter_reading="4821")
    await send_back(world, row, reject(READING, "misread"))
    for _ in range(2):
        world.assistant.script_record(OnboardingRecord("A visit.", (RecordField(SITE, "Riverside", said.id),)))
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
