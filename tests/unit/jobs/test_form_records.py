"""A session that an app answers in forms alone has a record, with the answers as its sources."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.text import RedactedText
from server.access.caller import Caller, Scope, acting_as
from server.ledger.reviews import NOBODY
from server.ledger.types import RecommendationRow, SessionState
from server.llm.assistant import OpenAiAssistant
from server.llm.record_schema import stored_record
from server.llm.types import ANSWER, Confidence
from server.records.reviews_view import read_view
from server.services.review_messages import review_message
from tests.unit.jobs.form_helpers import FormWorld
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, SUPERSEDED, propose, reason_of, until_asked

REVIEWER = Caller("key:reviewer", "app", frozenset({Scope.REVIEWER}))


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FormWorld]:
    found = FormWorld(tmp_path)
    yield found
    found.ledger.close()


def known(row: RecommendationRow) -> dict[str, str]:
    """The values of fields of the flow."""
    return {field.name: field.value for field in stored_record(row.record.value).fields if field.name != "field_a"}


async def test_a_form_alone_leads_to_an_approved_record(world: FormWorld) -> None:
    world.recommender._builder._assistant = OpenAiAssistant([])
    assert await reason_of(propose(world)) == "NO_MATERIAL"
    await world.fill(remark="Two crates of lemons", size="large", phone="415-555-0132")
    row = await propose(world)
    record = stored_record(row.record.value)
    assert {field.name: field.value for field in record.fields} == {
        "remark": "Two crates of lemons",
        "size": "large",
        "phone": "sealed",
    }
    assert {field.confidence for field in record.fields} == {Confidence.SURE}
    assert (await world.session()).state is SessionState.AWAITING_APPROVAL
    with acting_as(REVIEWER):
        decided = await world.recommender.decide(row.id, row.content_hash, "", approve=True)
    assert decided.state is APPROVED


async def test_a_model_sees_what_was_answered_and_for_which_field(world: FormWorld) -> None:
    await world.fill(remark="Two crates of lemons", boxes="12", mail="quist@example.com")
    await propose(world)
    [asked] = world.assistant.asked_records
    assert [(item.kind, item.field, item.text.value) for item in asked.materials] == [
        (ANSWER, "remark", "Two crates of lemons"),
        (ANSWER, "boxes", "12"),
        (ANSWER, "mail", "yes"),
    ]


async def test_only_the_answer_that_counts_is_material(world: FormWorld) -> None:
    await world.fill(boxes="12", size="large")
    await world.fill(boxes="14")
    await world.forms.reopen(world.session_id, "size")
    row = await propose(world)
    [asked] = world.assistant.asked_records
    assert [(item.field, item.text.value) for item in asked.materials] == [("boxes", "14")]
    assert known(row) == {"boxes": "14"}


async def test_an_answer_that_arrives_during_a_build_is_in_the_record(world: FormWorld) -> None:
    await world.fill(remark="Two crates of lemons")
    world.assistant.hold()
    proposing = asyncio.create_task(propose(world))
    await until_asked(world, 1)
    await world.fill(boxes="12")
    world.assistant.release()
    row = await proposing
    assert row.state is PENDING
    assert [item.field for item in world.assistant.asked_records[-1].materials] == ["remark", "boxes"]
    assert set(known(row)) == {"remark", "boxes"}


@pytest.mark.parametrize("change", ["skip", "reopen"])
async def test_what_else_an_app_does_during_a_build_outdates_it(world: FormWorld, change: str) -> None:
    await world.fill(remark="Two crates of lemons", boxes="12")
    world.assistant.hold()
    proposing = asyncio.create_task(propose(world))
    await until_asked(world, 1)
    if change == "skip":
        await world.forms.skip(world.session_id, "who")
    else:
        await world.forms.reopen(world.session_id, "boxes")
    world.assistant.release()
    await proposing
    assert len(world.assistant.asked_records) == 2


async def test_an_answer_makes_a_record_that_waits_outdated(world: FormWorld) -> None:
    await world.fill(remark="Two crates of lemons")
    first = await propose(world)
    await world.fill(boxes="12")
    assert (await world.recommender.get(first.id)).state is SUPERSEDED


async def test_an_answer_after_a_rejection_allows_the_same_values_from_another_source(world: FormWorld) -> None:
    world.recommender._builder._assistant = OpenAiAssistant([])
    await world.fill(remark="Two crates of lemons")
    first = await propose(world)
    with acting_as(REVIEWER):
        await world.recommender.decide(first.id, first.content_hash, "", approve=False, reason="other", revise=True)
    assert await reason_of(propose(world)) == "PROPOSAL_UNCHANGED"
    await world.fill(remark="Two crates of pears")
    await world.fill(remark="Two crates of lemons")
    assert (await propose(world)).state is PENDING


async def test_a_reviewer_sees_that_a_value_was_answered_in_a_form(world: FormWorld) -> None:
    await world.fill(remark="Two crates of lemons")
    row = await propose(world)
    session = await world.session()
    view = await world.read(lambda cursor: read_view(cursor, row, session, None, world.clock()))
    [shown] = [field for field in view.fields if field.name == "remark"]
    assert shown.source is not None
    assert shown.source.text == RedactedText.literal("Two crates of lemons")
    message = next(field for field in review_message(view, who=NOBODY).fields if field.name == "remark")
    assert message.source.WhichOneof("source") == "answer_id"
    assert message.source.text.value == "Two crates of lemons"
