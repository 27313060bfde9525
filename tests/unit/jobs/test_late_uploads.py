"""An upload that is read after a record was proposed makes that record stale, whoever works on it."""

from __future__ import annotations

import asyncio
from datetime import timedelta

import pytest

from models.errors import NoSpeech, WorkerLost
from server.ledger import dead_letters, reviews
from server.ledger.reviews import Claim, Claimant
from server.ledger.types import JobState, Origin, SessionRow, SessionState, UploadState
from server.llm.record_schema import stored_record
from server.llm.types import FindingKind, OnboardingRecord, RecordField
from tests.fakes.gateway import page
from tests.unit.jobs.conftest import WAV, World
from tests.unit.jobs.recommendation_helpers import APPROVED, PENDING, SUPERSEDED, news_of, propose, reason_of


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


async def test_nothing_is_proposed_again_while_the_person_goes_on(world: World) -> None:
    await read_late(world)
    world.clock.advance(1)
    await world.say("One more thing.")
    world.assistant.release()
    await world.settle()
    assert [row.state for row in await world.recommendations()] == [SUPERSEDED]
    assert len(world.assistant.asked_records) == 2
    assert {job.state for job in await world.jobs()} == {JobState.DONE}


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
