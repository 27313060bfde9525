"""A field that left a record because it did not apply is not refused: it comes again once it applies again."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.text import RedactedText
from server.access.caller import acting_as
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.flows.progress import FieldState
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.ledger.types import RecommendationRow, TurnRow
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord, RecordField
from server.records.guide import Guide
from server.records.reviews_values import FieldChoice
from server.setting_groups import ApprovalSettings
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.reviews.conftest import ANN, ReviewWorld, correct, reject

FLOW = """
name: site_visit
version: 1
title: Return
steps:
  - name: damage
    fields:
      - {name: damaged, kind: yes_no, ask: "Is there new damage?"}
      - {name: where, kind: text, ask: "Where?", when: {field: damaged, is: true}}
      - {name: repaired, kind: text, ask: "Repaired?", when: {field: where, given: true}, required: false}
      - {name: note, kind: text, ask: "A note?", required: false}
"""


@pytest.fixture
async def rental(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    flows = Flows([parse_flow(FLOW, "rental.yaml")], "site_visit")
    built = ReviewWorld(tmp_path, approval=ApprovalSettings(own_sessions="nobody"), flows=flows)
    yield built
    await built.runner.stop(0)
    built.ledger.close()


async def answer(world: ReviewWorld, text: str) -> TurnRow:
    """Answer the question that is open."""
    world.clock.advance(1)
    guide, said = Guide(world.flows), await world.say(text)

    def hear(cursor: Cursor) -> None:
        session = sessions.get(cursor, world.session_id)
        current = guide.progress(cursor, session).current
        guide.heard(cursor, session, said, known=current.field.name if current is not None else "")

    await world.ledger.write(hear)
    return said


async def told(world: ReviewWorld) -> TurnRow:
    """Tell of the damage; returns the turn with its place."""
    await answer(world, "Yes.")
    return await answer(world, "A dent in the rear bumper.")


async def write(world: ReviewWorld, source_id: str = "", **fields: str) -> RecommendationRow:
    """Propose what a model writes."""
    world.clock.advance(1)
    written = tuple(RecordField(name, value, source_id) for name, value in fields.items())
    world.assistant.script_record(OnboardingRecord("The car is back.", written))
    return await propose(world)


async def decide(world: ReviewWorld, row: RecommendationRow, *choices: FieldChoice) -> RecommendationRow:
    world.clock.advance(1)
    return await world.decide(ANN, row, *choices)


async def send_back(world: ReviewWorld, row: RecommendationRow) -> None:
    world.clock.advance(1)
    with acting_as(ANN):
        await world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="wrong", revise=True)


async def states(world: ReviewWorld) -> dict[str, FieldState]:
    def read(cursor: Cursor) -> dict[str, FieldState]:
        progress = Guide(world.flows).progress(cursor, sessions.get(cursor, world.session_id))
        return {one.field.name: one.state for one in progress.fields}

    return await world.read(read)


def values(row: RecommendationRow) -> dict[str, str]:
    return {field.name: field.value for field in stored_record(row.record.value).fields}


DENT = "A dent in the rear bumper."


@pytest.mark.parametrize("by_model", [True, False])
async def test_a_condition_that_is_corrected_back_brings_the_field_back(rental: ReviewWorld, by_model: bool) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    gone = await decide(rental, row, correct("damaged", "no"))
    assert values(gone) == {"damaged": "no"}
    back = await decide(rental, gone, correct("damaged", "yes"))
    await send_back(rental, back)
    written = {"where": DENT} if by_model else {}
    assert values(await write(rental, said.id, **written, note="clean")) == {
        "damaged": "yes",
        "where": DENT,
        "note": "clean",
    }


async def test_a_model_that_writes_the_wrong_condition_again_takes_nothing_away(rental: ReviewWorld) -> None:
    said = await rental.say(f"There is damage. {DENT}")
    row = await write(rental, said.id, damaged="yes", where=DENT, repaired="not yet")
    gone = await decide(rental, row, correct("damaged", "no"))
    await send_back(rental, await decide(rental, gone, correct("damaged", "yes")))
    again = await write(rental, said.id, damaged="no", where=DENT, repaired="not yet", note="clean")
    assert values(again) == {"damaged": "yes", "where": DENT, "repaired": "not yet", "note": "clean"}


async def test_a_person_who_says_the_condition_anew_brings_the_field_back(rental: ReviewWorld) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    await send_back(rental, await decide(rental, row, correct("damaged", "no")))
    rental.clock.advance(1)
    anew = await rental.say("Look again: there is new damage.")
    assert values(await write(rental, anew.id, damaged="yes")) == {"damaged": "yes", "where": DENT}


async def test_an_app_that_gives_the_condition_anew_brings_the_field_back(rental: ReviewWorld) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    await send_back(rental, await decide(rental, row, correct("damaged", "no")))
    rental.clock.advance(1)
    guide, now, yes = Guide(rental.flows), rental.clock(), RedactedText.literal("yes")
    await rental.ledger.write(
        lambda cursor: guide.answer(cursor, sessions.get(cursor, rental.session_id), "damaged", yes, now)
    )
    assert values(await write(rental, note="clean")) == {"damaged": "yes", "where": DENT, "note": "clean"}


async def test_a_removed_field_stays_away_while_it_does_not_apply(rental: ReviewWorld) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT, repaired="not yet", note="clean")
    await send_back(rental, await decide(rental, row, correct("damaged", "no")))
    for written in ({"damaged": "yes", "where": DENT, "repaired": "not yet"}, {"where": DENT}, {}):
        again = await write(rental, said.id, **written, note="dirty")
        assert values(again) == {"damaged": "no", "note": "dirty"}


async def test_a_removed_field_that_is_told_anew_is_shown_to_the_reviewer(rental: ReviewWorld) -> None:
    """Then the condition may be what is wrong."""
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    await send_back(rental, await decide(rental, row, correct("damaged", "no")))
    rental.clock.advance(1)
    anew = await rental.say(f"I looked again. {DENT}")
    again = await write(rental, anew.id, where=DENT)
    assert values(again) == {"damaged": "no", "where": DENT}


async def test_a_value_that_was_corrected_before_comes_back_as_it_was_corrected(rental: ReviewWorld) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    right = await decide(rental, row, correct("where", "The front bumper."))
    gone = await decide(rental, right, correct("damaged", "no"))
    await send_back(rental, await decide(rental, gone, correct("damaged", "yes")))
    for written in ({}, {"where": DENT}):
        again = await write(rental, said.id, **written, note="clean")
        assert values(again) == {"damaged": "yes", "where": "The front bumper.", "note": "clean"}


async def test_a_corrected_value_stays_away_while_it_does_not_apply(rental: ReviewWorld) -> None:
    said = await told(rental)
    row = await write(rental, said.id, damaged="yes", where=DENT)
    right = await decide(rental, row, correct("where", "The front bumper."))
    await send_back(rental, await decide(rental, right, correct("damaged", "no")))
    assert values(await write(rental, said.id, note="clean")) == {"damaged": "no", "note": "clean"}


@pytest.mark.parametrize("applies", [True, False])
async def test_a_rejected_field_is_asked_again_only_if_it_applies(rental: ReviewWorld, applies: bool) -> None:
    said = await told(rental)
    row = await decide(
        rental, await write(rental, said.id, damaged="yes", where=DENT), reject("where", "not_supported")
    )
    row = await decide(rental, row, correct("damaged", "no"))
    if applies:
        row = await decide(rental, row, correct("damaged", "yes"))
    await send_back(rental, row)
    assert (await states(rental))["where"] is (FieldState.MISSING if applies else FieldState.ANSWERED)
    assert "where" not in values(await write(rental, said.id, damaged="yes", where=DENT, note="clean"))


@pytest.mark.parametrize("field", ["where", "repaired"])
async def test_a_reviewer_sees_a_field_that_applies_again_as_missing(rental: ReviewWorld, field: str) -> None:
    """One that is required and one that is not; either can be filled in."""
    row = await write(rental, (await told(rental)).id, damaged="yes", where=DENT, repaired="not yet")
    gone = await decide(rental, row, correct("damaged", "no"))
    assert (await rental.field(gone, field)).decision is not None
    back = await decide(rental, gone, correct("damaged", "yes"))
    if field == "repaired":
        back = await decide(rental, back, correct("where", "The side."))
    seen = await rental.field(back, field)
    assert (seen.decision, seen.missing, seen.value, seen.proposed) == (None, True, "", values(row)[field])
