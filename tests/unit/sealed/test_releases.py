"""Sealed values are released once, after the approval, to a caller of the session's client, and leave a trace."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from uuid import uuid4

import pytest

from models.errors import CallerError, Conflict, NotFound
from models.sealed_values import SealedValue
from server.access.caller import Caller, Scope, acting_as
from server.access.scopes import SCOPES
from server.ledger import audit, sealed_values
from server.ledger.columns import Cursor, fetch_all
from server.ledger.sealed_values import SealedRow
from server.observability.metrics import Metrics
from server.records.sealed_releases import SealedReleases
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import propose

CRM = Caller("key:crm", "app", frozenset({Scope.SEALED_RELEASE}))
OTHER = Caller("key:other", "app", frozenset({Scope.SEALED_RELEASE}))
STRANGER = Caller("key:stranger", "another-app", frozenset(Scope))
REVIEWER = Caller("key:reviewer", "app", frozenset({Scope.REVIEWER}))
PHONE = SealedValue("PHONE", "contact_phone", "crm", b"ciphertext of the phone", "a" * 32)
PHONE_2 = SealedValue("PHONE", "contact_phone", "crm", b"ciphertext of another", "b" * 32)
NAME = SealedValue("NAME", "visitor", "crm", b"ciphertext of the name", "c" * 32)
HASHED = SealedValue("EMAIL", "contact_email", "", b"", "d" * 32)


class Desk:
    """A session with sealed values, and who releases them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.metrics = Metrics()
        self.releases = SealedReleases(world.ledger, world.audit, world.clock, self.metrics)

    async def store(self, *values: SealedValue, source: str = "turn-1") -> int:
        now = self.world.clock()

        def write(cursor: Cursor) -> int:
            return sealed_values.store(cursor, self.world.session_id, source, values, now)

        return await self.world.ledger.write(write)

    async def approve(self) -> None:
        await self.world.say("The meter reads 4821.")
        row = await propose(self.world)
        with acting_as(REVIEWER):
            await self.world.recommender.decide(row.id, row.content_hash, "", approve=True)

    async def release(self, *fields: str, request: str = "", who: Caller = CRM) -> list[SealedRow]:
        with acting_as(who):
            return await self.releases.release(self.world.session_id, fields, request or str(uuid4()))

    async def refused(self, *fields: str, request: str = "", who: Caller = CRM) -> str:
        with pytest.raises(CallerError) as caught:
            await self.release(*fields, request=request, who=who)
        assert "ciphertext" not in f"{caught.value.message} {caught.value.hint}"
        return caught.value.reason

    async def stored(self) -> list[SealedRow]:
        return await self.world.read(lambda cursor: sealed_values.list_of_session(cursor, self.world.session_id))

    def counted(self, outcome: str) -> float:
        value = self.metrics.registry.get_sample_value("vestibule_sealed_releases_total", {"outcome": outcome})
        assert value is not None
        return value


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    world = World(tmp_path)
    yield Desk(world)
    world.ledger.close()


def ciphertexts(rows: Sequence[SealedRow]) -> list[bytes]:
    return [row.value.ciphertext for row in rows]


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
