"""A session with sealed values, its reviewer, and the systems that ask for the values."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import uuid4

import pytest

from models.errors import CallerError
from models.sealed_values import SealedValue
from server.access.caller import Caller, Scope, acting_as
from server.ledger import sealed_values
from server.ledger.columns import Cursor
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.sealed_values import SealedRow
from server.ledger.types import RecommendationRow
from server.llm.record_schema import stored_record
from server.observability.metrics import Metrics
from server.records.approval import ApprovalRules
from server.records.reviews_fields import FieldReview
from server.records.reviews_values import FieldChoice
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
FLOW = """
name: site_visit
version: 1
title: Booking
steps:
  - name: own
    fields:
      - {name: contact_phone, ask: "Your number?", kind: personal, entities: [PHONE], keep: sealed, seal_to: crm}
      - {name: visitor, ask: "Your name?", kind: personal, entities: [NAME], keep: sealed, seal_to: crm}
"""


class Desk:
    """A session with sealed values, and who releases them."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.metrics = Metrics()
        self.releases = SealedReleases(world.ledger, world.audit, world.clock, self.metrics, world.flows)

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


def ciphertexts(rows: Sequence[SealedRow]) -> list[bytes]:
    return [row.value.ciphertext for row in rows]


async def propose_booking(desk: Desk) -> RecommendationRow:
    row = await propose(desk.world)
    found = {field.name: field.value for field in stored_record(row.record.value).fields}
    assert (found["contact_phone"], found["visitor"]) == ("sealed", "sealed")
    return row


async def decide_fields(desk: Desk, row: RecommendationRow, *choices: FieldChoice) -> RecommendationRow:
    world = desk.world
    rules = ApprovalRules(world.approval, world.flows)
    review = FieldReview(world.ledger, world.gateway, world.pubsub, world.clock, world.audit, rules, world.flows)
    with acting_as(REVIEWER):
        return await review.decide(row.id, row.content_hash, "", choices)


async def approve(desk: Desk, row: RecommendationRow) -> None:
    with acting_as(REVIEWER):
        await desk.world.recommender.decide(row.id, row.content_hash, "", approve=True)


REJECT = FieldChoice("contact_phone", FieldDecision.REJECTED, reason="wrong_person")
CORRECT = FieldChoice("contact_phone", FieldDecision.CORRECTED, "yes", "wrong_source")
ACCEPT = FieldChoice("contact_phone", FieldDecision.ACCEPTED)
