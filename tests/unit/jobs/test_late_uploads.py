"""An upload that is read after a record was proposed makes that record stale, whoever works on it."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest

from models.errors import NoSpeech, WorkerLost
from server.access.caller import Caller, Scope, acting_as
from server.ledger import dead_letters, recommendations, reviews
from server.ledger.reviews import Claim, Claimant
from server.ledger.types import JobState, Origin, SessionRow, SessionState, UploadState
from server.llm.record_schema import stored_record
from server.llm.types import FindingKind, OnboardingRecord, RecordField, WrittenRecord
from server.records.approval import ApprovalRules
from server.records.recommender import BUILDS
from server.records.reviews import Reviews
from tests.fakes.gateway import page
from tests.unit.jobs.conftest import WAV, World
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, REJECTED, SUPERSEDED, news_of, propose, reason_of


async def propose_reading(world: World, source_id: str) -> tuple[str, str]:
    """The model writes the reading that was said; returns the id and the hash of the record."""
    written = OnboardingRecord("A visit.", (RecordField("meter_reading", "4831", source_id),))
    world.assistant.script_record(written)
    row = await propose(world)
    assert row.state is PENDING
    return row.id, row.content_hash


@pytest.mark.parametrize("claimed", [False, True])
async def test_a_meter_that_is_read_late_supersedes_the_record(world: World, claimed: bool) -> None:
    await world.start()
    world.gateway.printed = ("WATER METER", "04821 m3")
    free = world.gateway.hold("read_picture")
    said = await world.say("The meter reads 4831.")
    world.clock.advance(1)
    upload = await world.upload(kind="meter")
    await world.until_called("read_picture")
    record_id, shown = await propose_reading(world, said.id)
    if claimed:
        claim = Claim(Claimant("key:ann"), world.clock(), world.clock() + timedelta(minutes=5))
        await world.ledger.write(lambda cursor: reviews.put_claim(cursor, world.session_id, claim))
    world.assistant.script_record(OnboardingRecord("A visit.", (RecordField("meter_reading", "4831", said.id),)))
    world.assistant.hold()
    with world.pubsub.subscribe(world.session_id) as news:
        free.set()
        await until_asked_again(world)
        stages = [each.state for each in news_of(news) if isinstance(each, SessionRow)]
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED]
    assert (await world.session()).state is SessionState.IN_PROGRESS
    assert stages == [SessionState.IN_PROGRESS], "whoever watches the session learns it"
    assert await reason_of(world.recommender.decide(record_id, shown, "", approve=True)) == "WRONG_STATE"
    world.assistant.release()
    await world.settle()
    [_, again] = await world.recommendations()
    assert again.state is PENDING
    [reading, *_] = [f for f in stored_record(again.record.value).fields if f.name == "meter_reading"]
    assert [(found.kind, found.value) for found in reading.findings] == [(FindingKind.CONTRADICTED, "04821")]


async def until_asked_again(world: World) -> None:
    """Let the jobs that are due begin, until one of them has asked for a record."""
    asked = len(world.assistant.asked_records)
    async with asyncio.timeout(20):
        while len(world.assistant.asked_records) == asked:
            await world.runner.claim()


async def read_late(world: World) -> None:
    """A meter is read after a record was proposed; the next record is asked for, and held."""
    await world.start()
    free = world.gateway.hold("read_picture")
    said = await world.say("The meter reads 4831.")
    await world.upload(kind="meter")
    await world.until_called("read_picture")
    await propose_reading(world, said.id)
    world.clock.advance(1)
    world.assistant.hold()
    free.set()
    await until_asked_again(world)


async def test_without_an_upstream_the_fallback_proposes_again(world: World) -> None:
    world.assistant.is_configured = False
    await world.start()
    free = world.gateway.hold("read_picture")
    await world.say("The meter reads 4831.")
    await world.upload(kind="meter")
    await world.until_called("read_picture")
    assert (await propose(world)).state is PENDING
    free.set()
    await world.settle()
    assert [(row.state, row.origin) for row in await world.recommendations()] == [
        (SUPERSEDED, Origin.FALLBACK),
        (PENDING, Origin.FALLBACK),
    ]


async def test_what_the_person_says_meanwhile_is_in_the_record_that_is_proposed_again(world: World) -> None:
    """The app that proposed before may have gone."""
    await read_late(world)
    world.clock.advance(1)
    said = await world.say("One more thing.")
    world.assistant.release()
    await world.settle()
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED, PENDING]
    assert said.id in {item.id for item in world.assistant.asked_records[-1].materials}
    assert {job.state for job in await world.jobs()} == {JobState.DONE}


async def test_a_comment_does_not_keep_a_record_from_being_proposed_again(world: World) -> None:
    await read_late(world)
    world.clock.advance(1)
    people = Reviews(
        world.ledger, world.gateway, world.clock, world.audit, ApprovalRules(world.approval), world.flows, 600.0
    )
    [superseded] = await world.recommendations()
    with acting_as(Caller("key:ann", "app", frozenset({Scope.REVIEWER}))):
        await people.comment(superseded.id, str(uuid4()), "", "Where is the meter?", "")
    world.assistant.release()
    await world.settle()
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED, PENDING]


async def test_a_person_who_talks_on_makes_the_job_wait_longer_each_time(world: World) -> None:
    """That is no failure, so there is no dead letter, however long they talk."""
    await world.start()
    free = world.gateway.hold("read_picture")
    said = await world.say("The meter reads 4831.")
    await world.upload(kind="meter")
    await world.until_called("read_picture")
    await propose_reading(world, said.id)
    world.clock.advance(1)
    write, left = world.assistant.propose, [BUILDS * 8]

    async def while_somebody_talks(*args: Any, **options: Any) -> WrittenRecord:
        if left[0]:
            left[0] -= 1
            await world.say("And another thing.")
        return await write(*args, **options)

    world.assistant.propose = while_somebody_talks  # type: ignore[method-assign]
    free.set()
    waits: list[float] = []
    for _ in range(8):
        await world.settle()
        waits.append(world.attempts[-1].retry_in_s or 0.0)
        world.clock.advance(waits[-1])
    assert waits == [5.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0]
    assert PENDING not in [row.state for row in await world.recommendations()]
    await world.settle()
    assert [row.state for row in await world.recommendations()][-1] is PENDING
    assert not (await world.read(dead_letters.list_letters))[0]


@pytest.mark.parametrize("sent_back", [False, True])
async def test_a_record_that_was_proposed_since_is_enough(world: World, sent_back: bool) -> None:
    """Also where it does not wait any more: the person went on, or a reviewer sent it back."""
    await read_late(world)
    of_job, world.assistant._free = world.assistant._free, asyncio.Event()
    world.assistant.release()
    world.clock.advance(1)
    own = await propose(world)
    world.clock.advance(1)
    if sent_back:
        await world.recommender.decide(own.id, own.content_hash, "", approve=False, reason="wrong", revise=True)
    else:
        await world.say("One more thing.")
    asked = len(world.assistant.asked_records)
    of_job.set()
    await world.settle()
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED, REJECTED if sent_back else SUPERSEDED]
    assert len(world.assistant.asked_records) == asked
    assert {job.state for job in await world.jobs()} == {JobState.DONE}


async def test_a_record_that_was_written_without_the_upload_is_not_enough(world: World) -> None:
    """An app had begun to ask for one before the upload was read, and was told that it is outdated."""
    await read_late(world)
    outdated = replace((await world.recommendations())[0], id=str(uuid4()), create_time=world.clock())
    world.clock.advance(1)
    await world.ledger.write(lambda cursor: recommendations.insert_recommendation(cursor, outdated))
    world.assistant.release()
    await world.settle()
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED, SUPERSEDED, PENDING]


async def test_an_app_that_asks_again_by_itself_keeps_its_record(world: World) -> None:
    await read_late(world)
    of_job, world.assistant._free = world.assistant._free, asyncio.Event()
    world.assistant.release()
    own = await propose(world)
    of_job.set()
    await world.settle()
    assert [row.id for row in await world.recommendations() if row.state is PENDING] == [own.id]


async def test_a_redriven_upload_supersedes_the_record(world: World) -> None:
    await world.start()
    said = await world.say("The meter reads 4831.")
    for _ in range(9):
        world.gateway.will("read_picture", WorkerLost("It died."))
    upload = await world.upload(kind="meter")
    while (await world.uploaded(upload.id)).state is not UploadState.FAILED:
        await world.settle()
        world.clock.advance(3600)
    await propose_reading(world, said.id)
    world.gateway._scripts.clear()
    (letter,), _ = await world.read(dead_letters.list_letters)
    await world.runner.redrive(letter.id)
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED, PENDING]


@pytest.mark.parametrize("outcome", [page(), NoSpeech("Nobody speaks.")])
async def test_an_upload_that_holds_nothing_leaves_the_record(world: World, outcome: object) -> None:
    """A picture without a kind and without text, and a recording in which nobody speaks."""
    await world.start()
    method = "read_recording" if isinstance(outcome, NoSpeech) else "read_picture"
    world.gateway.will(method, outcome)  # type: ignore[arg-type]
    free = world.gateway.hold(method)
    said = await world.say("The meter reads 4831.")
    await (world.upload(WAV) if isinstance(outcome, NoSpeech) else world.upload())
    await world.until_called(method)
    record_id, shown = await propose_reading(world, said.id)
    free.set()
    await world.settle()
    assert {job.state for job in await world.jobs()} == {JobState.DONE}
    assert (await world.recommender.decide(record_id, shown, "", approve=True)).state is APPROVED


async def test_an_upload_that_is_read_after_the_decision_changes_nothing(world: World) -> None:
    await world.start()
    free = world.gateway.hold("read_picture")
    said = await world.say("The meter reads 4831.")
    upload = await world.upload(kind="meter")
    await world.until_called("read_picture")
    record_id, shown = await propose_reading(world, said.id)
    await world.recommender.decide(record_id, shown, "", approve=True)
    free.set()
    await world.settle()
    assert (await world.uploaded(upload.id)).state is UploadState.DONE
    assert [row.state for row in await world.recommendations()] == [APPROVED]
    assert (await world.session()).state is SessionState.COMPLETED
