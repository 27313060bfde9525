"""A world with a proposed record, and people who review it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from models.errors import VestibuleError
from server.access.caller import Caller, Scope, acting_as
from server.flows.catalogue import Flows
from server.flows.loader import parse_flow
from server.ledger.columns import Row, fetch_all
from server.ledger.reviews_decisions import FieldDecision
from server.ledger.types import RecommendationRow
from server.llm.types import OnboardingRecord, RecordField
from server.observability.metrics import Metrics
from server.records.approval import ApprovalRules
from server.records.reviews import Reviews
from server.records.reviews_fields import FieldReview
from server.records.reviews_metrics import ReviewMetrics
from server.records.reviews_values import FieldChoice
from server.records.reviews_view import FieldView, ReviewView
from server.setting_groups import ApprovalSettings
from tests.unit.jobs.conftest import World
from tests.unit.jobs.recommendation_helpers import propose

REVIEWER = frozenset({Scope.REVIEWER})
ANN = Caller("jwt:00000000-0000-4000-8000-00000000000a", "app", REVIEWER)
BEN = Caller("key:ben", "app", REVIEWER)
CONSOLE = Caller("key:console", "", REVIEWER)
OPERATOR = Caller("key:operator", "", frozenset(Scope))
STRANGER = Caller("key:eve", "another-app", REVIEWER)
CLAIM_S = 600.0
RENTAL = """
name: site_visit
version: 1
languages: [de, en]
title: {de: Rückgabe, en: Return}
steps:
  - name: car
    pictures: [site]
    fields:
      - name: contract
        kind: code
        format: "MV-[0-9]{6}"
        label: {de: Vertragsnummer, en: Contract number}
        ask: "Contract?"
        required: false
      - {name: plate, kind: text, ask: "Plate?", when: {field: contract, given: false}}
      - name: mileage
        kind: number
        label: {de: Kilometerstand, en: Mileage}
        unit: km
        minimum: 0
        maximum: 999999
        decimals: 0
        ask: "Mileage?"
      - name: fuel
        kind: choice
        label: {de: Tankfüllung, en: Fuel level}
        ask: "Fuel?"
        options:
          - {value: eighths_6, label: {de: dreiviertel voll, en: 6/8}}
          - {value: eighths_8, label: {de: voll, en: full}}
          - {value: not_known}
      - {name: day, kind: date, ask: "Day?", required: false}
      - {name: hour, kind: time, ask: "Hour?", required: false}
      - {name: photos, kind: photo, pictures: [site], least: 2, ask: "Photographs?", required: false}
      - {name: customer, kind: personal, entities: [NAME], ask: "Who?", required: false}
  - name: damage
    fields:
      - {name: damaged, kind: yes_no, label: {de: Neuer Schaden, en: New damage}, ask: "Damage?"}
      - {name: where, kind: text, label: {de: Stelle, en: Place}, when: {field: damaged, is: true}, ask: "Where?"}
      - {name: repaired, kind: text, when: {field: where, given: true}, ask: "Repaired?", required: false}
      - {name: note, kind: text, ask: "A note?", required: false}
"""


def accept(name: str) -> FieldChoice:
    return FieldChoice(name, FieldDecision.ACCEPTED)


def correct(name: str, value: str, reason: str = "misread") -> FieldChoice:
    return FieldChoice(name, FieldDecision.CORRECTED, value, reason)


def reject(name: str, reason: str = "not_there") -> FieldChoice:
    return FieldChoice(name, FieldDecision.REJECTED, reason=reason)


class ReviewWorld(World):
    """A server without gRPC and Ray, whose records people review."""

    def boot(self) -> None:
        super().boot()
        rules = ApprovalRules(self.approval)
        self.metrics = Metrics()
        counted = ReviewMetrics(self.metrics)
        self.recommender._on_decided = counted.decided
        self.reviews = Reviews(self.ledger, self.gateway, self.clock, self.audit, rules, self.flows, CLAIM_S)
        self.fields = FieldReview(
            self.ledger,
            self.gateway,
            self.pubsub,
            self.clock,
            self.audit,
            rules,
            self.flows,
            observer=counted,
        )

    async def proposed(self, *fields: RecordField, missing: tuple[str, ...] = (), needed: int = 1) -> RecommendationRow:
        """A record that waits; by default a reading and a site."""
        turn = await self.say("The meter at Pendlewick reads 4821.")
        usual = (RecordField("meter_reading", "4821", turn.id), RecordField("site_name", "Pendlewick", turn.id))
        self.assistant.script_record(OnboardingRecord("The meter at Pendlewick reads 4821.", fields or usual, missing))
        row = await propose(self)
        if needed != 1:
            await self.ledger.write(
                lambda cursor: cursor.execute(
                    "UPDATE recommendations SET approvals_needed = ? WHERE id = ?", [needed, row.id]
                )
            )
        return replace(row, approvals_needed=needed) if needed != 1 else row

    async def decide(
        self, who: Caller, row: RecommendationRow, *choices: FieldChoice, staff: str = ""
    ) -> RecommendationRow:
        with acting_as(who):
            return await self.fields.decide(row.id, row.content_hash, staff, choices)

    async def approve(self, who: Caller, row: RecommendationRow, staff: str = "") -> RecommendationRow:
        with acting_as(who):
            return await self.recommender.decide(row.id, row.content_hash, staff, approve=True)

    async def view(self, who: Caller, recommendation_id: str) -> ReviewView:
        with acting_as(who):
            return await self.reviews.view(recommendation_id)

    def counted(self, name: str, **labels: str) -> float | None:
        """The value of a metric."""
        return self.metrics.registry.get_sample_value(name, labels)

    async def rows(self, sql: str) -> list[Row]:
        """What a query of the ledger gives."""
        return await self.read(lambda cursor: fetch_all(cursor, sql))

    async def field(self, row: RecommendationRow, name: str) -> FieldView:
        """A field of a record as a reviewer sees it."""
        return next(field for field in (await self.view(ANN, row.id)).fields if field.name == name)


async def refusal(call: object) -> VestibuleError:
    """The error that a call ends with."""
    with pytest.raises(VestibuleError) as caught:
        await call  # type: ignore[misc]  # any awaitable
    return caught.value


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    built = ReviewWorld(tmp_path, approval=ApprovalSettings(own_sessions="nobody"))
    yield built
    await built.runner.stop(0)
    built.ledger.close()


@pytest.fixture
async def rental(tmp_path: Path) -> AsyncIterator[ReviewWorld]:
    """A world whose sessions have the flow ``RENTAL``."""
    flows = Flows([parse_flow(RENTAL, "rental.yaml")], "site_visit")
    built = ReviewWorld(tmp_path, approval=ApprovalSettings(own_sessions="nobody"), flows=flows)
    yield built
    await built.runner.stop(0)
    built.ledger.close()
