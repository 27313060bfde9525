"""The risk of a session, and the model, as messages."""

from __future__ import annotations

from datetime import datetime

from vestibule.v1 import risk_pb2 as pb

from server.funnel.types import Interval
from server.risk.model import Group, Quality, Risk, RiskModel, StageModel, StageStatus, Unknown
from server.risk.texts import RiskTexts
from server.rpc import convert
from server.setting_groups.risk import RiskSettings


def risk_message(
    found: Risk | Unknown, stage: str, model: RiskModel | None, texts: RiskTexts, levels: RiskSettings, *, exact: bool
) -> pb.GetSessionRiskResponse:
    """What the model says of a session.

    Args:
        found: What it says.
        stage: Of the session.
        model: That said it.
        texts: For the reasons.
        levels: What is medium and high.
        exact: Whether the caller may know how many sessions of all clients there were.
    """
    answer = pb.GetSessionRiskResponse(stage=stage)
    if model is not None:
        answer.train_time.CopyFrom(convert.timestamp(model.train_time))
        part = _stages(model).get(stage)
        seen = part.sessions if part else 0
        answer.session_count = seen if exact else _first_digit(seen)
    if isinstance(found, Unknown):
        answer.unknown = pb.RiskUnknown.Value(f"RISK_UNKNOWN_{found}")
        return answer
    answer.risk.CopyFrom(_estimate(found.risk))
    answer.level = pb.RiskLevel.Value(f"RISK_LEVEL_{_level(found.risk.mid, levels)}")
    answer.reasons.extend(
        pb.RiskReason(
            feature=raised.feature,
            text=texts.reason(raised.feature, raised.value),
            help=texts.help(raised.feature),
            odds_ratio=raised.odds_ratio,
        )
        for raised in found.raised
    )
    return answer


def model_message(model: RiskModel | None, next_time: datetime | None) -> pb.GetRiskModelResponse:
    """The model and its check, and when the next is learnt."""
    next_train_time = convert.timestamp(next_time) if next_time else None
    if model is None:
        return pb.GetRiskModelResponse(next_train_time=next_train_time)
    return pb.GetRiskModelResponse(
        train_time=convert.timestamp(model.train_time),
        begin_time=convert.timestamp(model.begin),
        end_time=convert.timestamp(model.end),
        session_count=model.sessions,
        stages=[_stage(name, stage) for name, stage in _stages(model).items()],
        next_train_time=next_train_time,
    )


def _stage(name: str, found: StageModel) -> pb.RiskStage:
    stage = pb.RiskStage(stage=name, session_count=found.sessions, abandoned_count=found.abandoned)
    if found.status is not StageStatus.READY:
        stage.unknown = pb.RiskUnknown.Value(f"RISK_UNKNOWN_{found.status}")
    if found.quality is not None:
        stage.check.CopyFrom(_check(found.quality))
    return stage


def _check(quality: Quality) -> pb.RiskCheck:
    return pb.RiskCheck(
        session_count=quality.sessions,
        brier_score=quality.brier,
        base_brier_score=quality.base_brier,
        skill=quality.skill,
        auc=quality.auc,
        groups=[_group(group) for group in quality.groups],
        whole=_group(quality.whole),
    )


def _group(found: Group) -> pb.RiskGroup:
    return pb.RiskGroup(
        session_count=found.sessions,
        predicted=found.predicted,
        abandoned=_estimate(Interval(found.low, found.abandoned, found.high)),
        outside=not found.holds,
    )


def _stages(model: RiskModel) -> dict[str, StageModel]:
    return {str(name): stage for name, stage in model.stages.items()}


def _estimate(interval: Interval) -> pb.RiskEstimate:
    return pb.RiskEstimate(value=interval.mid, low=interval.low, high=interval.high)


def _level(risk: float, levels: RiskSettings) -> str:
    if risk >= levels.high:
        return "HIGH"
    return "MEDIUM" if risk >= levels.medium else "LOW"


def _first_digit(number: int) -> int:
    """A number with its first digit and zeros."""
    power = int(f"1{'0' * (len(str(number)) - 1)}")
    return number // power * power
