"""The sealed value of a field that did not apply stays, but only a record that has the field again releases it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.sealed_values import SealedValue
from server.access.caller import acting_as
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.ledger import audit, sessions
from server.ledger.columns import Cursor
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.types import RecommendationRow
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord
from server.records.guide import Guide
from server.records.reviews_values import FieldChoice
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.sealed.release_helpers import PHONE, REVIEWER, Desk, approve, ciphertexts, decide_fields

FLOW = """
name: site_visit
version: 1
title: Booking
steps:
  - name: guest
    fields:
      - {name: brings_guest, kind: yes_no, ask: "Do you bring a guest?"}
      - {name: contact_phone, ask: "Their number?", kind: personal, entities: [PHONE], KEEP,
         when: {field: brings_guest, is: true}, required: false}
      - {name: note, kind: text, ask: "A note?", required: false}
"""
SEALED = "keep: sealed, seal_to: crm"


def guest(answer: str) -> FieldChoice:
    return FieldChoice("brings_guest", FieldDecision.CORRECTED, answer, "misheard")


@pytest.fixture
async def desk(tmp_path: Path, request: pytest.FixtureRequest) -> AsyncIterator[Desk]:
    """A session in which a person brings a guest and gives the guest's number."""
    flow = parse_flow(FLOW.replace("KEEP", getattr(request, "param", SEALED)), "booking.yaml")
    desk = Desk(World(tmp_path, flows=Flows([flow], "site_visit")))
    await say(desk, "Yes.")
    await say(desk, "Call [REDACTED_PHONE].", PHONE)
    yield desk
    desk.world.ledger.close()


async def say(desk: Desk, text: str, *values: SealedValue) -> None:
    world = desk.world
    world.clock.advance(1)
    guide, turn = Guide(world.flows), await world.say(text)

    def write(cursor: Cursor) -> None:
        session = sessions.get(cursor, world.session_id)
        current = guide.progress(cursor, session).current
        guide.heard(cursor, session, turn, known=current.field.name if current else "", sealed=values)

    await world.ledger.write(write)


async def proposed(desk: Desk) -> RecommendationRow:
    desk.world.clock.advance(1)
    desk.world.assistant.script_record(OnboardingRecord("A booking.", ()))
    return await propose(desk.world)


def values(row: RecommendationRow) -> dict[str, str]:
    return {field.name: field.value for field in stored_record(row.record.value).fields}


async def decided(desk: Desk, row: RecommendationRow, choice: FieldChoice) -> RecommendationRow:
    desk.world.clock.advance(1)
    return await decide_fields(desk, row, choice)


async def test_a_condition_that_is_corrected_back_brings_the_sealed_value_back(desk: Desk) -> None:
    row = await proposed(desk)
    assert values(row) == {"brings_guest": "yes", "contact_phone": "sealed"}
    gone = await decided(desk, row, guest("no"))
    assert values(gone) == {"brings_guest": "no"}
    back = await decided(desk, gone, guest("yes"))
    with acting_as(REVIEWER):
        await desk.world.recommender.decide(back.id, back.content_hash, "", approve=False, reason="wrong", revise=True)
    again = await proposed(desk)
    assert values(again) == values(row)
    await approve(desk, again)
    assert ciphertexts(await desk.release("contact_phone")) == [PHONE.ciphertext]


@pytest.mark.parametrize("desk", [SEALED, "keep: given"], indirect=True)
async def test_a_record_without_the_field_releases_nothing(desk: Desk) -> None:
    """Also where the settings seal a value that the flow only notes."""
    gone = await decided(desk, await proposed(desk), guest("no"))
    assert "contact_phone" not in values(gone)
    await approve(desk, gone)
    assert await desk.refused("contact_phone") == "SEALED_VALUE_NOT_FOUND"
    entries = await desk.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    assert not [entry for entry in entries if entry.action == "sealed_superseded"]
