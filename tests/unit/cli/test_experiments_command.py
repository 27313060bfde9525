"""`vestibule experiments`, over a real channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from dataclasses import replace
from datetime import timedelta
from typing import Any

import grpc
import numpy as np
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import experiment_pb2 as pb
from vestibule.v1 import experiment_pb2_grpc

from server.cli.main import cli
from server.experiments.planning import Plan
from server.experiments.reading import Traffic, VariantSessions
from server.experiments.report import build_report
from server.experiments.types import Changes, Variant
from server.services.experiment_messages import experiment_message, plan_message, report_message
from tests.unit.experiments.filled import FLOW
from tests.unit.ledger.makers import NOW

SHORT = replace(FLOW, variants=(Variant("old"), Variant("new", 1, Changes(0.4))), end=NOW + timedelta(days=1))

WEEKS = NOW - timedelta(days=28), NOW


def sessions(number: int, completed: int) -> VariantSessions:
    flags, nothing = (np.arange(number) < completed).astype(float), np.zeros(number)
    unknown = np.full(number, np.nan)
    took = np.arange(number) / 100
    return VariantSessions(number, 0, flags, nothing + 2, nothing, took, nothing, nothing, unknown, unknown, nothing)


class Answers(experiment_pb2_grpc.ExperimentServiceServicer):
    """What the real service makes of a few sessions."""

    def __init__(self) -> None:
        self.counts = ((1000, 400), (1000, 550))
        self.traffic = Traffic(0.4, 250.0, 7000, *WEEKS)
        self.asked: Any = None
        self.experiment = SHORT

    def ListExperiments(self, request: Any, context: Any) -> pb.ListExperimentsResponse:
        return pb.ListExperimentsResponse(experiments=[experiment_message(self.experiment, NOW)])

    def GetExperimentReport(self, request: Any, context: Any) -> pb.GetExperimentReportResponse:
        self.asked = request
        report = build_report(self.experiment, [sessions(*counts) for counts in self.counts])
        return report_message(report, experiment_message(self.experiment, NOW))

    def PlanExperiment(self, request: Any, context: Any) -> pb.PlanExperimentResponse:
        self.asked = request
        return plan_message(self.traffic, Plan(5877, 3069, 24.5) if self.traffic.sessions else None)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server, made = grpc.server(futures.ThreadPoolExecutor(1)), Answers()
    experiment_pb2_grpc.add_ExperimentServiceServicer_to_server(made, server)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    server.start()
    yield made
    server.stop(None).wait()


def run(*arguments: str) -> Result:
    result = CliRunner().invoke(cli, ["experiments", *arguments])
    assert result.exit_code == 0, result.output
    return result


def test_the_list_names_experiments_and_variants(answers: Answers) -> None:
    shown = run("list").stdout
    assert "| flow " in shown
    assert "old (1), new (1)" in shown
    [listed] = json.loads(run("list", "--json").stdout)
    assert (listed["name"], listed["running"], listed["clients"]) == ("flow", True, [])
    assert [each["end_silence_s"] for each in listed["variants"]] == [None, 0.4]
    assert listed["end"] == "2026-03-02T12:00:00Z"


@pytest.mark.parametrize(
    ("start", "end", "state"),
    [(-30, None, "running"), (-30, 1, "running"), (-30, 0, "ended"), (-30, -1, "ended"), (1, 2, "not begun")],
)
def test_the_list_tells_ended_from_not_begun(answers: Answers, start: int, end: int | None, state: str) -> None:
    last = None if end is None else NOW + timedelta(days=end)
    answers.experiment = replace(SHORT, start=NOW + timedelta(days=start), end=last)
    assert f"| {state} " in run("list").stdout
    [listed] = json.loads(run("list", "--json").stdout)
    assert (listed["running"], listed["ended"]) == (state == "running", state == "ended")
    assert ("The experiment ended at" in run("report", "flow").stdout) is (state == "ended")


def test_a_report_has_tables_and_a_verdict(answers: Answers) -> None:
    lines = run("report", "flow").stdout.splitlines()
    assert answers.asked.name == "flow"
    assert lines[0].startswith("No fault was found in the split: the variants have 1,000 and 1,000 sessions")
    [new] = [line for line in lines if line.startswith("| new") and "55.0 %" in line]
    assert [cell.strip() for cell in new.strip("|").split("|")] == [
        "new", "1000", "1000", "550", "55.0 %", "+15.00", "+8.22", "+21.78",
    ]  # fmt: skip
    [unsafe] = [line for line in lines if "unsafe_texts" in line]
    assert [cell.strip() for cell in unsafe.strip("|").split("|")][2:5] == ["0.00", "0.00", "+0.00"]
    [failed] = [line for line in lines if "failed_uploads" in line]
    assert [cell.strip() for cell in failed.strip("|").split("|")][2:7] == [""] * 5
    assert lines[-1].startswith("new is better than old. Its sessions are completed more often, by 8.2 to 21.8 points.")


def test_a_report_as_json_has_no_infinity(answers: Answers) -> None:
    answers.counts = ((100, 40), (100, 55))
    told = json.loads(run("report", "flow", "--json").stdout, parse_constant=pytest.fail)
    old, new = told["variants"]
    assert (old["verdict"], old["change"], new["verdict"]) == ("control", None, "not_known")
    guardrails = {each["name"]: each for each in new["guardrails"]}
    assert guardrails["final_delay_s"]["change"]["estimate"] == 0
    assert guardrails["failed_uploads"] | {"sentence": ""} == {
        "name": "failed_uploads", "value": None, "control_value": None, "change": None, "tolerance": 0.02,
        "verdict": "too_little_data", "sentence": "",
    }  # fmt: skip


def test_a_wrong_split_comes_first(answers: Answers) -> None:
    answers.counts = ((600, 300), (400, 300))
    lines = run("report", "flow").stdout.splitlines()
    assert lines[0].startswith("The split is wrong: the variants have 600 and 400 sessions, 500 and 500 were meant.")
    assert lines[-1] == "No verdict on new: the split is wrong."


def test_a_plan_tells_sessions_and_days(answers: Answers) -> None:
    told = json.loads(run("plan", "--effect", "5", "--share", "10", "--counts-after", "2h", "--json").stdout)
    assert told == {
        "rate": 0.4, "sessions_per_day": 250.0, "observed_sessions": 7000, "sessions": 5877,
        "sessions_single_look": 3069, "days": 24.5,
        "observed_from": "2026-02-01T12:00:00Z", "observed_to": "2026-03-01T12:00:00Z",
    }  # fmt: skip
    assert (answers.asked.effect, answers.asked.share) == pytest.approx((0.05, 0.1))
    assert answers.asked.counts_after.ToTimedelta() == timedelta(hours=2)
    assert not answers.asked.HasField("power")
    sentences = run("plan", "--effect", "5", "--variants", "3").stdout
    assert answers.asked.variant_count == 3
    assert "Finding a change of 5 points needs 5,877 sessions of all 3 variants: 24.5 days." in sentences
    sentences = run("plan", "--effect", "5").stdout
    assert answers.asked.variant_count == 2
    assert "Finding a change of 5 points needs 5,877 sessions of both variants: 24.5 days." in sentences
    assert "once, at the end, needs 3,069." in sentences
    assert "Today 40.0 % of sessions are completed, and 250.0 are opened in a day." in sentences
    assert "7,000 sessions, opened from 2026-02-01 12:00 UTC to 2026-03-01 12:00 UTC." in sentences


def test_a_plan_without_sessions_says_so(answers: Answers) -> None:
    answers.traffic = Traffic(0.0, 0.0, 0, *WEEKS)
    assert run("plan", "--effect", "5").stdout.startswith("Nothing is known yet")
    told = json.loads(run("plan", "--effect", "5", "--json").stdout)
    assert (told["rate"], told["sessions"], told["days"]) == (None, None, None)
