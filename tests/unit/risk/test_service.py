"""The risk as apps and analysts ask for it."""

from __future__ import annotations

import uuid
from datetime import datetime, timedelta
from pathlib import Path

import protovalidate
import pytest
from vestibule.v1 import risk_pb2 as pb

from models.errors import NotFound, PermissionDenied
from models.reasons import Reason
from server.access.caller import Caller, Scope, acting_as
from server.funnel.texts import load_texts
from server.ledger import events, sessions
from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import EventRow, SessionState
from server.risk.model import RiskModel
from server.risk.texts import RiskTexts
from server.risk.trainer import RiskTrainer
from server.services.risk import RiskService
from server.setting_groups.risk import RiskSettings
from tests.unit.ledger.makers import after, session

APP = Caller("key:a", "app", frozenset({Scope.APP}))
SESSION = "6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f"


class Clock:
    def __init__(self) -> None:
        self.now = after(20)

    def __call__(self) -> datetime:
        return self.now


def service(ledger: EmbeddedLedger, model: RiskModel | None, folder: Path, clock: Clock | None = None) -> RiskService:
    clock, settings = clock or Clock(), RiskSettings()
    trainer = RiskTrainer(ledger, clock, settings, 1800, folder)
    trainer.model = model
    return RiskService(ledger, trainer, clock, RiskTexts(load_texts()), settings)


def ask(session_id: str = SESSION) -> pb.GetSessionRiskRequest:
    return pb.GetSessionRiskRequest(session_id=session_id)


def happened(cursor: DuckDb, name: str, at: float) -> None:
    events.append(cursor, EventRow(str(uuid.uuid4()), SESSION, "app", name, after(at), took_s=None))


async def opened(ledger: EmbeddedLedger) -> None:
    await ledger.write(lambda cursor: sessions.insert_or_get(cursor, session(SESSION)))


async def test_the_risk_rises_with_what_happens(ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path) -> None:
    await opened(ledger)
    clock = Clock()
    asked = service(ledger, model, tmp_path, clock)
    before = await asked.GetSessionRisk(ask(), None)
    await ledger.write(lambda cursor: happened(cursor, "no_speech", 19.9))
    then = await asked.GetSessionRisk(ask(), None)
    clock.now += timedelta(minutes=10)
    idle = await asked.GetSessionRisk(ask(), None)
    for answer in (before, then, idle):
        protovalidate.validate(answer)
        assert answer.unknown == pb.RISK_UNKNOWN_UNSPECIFIED
        assert answer.stage == "STARTED"
        assert 0 < answer.risk.low <= answer.risk.value <= answer.risk.high <= 1
        assert answer.train_time.ToDatetime() == model.train_time.replace(tzinfo=None)
    assert before.risk.value < then.risk.value < idle.risk.value
    assert idle.level == pb.RISK_LEVEL_HIGH
    reason = next(each for each in then.reasons if each.feature == "no_speech")
    assert reason.text == "no speech was recognized: 1 time"
    assert reason.help == "Offer to type, and show the level of the microphone."
    assert reason.odds_ratio > 1.5
    assert "idle_s" in {each.feature for each in idle.reasons}
    assert idle.session_count == model.stages["STARTED"].sessions


async def test_a_caller_of_one_client_learns_no_exact_number(
    ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path
) -> None:
    await opened(ledger)
    with acting_as(APP):
        answer = await service(ledger, model, tmp_path).GetSessionRisk(ask(), None)
    exact = model.stages["STARTED"].sessions
    assert answer.session_count == exact // 1000 * 1000 != exact


async def test_another_clients_session_is_not_found(ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path) -> None:
    await opened(ledger)
    with acting_as(Caller("key:b", "site", frozenset({Scope.APP}))), pytest.raises(NotFound):
        await service(ledger, model, tmp_path).GetSessionRisk(ask(), None)


async def test_without_a_model_the_answer_says_why(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    await opened(ledger)
    answer = await service(ledger, None, tmp_path).GetSessionRisk(ask(), None)
    assert (answer.unknown, answer.HasField("risk"), answer.HasField("train_time")) == (
        pb.RISK_UNKNOWN_NOT_TRAINED,
        False,
        False,
    )
    assert answer.level == pb.RISK_LEVEL_UNSPECIFIED


async def test_an_ended_session_has_no_risk(ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path) -> None:
    await opened(ledger)
    await ledger.write(lambda cursor: sessions.transition(cursor, SESSION, SessionState.ABANDONED, after(5)))
    answer = await service(ledger, model, tmp_path).GetSessionRisk(ask(), None)
    assert (answer.unknown, answer.stage, answer.session_count) == (pb.RISK_UNKNOWN_ENDED, "ABANDONED", 0)


async def test_analysts_see_the_check(ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path) -> None:
    answer = await service(ledger, model, tmp_path).GetRiskModel(pb.GetRiskModelRequest(), None)
    protovalidate.validate(answer)
    started, in_progress, awaiting = answer.stages
    assert (started.stage, in_progress.stage, awaiting.stage) == ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL")
    quality = model.stages["STARTED"].quality
    assert quality is not None
    assert started.check.skill == pytest.approx(1 - quality.brier / quality.base_brier)
    assert [group.predicted for group in started.check.groups] == [group.predicted for group in quality.groups]
    assert awaiting.unknown == pb.RISK_UNKNOWN_TOO_LITTLE_DATA
    assert not awaiting.HasField("check")
    none = await service(ledger, None, tmp_path).GetRiskModel(pb.GetRiskModelRequest(), None)
    assert [field.name for field, _ in none.ListFields()] == ["next_train_time"]


async def test_the_numbers_of_all_clients_are_not_for_one(
    ledger: EmbeddedLedger, model: RiskModel, tmp_path: Path
) -> None:
    with acting_as(APP), pytest.raises(PermissionDenied) as refused:
        await service(ledger, model, tmp_path).GetRiskModel(pb.GetRiskModelRequest(), None)
    assert refused.value.reason == Reason.ALL_CLIENTS_ONLY
