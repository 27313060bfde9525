"""`vestibule risk`, over a real channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from datetime import UTC, datetime
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import risk_pb2 as pb
from vestibule.v1 import risk_pb2_grpc

from server.cli.main import cli
from server.cli.risk import WHY_UNKNOWN
from server.funnel.texts import load_texts
from server.risk.model import Group, RiskModel, StageModel, StageStatus, assess
from server.risk.texts import RiskTexts
from server.services.risk_messages import model_message, risk_message
from server.setting_groups.risk import RiskSettings
from tests.unit.risk.test_model import QUALITY, ready

NEXT = datetime(2026, 11, 30, 14, 5, tzinfo=UTC)
SESSION = "6f1c1c2e-6d1f-4c59-9f0e-0a9b4c5d6e7f"


class Answers(risk_pb2_grpc.RiskServiceServicer):
    """What the real service makes of a small model."""

    def __init__(self) -> None:
        little = StageModel(status=StageStatus.TOO_LITTLE_DATA, sessions=7, abandoned=3)
        made = ready()
        self.model: RiskModel | None = made.model_copy(update={"stages": {**made.stages, "IN_PROGRESS": little}})
        self.stage = "STARTED"
        self.next_time: datetime | None = NEXT

    def GetSessionRisk(self, request: Any, context: Any) -> pb.GetSessionRiskResponse:
        found = assess(self.model, self.stage, {"no_speech": 3.0, "language_spoken": "hi"})
        return risk_message(found, self.stage, self.model, RiskTexts(load_texts()), RiskSettings(), exact=True)

    def GetRiskModel(self, request: Any, context: Any) -> pb.GetRiskModelResponse:
        return model_message(self.model, self.next_time)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    risk_pb2_grpc.add_RiskServiceServicer_to_server(made, server)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield made
    server.stop(None).wait()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["risk", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_a_risk_is_shown_with_its_reasons(answers: Answers) -> None:
    shown = run("show", SESSION).stdout
    assert "83 % (76 to 89 %), high" in " ".join(shown.split())
    assert "from 900 sessions" in shown
    assert "no speech was recognized: 3 times" in shown
    assert "x 6.0" in shown
    found = json.loads(run("show", SESSION, "--json").stdout)
    assert (found["stage"], found["unknown"], found["level"], found["sessions"]) == ("STARTED", None, "high", 900)
    assert [each["feature"] for each in found["reasons"]] == ["no_speech", "language_spoken"]
    assert found["risk"]["low"] < found["risk"]["value"] < found["risk"]["high"]


def test_an_unknown_risk_says_why(answers: Answers) -> None:
    answers.stage = "IN_PROGRESS"
    assert "unknown: too few past sessions were abandoned" in " ".join(run("show", SESSION).stdout.split())
    found = json.loads(run("show", SESSION, "--json").stdout)
    assert (found["unknown"], found["risk"], found["level"], found["reasons"]) == ("too_little_data", None, None, [])


def test_every_reason_has_words() -> None:
    names = {name.removeprefix("RISK_UNKNOWN_").lower() for name in pb.RiskUnknown.keys()}  # noqa: SIM118 - an enum
    assert names - {"unspecified"} == WHY_UNKNOWN.keys()


def test_the_model_is_shown_with_its_calibration(answers: Answers) -> None:
    shown = run("model").stdout
    assert "from 1,000 sessions" in shown
    assert "learnt at 2026-11-30 14:05 UTC, or within an hour once there are far more sessions." in shown
    assert "too little data" in shown
    assert "Calibration in STARTED" in shown
    assert "Calibration in IN_PROGRESS" not in shown
    assert "of 2 groups, the predicted share lies outside its interval in 0" in shown
    assert "all together" in shown
    assert "A session counts in each group in which it has a moment" in shown
    found = json.loads(run("model", "--json").stdout)
    started, in_progress = found["stages"]
    assert started["check"]["skill"] == pytest.approx(0.2)
    assert [group["sessions"] for group in started["check"]["groups"]] == [100, 80]
    assert (in_progress["unknown"], in_progress["check"]) == ("too_little_data", None)


def test_a_group_outside_its_interval_is_marked(answers: Answers) -> None:
    off = Group(sessions=80, predicted=0.77, abandoned=0.66, low=0.60, high=0.72)
    quality = QUALITY.model_copy(update={"groups": (QUALITY.groups[0], off), "whole": off})
    answers.model = ready(status=StageStatus.NOT_CALIBRATED, formula=None, quality=quality)
    shown = run("model").stdout
    assert "not calibrated" in shown
    assert "of 2 groups, the predicted share lies outside its interval in 1" in shown
    first, second, whole = [line for line in shown.splitlines() if " % " in line and line.startswith("|")]
    assert "outside" not in first
    assert second.rstrip(" |").endswith("outside")
    assert "all together, outside" in whole
    [stage] = json.loads(run("model", "--json").stdout)["stages"]
    assert [group["outside"] for group in stage["check"]["groups"]] == [False, True]
    assert (stage["unknown"], stage["check"]["whole"]["outside"]) == ("not_calibrated", True)
    assert "unknown: on later sessions the risks were off" in " ".join(run("show", SESSION).stdout.split())


def test_an_ended_session_rests_on_nothing(answers: Answers) -> None:
    answers.stage = "COMPLETED"
    assert "learnt" not in run("show", SESSION).stdout


def test_without_a_model_the_command_says_so(answers: Answers) -> None:
    answers.model = None
    assert run("model").stdout == "No model was learnt yet. The next one is learnt at 2026-11-30 14:05 UTC.\n"
    answers.next_time = None
    said = " No time of a next one is known: VESTIBULE_RISK__TRAIN_EVERY_H is 0, or the server is an older one.\n"
    assert run("model").stdout.endswith(said)
    found = json.loads(run("model", "--json").stdout)
    assert found["next_train_time"] is None
    assert (found["train_time"], found["stages"]) == (None, [])
