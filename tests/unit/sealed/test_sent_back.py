"""A sealed value that a reviewer took away is missing and asked again, and only a new one is released."""

from __future__ import annotations

import pytest

from models.sealed_values import SealedValue
from server.access.caller import acting_as
from server.ledger import sessions
from server.ledger.columns import Cursor
from server.llm.record_schema import stored_record
from server.llm.types import OnboardingRecord
from server.records.guide import Guide
from server.records.reviews_values import FieldChoice
from tests.unit.jobs.recommendation_helpers import propose
from tests.unit.sealed.release_helpers import (
    CORRECT,
    NAME,
    PHONE,
    PHONE_2,
    REJECT,
    REVIEWER,
    Desk,
    approve,
    ciphertexts,
    decide_fields,
    propose_booking,
)


async def say(desk: Desk, text: str, *values: SealedValue) -> str:
    """Say something to the question that is open; returns which one that was."""
    world = desk.world
    world.clock.advance(1)
    guide, turn = Guide(world.flows), await world.say(text)

    def write(cursor: Cursor) -> str:
        session = sessions.get(cursor, world.session_id)
        current = guide.progress(cursor, session).current
        known = current.field.name if current is not None else ""
        guide.heard(cursor, session, turn, known=known, sealed=values)
        return known

    return await world.ledger.write(write)


@pytest.mark.parametrize("choice", [REJECT, CORRECT])
async def test_a_sealed_value_that_is_gone_is_asked_again_and_the_new_one_is_released(
    empty_booking: Desk, choice: FieldChoice
) -> None:
    desk, world = empty_booking, empty_booking.world
    assert await say(desk, "Call [REDACTED_PHONE].", PHONE) == "contact_phone"
    assert await say(desk, "I am [REDACTED_NAME].", NAME) == "visitor"
    made = await decide_fields(desk, await propose_booking(desk), choice)
    with acting_as(REVIEWER):
        await world.recommender.decide(made.id, made.content_hash, "", approve=False, reason="wrong", revise=True)
    world.assistant.script_record(OnboardingRecord("Somebody called.", ()))
    again = stored_record((await propose(world)).record.value)
    assert "contact_phone" not in {field.name for field in again.fields}
    assert again.missing == ("contact_phone",)
    assert await say(desk, "It is [REDACTED_PHONE].", PHONE_2) == "contact_phone"
    await approve(desk, await propose_booking(desk))
    released = await desk.release("contact_phone", "visitor")
    assert ciphertexts(released) == [NAME.ciphertext, PHONE_2.ciphertext]
