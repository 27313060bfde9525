"""Photographs of a record: a reviewer sees those that were counted, and one that was sent back does not count again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from vestibule.v1 import review_pb2 as pb

from server.access.caller import acting_as
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.flows.progress import FieldProgress
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.types import RecommendationRow, UploadRow
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord
from server.records.guide import Guide
from server.records.machine_words import MachineWords
from server.services.review import ReviewService
from server.setting_groups import ApprovalSettings
from tests.unit.jobs.conftest import JPEG
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ANN, ReviewWorld, reject

FLOW = """
name: site_visit
version: 1
title: Return
steps:
  - name: views
    pictures: [site]
    fields:
      - {name: front, kind: photo, pictures: [site], ask: "The front?"}
      - {name: sides, kind: photo, pictures: [site], least: 2, ask: "Both sides?"}
  - name: more
    fields:
      - {name: note, kind: text, ask: "A note?", required: false}
"""


@pytest.fixture
async def car(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    flows = Flows([parse_flow(FLOW, "car.yaml")], "site_visit")
    built = ReviewWorld(tmp_path, approval=ApprovalSettings(own_sessions="nobody"), flows=flows)
    await built.start()
    await built.say("Here is the car.")
    yield built
    await built.runner.stop(0)
    built.ledger.close()


async def photograph(world: ReviewWorld, number: int) -> str:
    """Send a picture that is read at once; the same number is the same picture. Returns the id of its upload."""
    world.clock.advance(1)
    upload = await send(world, number)
    await world.settle()
    return upload.id


async def send(world: ReviewWorld, number: int) -> UploadRow:
    return await world.upload(JPEG + bytes([number]), kind="site")


async def written(world: ReviewWorld, note: str = "") -> RecommendationRow:
    world.clock.advance(1)
    world.assistant.script_record(OnboardingRecord(f"The car is back. {note}", ()))
    return await propose(world)


async def send_back(world: ReviewWorld, row: RecommendationRow, *fields: str) -> None:
    world.clock.advance(1)
    made = await world.decide(ANN, row, *(reject(field, "blurred") for field in fields))
    world.clock.advance(1)
    with acting_as(ANN):
        await world.recommender.decide(made.id, made.content_hash, "", approve=False, reason="wrong", revise=True)


async def progress(world: ReviewWorld) -> dict[str, FieldProgress]:
    def read(cursor: Cursor) -> dict[str, FieldProgress]:
        found = Guide(world.flows).progress(cursor, sessions.get(cursor, world.session_id))
        return {one.field.name: one for one in found.fields}

    return await world.read(read)


async def counted(world: ReviewWorld) -> dict[str, tuple[str, ...]]:
    return {name: one.photographs for name, one in (await progress(world)).items() if one.photographs}


def values(row: RecommendationRow) -> dict[str, str]:
    return {field.name: field.value for field in stored_record(row.record.value).fields}


async def shown(world: ReviewWorld, row: RecommendationRow) -> dict[str, list[str]]:
    service = ReviewService(world.reviews, world.fields, MachineWords(world.gateway))
    with acting_as(ANN):
        reply = await service.GetReview(pb.GetReviewRequest(recommendation_id=row.id), None)
    return {one.name: list(one.photograph_ids) for one in reply.review.fields if one.photograph_ids}


async def test_a_reviewer_sees_the_photographs_that_were_counted_for_each_field(car: ReviewWorld) -> None:
    sent = [await photograph(car, number) for number in (1, 2, 3)]
    row = await written(car)
    assert await shown(car, row) == {"front": sent[:1], "sides": sent[1:]}
    assert {field.name: field.photographs for field in (await car.view(ANN, row.id)).fields} == {
        "front": (sent[0],),
        "sides": tuple(sent[1:]),
    }


async def test_an_old_record_shows_the_photographs_that_it_had(car: ReviewWorld) -> None:
    sent = [await photograph(car, number) for number in (1, 2, 3)]
    row = await written(car)
    await send_back(car, row, "front")
    new = await photograph(car, 4)
    assert await shown(car, await written(car)) == {"front": [new], "sides": sent[1:]}
    assert await shown(car, row) == {"front": sent[:1], "sides": sent[1:]}


async def test_a_field_that_a_reviewer_rejected_shows_none(car: ReviewWorld) -> None:
    sent = [await photograph(car, number) for number in (1, 2, 3)]
    row = await written(car)
    made = await car.decide(ANN, row, reject("sides", "blurred"))
    assert await shown(car, made) == {"front": sent[:1]}


async def test_a_rejected_photograph_does_not_count_again(car: ReviewWorld) -> None:
    """Also where the field lacked some: one of two sides came, and it was rejected."""
    front, side = await photograph(car, 1), await photograph(car, 2)
    row = await written(car)
    assert values(row) == {"front": "1", "sides": "1"}
    await send_back(car, row, "sides")
    assert await counted(car) == {"front": (front,)}
    new = await photograph(car, 3)
    assert await counted(car) == {"front": (front,), "sides": (new,)}
    assert (await progress(car))["sides"].open
    last = await photograph(car, 4)
    assert values(await written(car)) == {"front": "1", "sides": "2"}
    assert await counted(car) == {"front": (front,), "sides": (new, last)}
    assert side not in (new, last)


async def test_the_same_file_is_no_new_photograph_for_the_field(car: ReviewWorld) -> None:
    for number in (1, 2, 3):
        await photograph(car, number)
    await send_back(car, await written(car), "front")
    await photograph(car, 1)
    assert "front" not in await counted(car)
    new = await photograph(car, 4)
    assert (await counted(car))["front"] == (new,)


async def test_a_photograph_that_came_before_and_is_read_later_does_not_count_for_the_field(car: ReviewWorld) -> None:
    sent = [await photograph(car, number) for number in (1, 2, 3)]
    row = await written(car)
    car.clock.advance(1)
    free = car.gateway.hold("read_picture")
    late = await send(car, 4)
    await car.until_called("read_picture", 4)
    row = await written(car, "Late.")
    await send_back(car, row, "front")
    car.clock.advance(1)
    free.set()
    await car.settle()
    assert await counted(car) == {"sides": (sent[1], sent[2], late.id)}
    new = await photograph(car, 5)
    assert (await counted(car))["front"] == (new,)


async def test_an_app_that_opens_a_field_again_gets_new_photographs_only(car: ReviewWorld) -> None:
    front, side = await photograph(car, 1), await photograph(car, 2)
    car.clock.advance(1)
    now = car.clock()

    def reopen(cursor: Cursor) -> bool:
        return Guide(car.flows).reopen(cursor, sessions.get(cursor, car.session_id), "sides", now).made

    assert await car.ledger.write(reopen)
    assert not await car.ledger.write(reopen), "it has nothing any more"
    new = await photograph(car, 3)
    assert await counted(car) == {"front": (front,), "sides": (new,)}
    assert side != new
