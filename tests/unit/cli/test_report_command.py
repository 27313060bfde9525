"""`vestibule report`, over a real channel."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent import futures
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import report_pb2 as pb
from vestibule.v1 import report_pb2_grpc

from server.cli.main import cli

SENT = pb.ReportOutcome(channel=pb.REPORT_CHANNEL_FOLDER, sent=True, message="Sent.")
REFUSED = pb.ReportOutcome(
    channel=pb.REPORT_CHANNEL_MAIL,
    reason="REPORT_REFUSED",
    message="The mail server refuses the login with the status 535.",
)


class Answers(report_pb2_grpc.ReportServiceServicer):
    """Answers as a test wants."""

    def __init__(self) -> None:
        self.outcomes = [SENT, REFUSED]
        self.asked: Any = None

    def SendReport(self, request: Any, context: Any) -> pb.SendReportResponse:
        self.asked = request
        return pb.SendReportResponse(week="2026-W10", outcomes=self.outcomes)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    server = grpc.server(futures.ThreadPoolExecutor(1))
    servicer = Answers()
    report_pb2_grpc.add_ReportServiceServicer_to_server(servicer, server)
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}")
    monkeypatch.setenv("VESTIBULE_API_KEY", "vk_test")
    server.start()
    yield servicer
    server.stop(None).wait()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["report", "send", *arguments])


def test_a_test_says_what_became_of_it_through_each_channel(answers: Answers) -> None:
    done = run("--test")
    assert done.exit_code == 1, "one of them failed"
    assert done.stdout.startswith("Test of the report of 2026-W10:")
    rows = [[cell.strip() for cell in line.strip("| ").split("|")] for line in done.stdout.splitlines() if "|" in line]
    assert ["folder", "yes", "", "Sent."] in rows
    assert ["mail", "no", "REPORT_REFUSED", REFUSED.message] in rows
    assert (answers.asked.test, answers.asked.week, list(answers.asked.channels)) == (True, "", [])


def test_the_week_and_the_channels_are_asked_for(answers: Answers) -> None:
    answers.outcomes = [SENT]
    done = run("--week", "2026-W10", "--to", "mail", "--to", "folder", "--to", "mail", "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["outcomes"][0]["channel"] == "REPORT_CHANNEL_FOLDER"
    assert (answers.asked.test, answers.asked.week) == (False, "2026-W10")
    assert list(answers.asked.channels) == [pb.REPORT_CHANNEL_MAIL, pb.REPORT_CHANNEL_FOLDER]


def test_that_no_channel_is_set_is_no_success(answers: Answers) -> None:
    answers.outcomes = []
    done = run("--test")
    assert (done.exit_code, "No channel is set" in done.stdout) == (1, True)
