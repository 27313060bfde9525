"""`vestibule risk`."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

import click

from server.cli.output import show_fields, show_json, show_table, time_json, time_text
from server.cli.remote import CALL_TIMEOUT_S, address_option, connected

if TYPE_CHECKING:
    from vestibule.v1 import risk_pb2 as pb

as_json_option = click.option("--json", "as_json", is_flag=True, help="One JSON document.")

REASON_COLUMNS = ("what raises it", "odds", "what may help")
STAGE_COLUMNS = ("stage", "risk", "sessions", "abandoned", "checked", "Brier", "base", "skill", "AUC")
GROUP_COLUMNS = ("predicted", "abandoned", "from", "to", "sessions", "")

HOW_COUNTED = """
sessions:  past sessions with a moment in the stage, of the moments that were drawn. One that left the stage soon may
           have none, so this is not the number of those who reached the stage.
abandoned: those of them that were abandoned in the end, in this stage or a later one.
checked:   those of them that belong to the last fifth. The model was not learnt from these."""
HOW_GROUPED = """A session counts in each group in which it has a moment, so the groups add up to more than "checked".
from, to: 95 % interval of the abandoned share. If the model is right, it holds the predicted share in 95 % of cases."""

WHY_UNKNOWN = {
    "ended": "the session has ended",
    "not_trained": "no model was learnt yet",
    "too_little_data": "too few past sessions were abandoned in this stage, or too few were not",
    "too_many_open": "too many past sessions that reached this stage are still open",
    "no_skill": "on later sessions the model was not better than the same risk for all",
    "not_calibrated": "on later sessions the risks were off by more than chance",
}


@click.group(short_help="Show the risk that a session is abandoned.")
def risk() -> None:
    """Show how likely a running session is to be abandoned, and how good such a statement is.

    docs/operating/risk.md says what an app does with it.

    \b
    Examples:
      vestibule risk show 6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f
      vestibule risk model
    """


@risk.command()
@click.argument("session_id", metavar="SESSION", type=click.UUID)
@address_option
@as_json_option
def show(session_id: UUID, address: str | None, as_json: bool) -> None:
    """Show the risk of a running session, and what raises it compared with the average session in its stage."""
    from vestibule.v1.risk_pb2 import GetSessionRiskRequest
    from vestibule.v1.risk_pb2_grpc import RiskServiceStub

    request = GetSessionRiskRequest(session_id=str(session_id))
    with connected(address) as channel:
        answer = RiskServiceStub(channel).GetSessionRisk(request, timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(_risk(answer))
    else:
        _show_risk(answer)


@risk.command()
@address_option
@as_json_option
def model(address: str | None, as_json: bool) -> None:
    """Show what was learnt, and how well it did on later sessions.

    "base" is the Brier score of the same risk for all; "skill" is how much better the model is, 1 for perfect. In the
    tables of calibration, moments with a similar risk are together: about the predicted share should be abandoned. A
    stage whose risks are off by more than chance gives none.
    """
    from vestibule.v1.risk_pb2 import GetRiskModelRequest
    from vestibule.v1.risk_pb2_grpc import RiskServiceStub

    with connected(address) as channel:
        answer = RiskServiceStub(channel).GetRiskModel(GetRiskModelRequest(), timeout=CALL_TIMEOUT_S)
    if as_json:
        show_json(_model(answer))
    elif not answer.stages:
        click.echo(f"No model was learnt yet. {_next(answer)}")
    else:
        _show_model(answer)


def _show_risk(answer: pb.GetSessionRiskResponse) -> None:
    from server.funnel.types import Interval
    from server.funnel.wording import percent, percent_range

    found = answer.risk
    bounds = Interval(found.low, found.value, found.high)
    if answer.unknown:
        said = f"unknown: {WHY_UNKNOWN[_unknown(answer.unknown) or '']}"
    else:
        said = f"{percent(found.value)} ({percent_range(bounds)}), {_level(answer.level)}"
    learnt = f"{time_text(answer.train_time)}, from {_sessions(answer.session_count)}" if answer.session_count else ""
    fields = {"stage": answer.stage, "risk": said, "learnt": learnt}
    show_fields((name, value) for name, value in fields.items() if value)
    if answer.reasons:
        click.echo()
        show_table(REASON_COLUMNS, [(each.text, f"x {each.odds_ratio:.1f}", each.help) for each in answer.reasons])


def _show_model(answer: pb.GetRiskModelResponse) -> None:
    click.echo(
        f"Learnt {time_text(answer.train_time)} from {_sessions(answer.session_count)} opened from "
        f"{time_text(answer.begin_time)} to {time_text(answer.end_time)}.\n{_next(answer)}\n"
    )
    show_table(STAGE_COLUMNS, [_stage_row(stage) for stage in answer.stages])
    click.echo(HOW_COUNTED)
    for stage in answer.stages:
        if stage.check.groups:
            click.echo(f"\nCalibration in {stage.stage}: {_calibration(stage)}")
            rows = [_group_row(group) for group in stage.check.groups]
            show_table(GROUP_COLUMNS, [*rows, _group_row(stage.check.whole, "all together")])
    if any(stage.check.groups for stage in answer.stages):
        click.echo(f"\n{HOW_GROUPED}")


def _next(answer: pb.GetRiskModelResponse) -> str:
    """When the next model comes."""
    if not answer.HasField("next_train_time"):
        # A server from before this field leaves it out, too.
        return "No time of a next one is known: VESTIBULE_RISK__TRAIN_EVERY_H is 0, or the server is an older one."
    soon = ", or within an hour once there are far more sessions" if answer.stages else ""
    return f"The next one is learnt at {time_text(answer.next_train_time)}{soon}."


def _sessions(number: int) -> str:
    from server.languages.formats import Formats

    count = Formats("en").count(number)
    return f"{count} {count:session|sessions}"


def _calibration(stage: pb.RiskStage) -> str:
    groups = stage.check.groups
    outside = sum(group.outside for group in groups)
    noun = "group" if len(groups) == 1 else "groups"
    return f"of {len(groups)} {noun}, the predicted share lies outside its interval in {outside}"


def _group_row(group: pb.RiskGroup, what: str = "") -> tuple[object, ...]:
    from server.funnel.wording import percent

    shares = (group.predicted, group.abandoned.value, group.abandoned.low, group.abandoned.high)
    note = "outside" if group.outside else ""
    return (*map(percent, shares), group.session_count, ", ".join(filter(None, (what, note))))


def _stage_row(stage: pb.RiskStage) -> tuple[object, ...]:
    check = stage.check
    status = (_unknown(stage.unknown) or "given").replace("_", " ")
    row = (stage.stage, status, stage.session_count, stage.abandoned_count)
    if not stage.HasField("check"):
        return (*row, "", "", "", "", "")
    figures = (check.brier_score, check.base_brier_score, check.skill, check.auc)
    return (*row, check.session_count, *(f"{figure:.3f}" for figure in figures))


def _risk(answer: pb.GetSessionRiskResponse) -> dict[str, object]:
    return {
        "stage": answer.stage,
        "unknown": _unknown(answer.unknown),
        "risk": _estimate(answer.risk) if answer.HasField("risk") else None,
        "level": _level(answer.level),
        "reasons": [
            {"feature": each.feature, "text": each.text, "help": each.help, "odds_ratio": each.odds_ratio}
            for each in answer.reasons
        ],
        "train_time": time_json(answer.train_time) if answer.HasField("train_time") else None,
        "sessions": answer.session_count,
    }


def _model(answer: pb.GetRiskModelResponse) -> dict[str, object]:
    known = bool(answer.stages)
    return {
        "train_time": time_json(answer.train_time) if known else None,
        "begin_time": time_json(answer.begin_time) if known else None,
        "end_time": time_json(answer.end_time) if known else None,
        "next_train_time": time_json(answer.next_train_time) if answer.HasField("next_train_time") else None,
        "sessions": answer.session_count,
        "stages": [
            {
                "stage": stage.stage,
                "unknown": _unknown(stage.unknown),
                "sessions": stage.session_count,
                "abandoned": stage.abandoned_count,
                "check": _check(stage.check) if stage.HasField("check") else None,
            }
            for stage in answer.stages
        ],
    }


def _check(check: pb.RiskCheck) -> dict[str, object]:
    return {
        "sessions": check.session_count,
        "brier_score": check.brier_score,
        "base_brier_score": check.base_brier_score,
        "skill": check.skill,
        "auc": check.auc,
        "groups": [_group(group) for group in check.groups],
        "whole": _group(check.whole),
    }


def _group(group: pb.RiskGroup) -> dict[str, object]:
    return {
        "sessions": group.session_count,
        "predicted": group.predicted,
        "abandoned": _estimate(group.abandoned),
        "outside": group.outside,
    }


def _estimate(found: pb.RiskEstimate) -> dict[str, float]:
    return {"value": found.value, "low": found.low, "high": found.high}


def _unknown(value: pb.RiskUnknown.ValueType) -> str | None:
    """Why a risk is unknown, in lower case; None where it is known."""
    from vestibule.v1.risk_pb2 import RiskUnknown

    return RiskUnknown.Name(value).removeprefix("RISK_UNKNOWN_").lower() if value else None


def _level(value: pb.RiskLevel.ValueType) -> str | None:
    from vestibule.v1.risk_pb2 import RiskLevel

    return RiskLevel.Name(value).removeprefix("RISK_LEVEL_").lower() if value else None
