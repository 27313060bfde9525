"""The risk of a running session, and the page of the model that says it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response
from vestibule.v1 import risk_pb2 as pb

from models.errors import VestibuleError
from server.console.charts import Chart, Span, interval_chart
from server.console.page import texts_of
from server.console.visit import Visit
from server.languages.formats import Formats
from server.languages.texts import Texts
from server.times import shown_time

_TONES: Final = {"low": "normal", "medium": "high", "high": "critical"}


@dataclass(frozen=True, slots=True)
class RiskShown:
    """The risk of a session.

    Attributes:
        said: It, or why it is not known, in a sentence.
        tone: Of the sentence; empty for an unknown risk.
    """

    found: pb.GetSessionRiskResponse
    said: str
    tone: str


@dataclass(frozen=True, slots=True)
class StageShown:
    """What was learnt of a stage.

    Attributes:
        said: How good it is, or why there is nothing, in a sentence.
        chart: The calibration; None where nothing was learnt.
        counts: What the model rests on, in sentences.
    """

    found: pb.RiskStage
    label: str
    said: str
    chart: Chart | None
    counts: str = ""


async def risk_of(visit: Visit, session_id: str) -> RiskShown:
    """The risk of a session that has not ended."""
    texts = texts_of(visit.request)
    formats = Formats(texts.language)
    found = await visit.call("RiskService", "GetSessionRisk", pb.GetSessionRiskRequest(session_id=session_id))
    if found.unknown:
        return RiskShown(found, _unknown(found.unknown, texts), "")
    level = pb.RiskLevel.Name(found.level).removeprefix("RISK_LEVEL_").lower()
    risk, interval = formats.percent(found.risk.value), formats.percents(found.risk)
    said = texts("risk_said", risk=risk, range=interval, level=texts(f"risk_{level}"))
    return RiskShown(found, said, _TONES.get(level, ""))


async def risk_if_known(visit: Visit, session_id: str) -> RiskShown:
    """The risk of a session that has not ended, or a sentence that it cannot be told now."""
    try:
        return await risk_of(visit, session_id)
    except VestibuleError as error:
        said = texts_of(visit.request)("risk_not_told", reason=error.reason)
        return RiskShown(pb.GetSessionRiskResponse(), said, "")


async def show(visit: Visit) -> Response:
    """What was learnt, and how well it did on later sessions."""
    texts = texts_of(visit.request)
    model = await visit.call("RiskService", "GetRiskModel", pb.GetRiskModelRequest())
    return visit.page(
        "risk.html",
        model=model,
        learnt=shown_time(model.train_time.ToDatetime()) if model.HasField("train_time") else "",
        stages=[stage_shown(stage, texts) for stage in model.stages],
    )


def stage_shown(found: pb.RiskStage, texts: Texts) -> StageShown:
    """What was learnt of a stage."""
    formats = Formats(texts.language)
    label = texts.or_word(f"stage_{found.stage}", found.stage)
    if not found.HasField("check"):
        return StageShown(found, label, _unknown(found.unknown, texts), None)
    check = found.check
    spans = [
        Span(
            texts("risk_predicted", risk=formats.percent(group.predicted)),
            group.abandoned.value,
            group.abandoned.low,
            group.abandoned.high,
            other=group.predicted,
        )
        for group in check.groups
    ]
    said = _unknown(found.unknown, texts) if found.unknown else ""
    good = texts("risk_auc", auc=formats.percent(check.auc))
    chart = interval_chart(texts("risk_calibration", stage=label), spans, formats) if spans else None
    return StageShown(found, label, f"{said} {good}".strip(), chart, _counts(found, texts, formats))


def _counts(found: pb.RiskStage, texts: Texts, formats: Formats) -> str:
    """What the model rests on, and how often it was off."""
    groups = found.check.groups
    seen = texts(
        "risk_seen",
        sessions=formats.count(found.session_count),
        abandoned=formats.count(found.abandoned_count),
        checked=formats.count(found.check.session_count),
    )
    outside = sum(group.outside for group in groups)
    return f"{seen} {texts('risk_outside_count', outside=formats.count(outside), groups=formats.count(len(groups)))}"


def _unknown(reason: pb.RiskUnknown.ValueType, texts: Texts) -> str:
    word = pb.RiskUnknown.Name(reason).removeprefix("RISK_UNKNOWN_").lower()
    return texts.or_word(f"risk_unknown_{word}", word)
