"""Sealed values are released once, after the approval, to a caller of the session's client, and leave a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import Conflict, NotFound
from server.access.caller import Scope, acting_as
from server.access.scopes import SCOPES
from server.ledger import audit, sealed_values
from server.ledger.columns import Cursor, fetch_all
from server.ledger.reviews_decisions import FieldDecision
from server.llm.record_schema import canonical_json, stored_record
from server.records.reviews_values import FieldChoice
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.sealed.release_helpers import (
    ACCEPT,
    CORRECT,
    HASHED,
    NAME,
    OTHER,
    PHONE,
    PHONE_2,
    REJECT,
    REVIEWER,
    STRANGER,
    Desk,
    approve,
    ciphertexts,
    decide_fields,
    propose_booking,
)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    world = World(tmp_path)
    yield Desk(world)
    world.ledger.close()


async def test_nothing_is_released_before_the_record_was_approved(desk: Desk) -> None:
    await desk.store(PHONE)
    assert await desk.refused("contact_phone") == "NOT_APPROVED"
    await desk.world.say("The meter reads 4821.")
    row = await propose(desk.world)
    assert await desk.refused("contact_phone") == "NOT_APPROVED"
    with acting_as(REVIEWER):
        await desk.world.recommender.decide(row.id, row.content_hash, "", approve=False, reason="wrong")
    assert await desk.refused("contact_phone") == "NOT_APPROVED"
    assert [row.release_time for row in await desk.stored()] == [None]
    assert desk.counted("refused") == 3


async def test_values_are_released_once_with_a_trace(desk: Desk) -> None:
    await desk.store(PHONE, NAME)
    await desk.store(PHONE_2, source="turn-2")
    await desk.approve()
    released = await desk.release("contact_phone")
    assert ciphertexts(released) == [PHONE.ciphertext, PHONE_2.ciphertext]
    assert {(row.released_to, row.release_time) for row in released} == {("key:crm", desk.world.clock())}
    assert await desk.refused("contact_phone") == "ALREADY_RELEASED"
    assert await desk.refused("contact_phone", "visitor") == "ALREADY_RELEASED"
    assert ciphertexts(await desk.release("visitor")) == [NAME.ciphertext], "the other field was not touched"
    entries = await desk.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    assert [(e.subject, e.object_id, e.reason) for e in entries if e.action == "sealed_released"] == [
        ("key:crm", desk.world.session_id, "contact_phone"),
        ("key:crm", desk.world.session_id, "visitor"),
    ]
    events = await desk.world.read(
        lambda cursor: fetch_all(cursor, "SELECT properties FROM events WHERE name = 'sealed_values_released'")
    )
    assert [event["properties"] for event in events] == ['{"values": 2, "fields": 1}', '{"values": 1, "fields": 1}']
    assert (desk.counted("released"), desk.counted("refused")) == (2, 2)


async def test_a_lost_answer_is_given_again_to_the_same_caller_only(desk: Desk) -> None:
    await desk.store(PHONE, NAME)
    await desk.approve()
    request = str(uuid4())
    first = await desk.release("contact_phone", "visitor", request=request)
    desk.world.clock.advance(60)
    assert await desk.release("visitor", "contact_phone", request=request) == first
    assert await desk.refused("contact_phone", request=request) == "ALREADY_RELEASED", "other fields"
    assert await desk.refused("contact_phone", "visitor", request=request, who=OTHER) == "ALREADY_RELEASED"
    assert await desk.refused("contact_phone", "visitor") == "ALREADY_RELEASED"
    with pytest.raises(Conflict, match="released at 2026-11-24T12:00:00Z"):
        await desk.release("contact_phone")
    entries = await desk.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    assert len([e for e in entries if e.action == "sealed_released"]) == 4, "each answer with ciphertexts"
    assert desk.counted("repeated") == 1


async def test_all_fields_are_released_or_none(desk: Desk) -> None:
    await desk.store(PHONE, HASHED)
    await desk.approve()
    assert await desk.refused("contact_phone", "visitor") == "SEALED_VALUE_NOT_FOUND"
    assert await desk.refused("contact_email") == "SEALED_VALUE_NOT_FOUND", "of it only a hash is kept"
    assert [row.release_time for row in await desk.stored()] == [None, None]


async def test_a_session_of_another_client_is_one_that_nobody_has(desk: Desk) -> None:
    await desk.store(PHONE)
    await desk.approve()
    assert await desk.refused("contact_phone", who=STRANGER) == "SESSION_NOT_FOUND"
    with acting_as(STRANGER), pytest.raises(NotFound):
        await desk.releases.stored(desk.world.session_id)


async def test_the_list_has_the_sealed_values_alone(desk: Desk) -> None:
    await desk.store(PHONE, HASHED, NAME)
    with acting_as(REVIEWER):
        listed = await desk.releases.stored(desk.world.session_id)
    assert [row.value.field for row in listed] == ["contact_phone", "visitor"]


async def test_the_same_value_of_the_same_source_is_stored_once(desk: Desk) -> None:
    assert await desk.store(PHONE, NAME) == 2
    assert await desk.store(PHONE, PHONE_2) == 1
    assert await desk.store(PHONE, source="turn-2") == 1


async def test_a_corrected_value_can_be_dropped(desk: Desk) -> None:
    await desk.store(PHONE, NAME)
    await desk.store(PHONE_2, source="turn-2")
    session_id = desk.world.session_id

    def write(cursor: Cursor) -> int:
        return sealed_values.keep_source(cursor, session_id, "contact_phone", "turn-2")

    assert await desk.world.ledger.write(write) == 1
    assert ciphertexts(await desk.stored()) == [NAME.ciphertext, PHONE_2.ciphertext]
    await desk.approve()
    assert ciphertexts(await desk.release("contact_phone")) == [PHONE_2.ciphertext]


@pytest.mark.parametrize("choice", [REJECT, CORRECT])
async def test_a_value_that_a_reviewer_took_away_is_deleted_and_never_released(
    booking: Desk, choice: FieldChoice
) -> None:
    row = await propose_booking(booking)
    made = await decide_fields(booking, row, choice, FieldChoice("visitor", FieldDecision.ACCEPTED))
    assert ciphertexts(await booking.stored()) == [NAME.ciphertext]
    entries = await booking.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))
    assert [(e.subject, e.object_id, e.reason) for e in entries if e.action == "sealed_superseded"] == [
        (REVIEWER.subject, booking.world.session_id, "contact_phone")
    ]
    await decide_fields(booking, row, choice, FieldChoice("visitor", FieldDecision.ACCEPTED))
    assert len(await booking.world.read(lambda cursor: audit.rows_after(cursor, 0, 100))) == len(entries), "repeated"
    await approve(booking, made)
    assert await booking.refused("contact_phone") == "SEALED_VALUE_NOT_FOUND"
    assert await booking.refused("contact_phone", "visitor") == "SEALED_VALUE_NOT_FOUND"
    assert ciphertexts(await booking.release("visitor")) == [NAME.ciphertext]


async def test_an_accepted_value_is_released(booking: Desk) -> None:
    row = await propose_booking(booking)
    assert await decide_fields(booking, row, ACCEPT) == row
    await approve(booking, row)
    request = str(uuid4())
    for _ in range(2):
        released = await booking.release("contact_phone", "visitor", request=request)
        assert ciphertexts(released) == [PHONE.ciphertext, NAME.ciphertext]


@pytest.mark.parametrize("left", ["no field", "another source", "the field"])
async def test_the_approved_record_must_name_the_source_of_a_field_that_its_flow_seals(
    booking: Desk, left: str
) -> None:
    """Whatever made the record: a value that its reviewers did not see is none that they approved."""
    row = await propose_booking(booking)
    record = stored_record(row.record.value)
    fields = [field for field in record.fields if field.name != "contact_phone" or left != "no field"]
    if left == "another source":
        fields = [replace(field, source_id=str(uuid4())) for field in fields]
    text = canonical_json(replace(record, fields=tuple(fields)))
    await approve(booking, row)
    change = "UPDATE recommendations SET record = ? WHERE id = ?"
    await booking.world.ledger.write(lambda cursor: cursor.execute(change, [text, row.id]))
    if left == "the field":
        assert ciphertexts(await booking.release("contact_phone")) == [PHONE.ciphertext]
    else:
        assert await booking.refused("contact_phone") == "SEALED_VALUE_NOT_FOUND"


async def test_only_values_of_the_source_that_the_record_names_are_released(booking: Desk) -> None:
    """A second number may be a neighbour's."""
    await booking.store(PHONE_2, source="another-turn")
    await approve(booking, await propose_booking(booking))
    request = str(uuid4())
    for _ in range(2):
        assert ciphertexts(await booking.release("contact_phone", request=request)) == [PHONE.ciphertext]
    assert [row.release_time is not None for row in await booking.stored()] == [True, False, False]


async def test_a_value_that_comes_after_the_approval_is_not_released(booking: Desk) -> None:
    await approve(booking, await propose_booking(booking))
    booking.world.clock.advance(1)
    await booking.store(PHONE_2, source="late-picture")
    assert ciphertexts(await booking.release("contact_phone")) == [PHONE.ciphertext]


async def test_the_view_shows_that_there_is_a_value_and_nothing_of_it(desk: Desk) -> None:
    await desk.store(PHONE, HASHED)
    await desk.approve()
    await desk.release("contact_phone")
    [row] = await desk.world.read(lambda cursor: fetch_all(cursor, "FROM v_sealed_values"))
    assert (row["field"], row["type"], row["key_id"], row["released"]) == ("contact_phone", "PHONE", "crm", True)
    assert not {"ciphertext", "hash", "released_to", "request_id"} & set(row)


def test_no_other_scope_opens_the_release() -> None:
    opened = {method for method, scopes in SCOPES.items() if Scope.SEALED_RELEASE in scopes}
    assert opened == {f"vestibule.v1.SealedValueService/{name}SealedValues" for name in ("List", "Release")}
    assert SCOPES["vestibule.v1.SealedValueService/ReleaseSealedValues"] == {Scope.SEALED_RELEASE}
