"""Personal values that come in forms: they take the way of typed text, and only what the flow keeps is stored."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.errors import InvalidInput
from models.redaction.spans.operators import hashed_tag
from models.text import TextSource
from server.ledger import answers, sealed_values
from server.ledger.columns import fetch_all
from server.ledger.sealed_values import SealedRow
from server.llm.record_schema import stored_record
from server.services.flow_messages import progress_message
from tests.unit.jobs.form_helpers import FormWorld
from tests.unit.jobs.recommendation_helpers import propose

PHONE, MAIL, NAME = "415-555-0132", "tarn@example.com", "Tarn Quist"


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[FormWorld]:
    found = FormWorld(tmp_path)
    yield found
    found.ledger.close()


async def values(world: FormWorld) -> dict[str, str]:
    record = stored_record((await propose(world)).record.value)
    return {field.name: field.value for field in record.fields if field.name in world.flows.default.fields}


async def sealed(world: FormWorld) -> list[SealedRow]:
    return await world.read(lambda cursor: sealed_values.list_of_session(cursor, world.session_id))


async def test_each_form_of_a_personal_value_gets_into_the_record(
    world: FormWorld, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    guidance = await world.fill(renter=NAME, mail=MAIL, phone=PHONE)
    stored = {row.value.field: row for row in await sealed(world)}
    assert await values(world) == {
        "renter": "[REDACTED_NAME_1]",
        "mail": hashed_tag("EMAIL", stored["mail"].value.hash),
        "phone": "sealed",
    }
    assert world.opened(stored["phone"].value).written == PHONE
    assert set(stored) == {"mail", "phone"}
    given = await world.read(lambda cursor: answers.list_of_session(cursor, world.session_id))
    assert {stored["mail"].source_id, stored["phone"].source_id} <= {row.source_id for row in given}
    rows = await world.read(
        lambda cursor: [
            str(fetch_all(cursor, f"SELECT * FROM {table}")) for table in ("answers", "events", "sealed_values")
        ]
    )
    shown = str(progress_message(guidance.progress, "en"))
    for part in (PHONE, "4155550132", "example.com", "Tarn", "Quist"):
        assert part not in f"{rows} {shown} {caplog.text}"


async def test_a_value_is_redacted_like_typed_text_that_answers_the_question(world: FormWorld) -> None:
    await world.fill(phone=PHONE)
    [call] = world.gateway.called("redact")
    assert (call.detail, call.asked_for) == (TextSource.TYPED, ("PHONE",))
    assert call.scope.seal is not None
    assert [target.field for target in call.scope.seal.targets_of("PHONE")] == ["phone"]


@pytest.mark.parametrize(("field", "value"), [("renter", "12345"), ("mail", "none"), ("phone", "four")])
async def test_a_value_that_is_none_is_refused_without_it(world: FormWorld, field: str, value: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        await world.fill(**{field: value})
    assert refused.value.reason == "ANSWER_INVALID"
    assert "whole value" in refused.value.hint
    [violation] = refused.value.violations
    assert violation.description.startswith("has nothing that is known as ")
    assert value not in f"{refused.value.message} {refused.value.hint} {violation.description}"
    assert await world.read(lambda cursor: answers.list_of_session(cursor, world.session_id)) == []
    assert await sealed(world) == []


async def test_only_the_value_of_the_field_is_kept_of_a_text(world: FormWorld) -> None:
    await world.fill(phone=f"{NAME}, {PHONE}, the back door please")
    assert [row.value.field for row in await sealed(world)] == ["phone"]
    assert await values(world) == {"phone": "sealed"}


async def test_the_same_value_again_changes_nothing_and_another_one_does(world: FormWorld) -> None:
    await world.fill(phone=PHONE, renter=NAME)
    await world.fill(phone=PHONE, renter=NAME)
    assert len(await sealed(world)) == 1
    row = await propose(world)
    await world.fill(phone=PHONE)
    assert (await world.recommender.get(row.id)).state == "PENDING"
    await world.fill(phone="415-555-0177")
    assert (await world.recommender.get(row.id)).state == "SUPERSEDED"
    await world.fill(phone=PHONE)
    newest = (await sealed(world))[-1]
    assert world.opened(newest.value).written == PHONE
