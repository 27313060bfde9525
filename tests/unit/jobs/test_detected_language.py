"""A session without a language of its own is read and written in the one that its stream has or detected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.ledger import sessions, stored_texts, streams, turns, uploads
from server.ledger.columns import Cursor
from server.ledger.types import SessionRow, SessionState, UploadState
from server.llm.record_schema import stored_record
from server.llm.types import Confidence, OnboardingRecord, RecordField
from server.records.flow_answers import FlowAnswers
from server.records.guide import Guide
from tests.fakes.gateway import redacted
from tests.unit.jobs.conftest import World
from tests.unit.jobs.form_helpers import ReadingGateway
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.ledger.makers import new_id, session, stream, turn, upload

ENGLISH = """
name: trip
version: 1
title: Trip
steps:
  - name: ride
    ways: [speech, picture]
    pictures: [meter]
    fields:
      - {name: mileage, ask: "What is the mileage?", kind: number, unit: km, maximum: 999999}
      - {name: day, ask: "On which day?", kind: date, required: false}
      - {name: crates, ask: "How many crates?", kind: number, unit: crates, unit_words: [Kisten], required: false}
"""
BOTH = ENGLISH.replace("version: 1", "version: 1\nlanguages: [en, de]")
SAID = "Es war am 12. März 2026 mit achtundvierzig Kisten."


async def begin(world: World, flow: str, language: str, said: str) -> SessionRow:
    """A session of the flow whose stream has a language, and what was said in it."""
    world.flows = Flows([parse_flow(flow, "trip.yaml")], "trip")
    world.boot()
    row = replace(session(), language="", flow="trip", flow_version=1)
    spoken = replace(turn(row.id), text=redacted(said), language=language)

    def write(cursor: Cursor) -> SessionRow:
        sessions.insert_or_get(cursor, row)
        streams.insert_stream(cursor, replace(stream(row.id), id=new_id(), language=language))
        turns.insert_turn(cursor, spoken)
        return sessions.transition(cursor, row.id, SessionState.IN_PROGRESS, world.clock())

    world.session_id = row.id
    return await world.ledger.write(write)


@pytest.mark.parametrize("flow", [ENGLISH, BOTH])
async def test_a_record_is_written_and_judged_in_it(world: World, flow: str) -> None:
    await begin(world, flow, "de", SAID)
    [said] = await world.read(lambda cursor: turns.list_of_session(cursor, world.session_id))
    fields = (RecordField("day", "2026-03-12", said.id), RecordField("crates", "48", said.id))
    world.assistant.script_record(OnboardingRecord("Eine Fahrt.", fields))
    record = stored_record((await propose(world)).record.value)
    assert [asked.language for asked in world.assistant.asked_records] == ["de"]
    stored = await world.read(lambda cursor: stored_texts.of_session(cursor, world.session_id))
    assert stored.session.language == "de", "what is redacted again is read in the same language"
    told = {field.name: (field.confidence, field.findings) for field in record.fields}
    assert told == {"day": (Confidence.SURE, ()), "crates": (Confidence.SURE, ())}


@pytest.mark.parametrize(("language", "mileage"), [("de", "48215"), ("en", "")])  # in English it may be 48 or 48,000
async def test_a_picture_is_read_in_it(world: World, language: str, mileage: str) -> None:
    row = await begin(world, ENGLISH, language, "")
    guide = Guide(world.flows)
    shown = replace(
        upload(row.id), state=UploadState.DONE, kind="meter", media_type="image/jpeg", text=redacted("48.215 km")
    )

    def write(cursor: Cursor) -> str:
        uploads.insert_upload(cursor, shown)
        found = guide.find(guide.read(cursor, row, shown, world.clock()).progress, "mileage")
        return found.value.value if found.value else ""

    assert await world.ledger.write(write) == mileage


@pytest.mark.parametrize("flow", [ENGLISH, BOTH])
async def test_a_value_of_the_app_is_redacted_in_it(world: World, flow: str) -> None:
    await begin(world, flow.replace("kind: date", "kind: text"), "de", "")
    forms = FlowAnswers(world.ledger, ReadingGateway(), world.pubsub, Guide(world.flows), world.clock)
    typed = "am null sechs sechs vier eins zwei drei vier fünf sechs sieben"
    guidance = await forms.answer(world.session_id, "day", typed)
    value = guidance.progress.find("day")
    assert value is not None
    assert value.value is not None
    assert value.value.value == "am [REDACTED_PHONE]"
