"""Names in words that a program chose: reasons, variants, names of events, keys and fields."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from vestibule.v1 import admin_pb2, funnel_pb2, recommendation_pb2, session_pb2

from models.errors import Unavailable
from models.redaction.redactor import LocalRedactor
from server.access.audit import AuditTrail
from server.ledger import sessions
from server.ledger.columns import fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.llm.record_schema import without_names
from server.llm.types import OnboardingRecord, RecordField
from server.records.machine_words import MOST_REMEMBERED, REDACTED, MachineWords, as_device, with_safe_keys
from server.services.admin import AdminService
from server.services.recommendation import RecommendationService
from server.services.session import SessionService
from tests.fakes.funnel_service import funnel_service
from tests.fakes.gateway import FakeGateway
from tests.fakes.local_workers import LocalWorkers
from tests.unit.ledger.makers import NOW, new_id, session
from tests.unit.ledger.migrated import open_ledger

NAME = "hieronymus_blatherwick"


def gateway() -> FakeGateway:
    return FakeGateway(secrets={"hieronymus blatherwick": "NAME", "4155550132": "PHONE"})


async def test_a_word_with_a_name_is_replaced_and_asked_for_once() -> None:
    workers = gateway()
    words = MachineWords(workers)
    for _ in range(2):
        assert [await words.replaced(w) for w in ("", "idle_cancelled", NAME, "hieronymus.blatherwick")] == [
            "",
            "idle_cancelled",
            REDACTED,
            REDACTED,
        ]
    assert len(workers.called("redact")) == 3


async def test_a_word_that_cannot_be_read_is_replaced_and_not_remembered() -> None:
    workers = gateway()
    words = MachineWords(workers)
    workers.will("redact", Unavailable("gone"), Unavailable("gone"))
    with pytest.raises(Unavailable):
        await words.personal(["idle"])
    assert await words.replaced("idle") == REDACTED
    assert await words.replaced("idle") == "idle"


async def test_what_is_remembered_has_a_bound() -> None:
    words = MachineWords(gateway())
    for start in range(0, 3 * MOST_REMEMBERED, 1000):
        assert await words.personal([NAME, *(f"made_up_{start + n}" for n in range(1000))]) == {NAME}
        assert len(words._personal) <= MOST_REMEMBERED


def test_keys_stay_distinct_and_in_order() -> None:
    keys = ["a", "maria", REDACTED, "lopez", "b"]
    assert with_safe_keys(keys, {"maria", "lopez"}) == {
        "a": "a",
        "maria": f"{REDACTED}_2",
        REDACTED: REDACTED,
        "lopez": f"{REDACTED}_3",
        "b": "b",
    }


def test_fields_keep_their_values_under_neutral_names() -> None:
    names = ("site_name", NAME, "field_a", "gate")
    record = OnboardingRecord("A visit.", tuple(RecordField(n, f"value of {n}") for n in names), ("contact", NAME))
    safe = without_names(record, {NAME})
    assert [(f.name, f.value) for f in safe.fields] == [
        ("site_name", "value of site_name"),
        ("field_b", f"value of {NAME}"),
        ("field_a", "value of field_a"),
        ("gate", "value of gate"),
    ]
    assert safe.missing == ("contact",)


class Recorder:
    """Stands for whatever a service calls; keeps the arguments."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def __getattr__(self, _name: str) -> Any:
        async def call(*arguments: Any, **named: Any) -> Any:
            self.seen.append(repr((arguments, named)))
            raise Unavailable("far enough")

        return call


@pytest.mark.parametrize("personal", [NAME, "4155550132"])
async def test_no_service_hands_a_name_on(personal: str) -> None:
    called: Any = Recorder()
    nothing: Any = None
    words = MachineWords(gateway())
    session_service = SessionService(called, nothing, nothing, words)
    calls = [
        session_service.StartSession(session_pb2.StartSessionRequest(client_id="app", variant=personal), None),
        session_service.AbandonSession(session_pb2.AbandonSessionRequest(reason=personal), None),
        RecommendationService(called, words).RejectRecommendation(
            recommendation_pb2.RejectRecommendationRequest(reason=personal), None
        ),
        AdminService(
            nothing, nothing, called, nothing, words, nothing, nothing, nothing, nothing, nothing, nothing
        ).DiscardDeadLetter(admin_pb2.DiscardDeadLetterRequest(reason=personal), None),
    ]
    for call in calls:
        with pytest.raises(Unavailable):
            await call
    assert len(called.seen) == len(calls)
    assert all(REDACTED in seen and personal not in seen for seen in called.seen)


async def test_events_keep_values_under_safe_names(tmp_path: Path) -> None:
    ledger: EmbeddedLedger = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)
    row, _ = ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    at = Timestamp()
    at.FromDatetime(datetime(2026, 1, 1, tzinfo=UTC))
    app_events = [
        funnel_pb2.AppEvent(
            event_id=new_id(), session_id=row.id, name=name, device_time=at, properties={"tab": "one", key: "two"}
        )
        for name, key in (("camera_opened", NAME), (NAME, "step"))
    ]
    service = funnel_service(ledger, gateway(), lambda: NOW, AuditTrail(bytes(32), bytes(32), lambda: NOW))
    await service.RecordEvents(funnel_pb2.RecordEventsRequest(events=app_events), None)
    stored = await ledger.read(
        lambda cursor: fetch_all(cursor, "SELECT name, properties FROM events WHERE device_time IS NOT NULL")
    )
    ledger.close()
    assert {e["name"]: json.loads(e["properties"]) for e in stored} == {
        "camera_opened": {"tab": "one", REDACTED: "two"},
        REDACTED: {"tab": "one", "step": "two"},
    }


@pytest.mark.models
async def test_the_real_redactor_tells_names_from_words(real_redactor: LocalRedactor) -> None:
    """Names of four languages and a telephone number on one side, what apps and models usually write on the other."""
    names = {"aoife_byrne", "wolfgang_mueller", "ravi_kumar", "told_by_john_smith", "call_4155550132", NAME}
    usual = {"camera_opened", "user_cancelled", "wrong_reading", "qr_scan", "flow_v2", "gate_code", "duplicate"}
    words = MachineWords(LocalWorkers(redactor=real_redactor))
    assert await words.personal([*names, *usual]) == names


@pytest.mark.models
async def test_ids_of_clients_may_be_words_and_no_names(real_redactor: LocalRedactor) -> None:
    names = {
        *("maria", "maria-lopez", "maria_lopez", "m.lopez", "rose-baker", "anna-schmidt", "kiosk-maria", "johns-ipad"),
        *("priya-sharma", "nguyen-van-an", "oluwaseun", "kowalski", "4155550132", "07700-900123", NAME),
    }
    usual = {
        *(
            "kiosk",
            "rose",
            "north",
            "south",
            "kiosk-7",
            "rose-garden",
            "north-gate",
            "east-wing",
            "main",
            "hall",
            "demo",
        ),
        *(
            "acme",
            "contoso",
            "oak",
            "forest",
            "old-app",
            "front-desk",
            "canteen",
            "church",
            "cottage",
            "metering",
            "e2e",
        ),
    }
    words = MachineWords(LocalWorkers(redactor=real_redactor), as_device)
    assert await words.personal([*names, *usual]) == names
