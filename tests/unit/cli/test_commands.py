"""The commands that ask a running server, against a small gRPC server on loopback that answers from memory."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent import futures
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from click.testing import CliRunner, Result
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status
from pydantic import SecretStr
from vestibule.v1 import admin_pb2, admin_pb2_grpc, funnel_pb2, funnel_pb2_grpc, session_pb2, session_pb2_grpc
from vestibule.v1.common_pb2 import SESSION_STATE_COMPLETED

from server.analytics import client
from server.analytics.endpoint import AnalystEndpoint
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.cli.output import Failure
from server.operations import get_status
from server.setting_groups import QuackSettings
from tests.unit.ledger.migrated import open_ledger

OLDER = "a token"
OPEN, CLOSED = "0b0e5c1e-0000-4000-8000-000000000001", "0b0e5c1e-0000-4000-8000-000000000002"


class Admin(admin_pb2_grpc.AdminServiceServicer):
    """Two dead letters, one breaker, and the requests received."""

    def __init__(self) -> None:
        self.healthy = True
        self.asked: list[str] = []
        self.quack = ""

    def GetStatus(self, request: Any, context: Any) -> admin_pb2.GetStatusResponse:
        components = [
            admin_pb2.Component(name="speech", healthy=self.healthy, detail="ctranslate2 on cpu"),
            admin_pb2.Component(name="ledger", healthy=True),
            admin_pb2.Component(name="quack", healthy=True, detail=self.quack),
        ]
        policy = admin_pb2.RetryPolicy(name="llm_api", attempt_count=5, factor=3)
        policy.first_delay.FromSeconds(5)
        policy.longest_delay.FromSeconds(600)
        policy.total.FromMilliseconds(1_800_500)
        return admin_pb2.GetStatusResponse(
            version="1.2.3", components=components, open_job_count=7, retry_policies=[policy]
        )

    def ListDeadLetters(self, request: Any, context: Any) -> admin_pb2.ListDeadLettersResponse:
        """One letter a page, so that paging shows."""
        letters = [admin_pb2.DeadLetter(id=OPEN, kind="read_picture", reason="WORKER_LOST", attempts=6, open=True)]
        if request.include_closed:
            letters.append(admin_pb2.DeadLetter(id=CLOSED, kind="propose", reason="UPSTREAM_FAILED"))
        at = int(request.page_token or 0)
        following = str(at + 1) if at + 1 < len(letters) else ""
        return admin_pb2.ListDeadLettersResponse(dead_letters=[letters[at]], next_page_token=following)

    def RetryDeadLetter(self, request: Any, context: Any) -> admin_pb2.RetryDeadLetterResponse:
        raise NotImplementedError

    def GetDeadLetter(self, request: Any, context: Any) -> admin_pb2.GetDeadLetterResponse:
        raise NotImplementedError

    def RedriveDeadLetters(self, request: Any, context: Any) -> admin_pb2.RedriveDeadLettersResponse:
        raise NotImplementedError

    def DiscardDeadLetters(self, request: Any, context: Any) -> admin_pb2.DiscardDeadLettersResponse:
        raise NotImplementedError

    def Erase(self, request: Any, context: Any) -> admin_pb2.EraseResponse:
        if request.client_id != "old-app":
            return admin_pb2.EraseResponse()
        return admin_pb2.EraseResponse(erasure_id="" if request.dry_run else OPEN, session_count=2, turn_count=9)

    def DiscardDeadLetter(self, request: Any, context: Any) -> admin_pb2.DiscardDeadLetterResponse:
        raise NotImplementedError

    def ListBreakers(self, request: Any, context: Any) -> admin_pb2.ListBreakersResponse:
        return admin_pb2.ListBreakersResponse(breakers=[_breaker(admin_pb2.BREAKER_STATE_HALF_OPEN)])

    def ResetBreaker(self, request: Any, context: Any) -> admin_pb2.ResetBreakerResponse:
        self.asked.append(f"reset {request.name}")
        return admin_pb2.ResetBreakerResponse(breaker=_breaker(admin_pb2.BREAKER_STATE_CLOSED))

    def TripBreaker(self, request: Any, context: Any) -> admin_pb2.TripBreakerResponse:
        self.asked.append(f"trip {request.name}")
        breaker = _breaker(admin_pb2.BREAKER_STATE_OPEN)
        breaker.last_failure_time.FromJsonString("2026-11-27T09:00:00Z")
        breaker.last_failure_reason = "UPSTREAM_TIMEOUT"
        return admin_pb2.TripBreakerResponse(breaker=breaker)

    def ListAuditEntries(self, request: Any, context: Any) -> admin_pb2.ListAuditEntriesResponse:
        raise NotImplementedError

    def RotateSpoolKey(self, request: Any, context: Any) -> admin_pb2.RotateSpoolKeyResponse:
        raise NotImplementedError

    def HoldForBackup(self, request_iterator: Any, context: Any) -> Iterator[admin_pb2.HoldForBackupResponse]:
        raise NotImplementedError

    def GetSpeechModels(self, request: Any, context: Any) -> admin_pb2.GetSpeechModelsResponse:
        raise NotImplementedError

    def UseSpeechModel(self, request: Any, context: Any) -> admin_pb2.UseSpeechModelResponse:
        raise NotImplementedError

    def ShadowSpeechModel(self, request: Any, context: Any) -> admin_pb2.ShadowSpeechModelResponse:
        raise NotImplementedError

    def DiscardSpeechCandidate(self, request: Any, context: Any) -> admin_pb2.DiscardSpeechCandidateResponse:
        raise NotImplementedError

    def CompareSpeechModels(self, request: Any, context: Any) -> admin_pb2.CompareSpeechModelsResponse:
        raise NotImplementedError

    def VerifyAudit(self, request: Any, context: Any) -> admin_pb2.VerifyAuditResponse:
        raise NotImplementedError


def _breaker(state: admin_pb2.BreakerState.ValueType) -> admin_pb2.Breaker:
    breaker = admin_pb2.Breaker(name="llm_api", state=state, failure_count=1, failure_threshold=3)
    breaker.reset_timeout.FromSeconds(120)
    return breaker


class Funnel(funnel_pb2_grpc.FunnelServiceServicer):
    """Two stages."""

    def __init__(self) -> None:
        self.request = funnel_pb2.GetReportRequest()

    def GetReport(self, request: Any, context: Any) -> funnel_pb2.GetReportResponse:
        self.request = request
        second = funnel_pb2.FunnelStage(
            name="IN_PROGRESS",
            session_count=55,
            under_way_count=7,
            dropped_count=45,
            counted_count=100,
            drop_off_rate=0.45,
            drop_off=funnel_pb2.Estimate(value=0.45, low=0.36, high=0.55),
            severity=funnel_pb2.SEVERITY_HIGH,
        )
        second.median_time.FromMilliseconds(1500)
        found = funnel_pb2.GetReportResponse(stages=[funnel_pb2.FunnelStage(name="STARTED", session_count=100), second])
        if request.analyze:
            found.analysis.CopyFrom(_analysis())
        return found

    def ListFunnelSessions(self, request: Any, context: Any) -> funnel_pb2.ListFunnelSessionsResponse:
        raise NotImplementedError

    def GetSessionTimeline(self, request: Any, context: Any) -> funnel_pb2.GetSessionTimelineResponse:
        raise NotImplementedError

    def RecordEvents(self, request: Any, context: Any) -> funnel_pb2.RecordEventsResponse:
        raise NotImplementedError

    def DeclareEvents(self, request: Any, context: Any) -> funnel_pb2.DeclareEventsResponse:
        raise NotImplementedError

    def ListDeclaredEvents(self, request: Any, context: Any) -> funnel_pb2.ListDeclaredEventsResponse:
        raise NotImplementedError


def _analysis() -> funnel_pb2.FunnelAnalysis:
    rate = funnel_pb2.Estimate(value=0.45, low=0.36, high=0.55)
    step = funnel_pb2.DropOff(
        from_stage="STARTED",
        to_stage="IN_PROGRESS",
        entered_count=107,
        continued_count=55,
        dropped_count=45,
        waiting_count=7,
        drop_off_rate=rate,
        severity=funnel_pb2.SEVERITY_HIGH,
        categories=["ux", "content"],
    )
    return funnel_pb2.FunnelAnalysis(session_count=107, drop_offs=[step])


class Sessions(session_pb2_grpc.SessionServiceServicer):
    """One session; every other id is unknown."""

    def GetSession(self, request: Any, context: Any) -> session_pb2.GetSessionResponse:
        if request.session_id != OPEN:
            status = status_pb2.Status(code=grpc.StatusCode.NOT_FOUND.value[0], message="There is no such session.")
            info = error_details_pb2.ErrorInfo(reason="SESSION_NOT_FOUND", metadata={"hint": "Check the id."})
            status.details.add().Pack(info)
            context.abort_with_status(rpc_status.to_status(status))
        session = session_pb2.Session(id=OPEN, client_id="demo-app", state=SESSION_STATE_COMPLETED, turn_count=4)
        if request.upload_page_token == OLDER:
            session.uploads.add(id=CLOSED, media_type="image/png").text.value = "The first upload"
            return session_pb2.GetSessionResponse(session=session)
        session.uploads.add(id=CLOSED, media_type="image/jpeg").text.value = "[REDACTED_NAME] 08:15"
        session.recommendation.record.summary = "A visit."
        reading = session.recommendation.record.fields.add(name="meter_reading", value="04821")
        reading.findings.add(against=True, other_value="4831")
        return session_pb2.GetSessionResponse(session=session, next_upload_page_token=OLDER)

    def StartSession(self, request: Any, context: Any) -> session_pb2.StartSessionResponse:
        raise NotImplementedError

    def ListSessions(self, request: Any, context: Any) -> session_pb2.ListSessionsResponse:
        raise NotImplementedError

    def ListTurns(self, request: Any, context: Any) -> session_pb2.ListTurnsResponse:
        raise NotImplementedError

    def WatchSession(self, request: Any, context: Any) -> Any:
        raise NotImplementedError

    def AbandonSession(self, request: Any, context: Any) -> session_pb2.AbandonSessionResponse:
        raise NotImplementedError


admin, funnel = Admin(), Funnel()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(futures.ThreadPoolExecutor(2))
    admin_pb2_grpc.add_AdminServiceServicer_to_server(admin, server)
    funnel_pb2_grpc.add_FunnelServiceServicer_to_server(funnel, server)
    session_pb2_grpc.add_SessionServiceServicer_to_server(Sessions(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None).wait()


@pytest.fixture(autouse=True)
def fresh(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_ADDRESS", address)
    admin.healthy = True
    admin.asked.clear()


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, list(arguments))


def test_status() -> None:
    result = run("status")
    assert result.exit_code == 0
    assert "ctranslate2 on cpu" in result.stdout
    [policy] = [line.strip("| ").split("|") for line in result.stdout.splitlines() if "llm_api" in line]
    assert [cell.strip() for cell in policy] == ["llm_api", "5", "5 s", "3", "10 min", "30 min"]
    assert json.loads(run("status", "--json").stdout)["open_job_count"] == 7
    admin.healthy = False
    assert run("status").exit_code == 1, "a part that does not work is a failure"


def test_dead_letters_are_listed_over_all_pages() -> None:
    assert [row["id"] for row in json.loads(run("dlq", "list", "--json").stdout)] == [OPEN]
    assert [row["id"] for row in json.loads(run("dlq", "list", "--json", "--all").stdout)] == [OPEN, CLOSED]
    assert len(json.loads(run("dlq", "list", "--json", "--all", "--limit", "1").stdout)) == 1
    assert "WORKER_LOST" in run("dlq", "list").stdout


def test_a_session_says_how_to_see_its_events() -> None:
    assert f"vestibule sessions timeline {OPEN} shows what happened in it" in run("sessions", "show", OPEN).stderr
    assert run("sessions", "show", OPEN, "--json").stderr == ""


@pytest.mark.parametrize("command", ["dlq show", "dlq redrive", "dlq discard --reason x", "sessions show"])
def test_an_invalid_id_is_refused_before_any_call(command: str) -> None:
    wrong = run(*command.split(), "nonsense")
    assert wrong.exit_code == 2
    assert "'nonsense' is not a valid UUID" in wrong.stderr


def test_erasing_asks_first_and_names_one_target() -> None:
    counted = json.loads(run("erase", "--client", "old-app", "--dry-run", "--json").stdout)
    assert (counted["sessions"], counted["turns"], counted["erasure_id"]) == (2, 9, "")
    refused = CliRunner().invoke(cli, ["erase", "--client", "old-app"], input="n\n")
    assert refused.exit_code == 1
    assert "Aborted" in refused.stderr
    assert re.search(r"turns +\| +9 ", refused.stderr), "the counts come before the question"
    agreed = CliRunner().invoke(cli, ["erase", "--client", "old-app", "--json"], input="y\n")
    assert json.loads(agreed.stdout)["erasure_id"] == OPEN, "the question is no part of the document"
    unasked = CliRunner().invoke(cli, ["erase", "--client", "typo"])
    assert (unasked.exit_code, unasked.stdout) == (0, "Nothing is stored of this client.\n")
    told = json.loads(CliRunner().invoke(cli, ["erase", "--client", "typo", "--json"]).stdout)
    assert (told["dry_run"], told["sessions"]) == (True, 0), "nothing was there to ask about, so no erasure ran"
    assert f"Erasure {OPEN}." in run("erase", "--client", "old-app", "--yes").stdout
    nothing = run("erase", "--client", "typo", "--yes")
    assert (nothing.exit_code, nothing.stdout) == (0, "Nothing is stored of this client.\n")
    wrong = run("erase", "--subject-hash", "9f86", "--dry-run")
    assert (wrong.exit_code, "64 hexadecimal digits" in wrong.stderr) == (2, True)
    unknown = run("erase", "--subject-hash", "9f86" * 16, "--dry-run")
    assert (unknown.exit_code, unknown.stdout) == (0, "Nothing is stored of this person.\n")
    assert run("erase", "--yes").exit_code == 2
    assert run("erase", "--client", "a", "--session", OPEN, "--yes").exit_code == 2


def test_breakers() -> None:
    assert "half-open" in run("breakers").stdout
    (row,) = json.loads(run("breakers", "list", "--json").stdout)
    assert row == {
        "name": "llm_api",
        "state": "half-open",
        "failure_count": 1,
        "failure_threshold": 3,
        "reset_timeout_s": 120.0,
        "success_count": 0,
        "success_threshold": 0,
        "open_for_s": 0.0,
        "last_failure_time": None,
        "last_failure_reason": "",
    }
    assert "closed" in run("breakers", "reset", "llm_api").stdout
    tripped = run("breakers", "trip", "llm_api").stdout
    assert " open " in tripped
    assert "2026-11-27 09:00 UTC UPSTREAM_TIMEOUT" in tripped
    assert admin.asked == ["reset llm_api", "trip llm_api"]


def test_the_status_of_breakers_for_scripts(address: str) -> None:
    status = get_status(address)
    assert list(status) == ["llm_api"]
    assert (status["llm_api"]["state"], status["llm_api"]["failure_count"]) == ("half-open", 1)
    with pytest.raises(Failure) as failed:
        get_status("127.0.0.1:1")
    assert failed.value.reason == "UNAVAILABLE"


def test_breakers_take_the_address_before_or_after_the_subcommand(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VESTIBULE_ADDRESS", "127.0.0.1:1")
    assert "half-open" in run("breakers", "--address", address).stdout
    assert json.loads(run("breakers", "--address", address, "--json", "list").stdout)
    assert "closed" in run("breakers", "--address", address, "reset", "llm_api").stdout
    assert "closed" in run("breakers", "reset", "llm_api", "--address", address).stdout
    assert run("breakers").exit_code == 1


def test_sessions_read_the_ledger_of_the_named_server(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "quack.token").write_text("a-token-for-tests-0123")
    monkeypatch.setattr(admin, "quack", _served_detail(free_ports(1)[0], tmp_path))
    monkeypatch.setattr(client, "RESTART_S", 0.0)
    wrong = run("sessions", "list", "--address", address, "--state-dir", str(tmp_path))
    (port,) = re.findall(r"port (\d+)", admin.quack)
    assert f"No ledger answers at quack:localhost:{port}." in wrong.stderr
    monkeypatch.setattr(admin, "quack", "Turned off.")
    assert "has no endpoint for analysts" in run("sessions", "list", "--address", address).stderr


def _served_detail(port: int, folder: Path) -> str:
    """What the real endpoint says about itself."""
    ledger = open_ledger(folder / "ledger.duckdb")
    analysts = AnalystEndpoint(ledger, QuackSettings(enabled=True, port=port, token=SecretStr("")), folder)
    analysts.start()
    detail = analysts.component.detail
    analysts.stop()
    ledger.close()
    return detail


def test_funnel() -> None:
    result = run("funnel", "--from", "2026-11-01", "--to", "2026-12-01T10:00:00+0200", "--client", "site-7", "--json")
    first, second = json.loads(result.stdout)
    assert (first["median_s"], first["severity"]) == (None, None)
    assert second == {
        "stage": "IN_PROGRESS",
        "sessions": 55,
        "under_way": 7,
        "dropped": 45,
        "counted": 100,
        "drop_off_rate": 0.45,
        "low": 0.36,
        "high": 0.55,
        "median_s": 1.5,
        "severity": "high",
        "conversion": None,
    }
    assert funnel.request.client_id == "site-7"
    assert funnel.request.start_time.ToJsonString() == "2026-11-01T00:00:00Z"
    assert funnel.request.end_time.ToJsonString() == "2026-12-01T08:00:00Z"
    assert "IN_PROGRESS" in run("funnel").stdout
    assert not funnel.request.HasField("start_time")


def test_funnel_of_steps() -> None:
    steps = "camera_opened, photo_taken,COMPLETED"
    assert run("funnel", "--steps", steps, "--window", "90m", "--order", "strict").exit_code == 0
    assert list(funnel.request.steps) == ["camera_opened", "photo_taken", "COMPLETED"]
    assert funnel.request.window.ToTimedelta() == timedelta(minutes=90)
    assert funnel.request.order == funnel_pb2.FUNNEL_ORDER_STRICT
    assert run("funnel", "--steps", steps, "--optional", "photo_taken", "--by", "lens", "--json").exit_code == 0
    assert (funnel.request.step_rules[0].position, funnel.request.breakdown.key) == (2, "lens")
    assert run("funnel", "--every", "week", "report").exit_code == 2
    for wrong in (
        ("--window", "1d"),
        ("--order", "any"),
        ("--attempt", "last"),
    ):
        assert run("funnel", *wrong).exit_code == 2, wrong


@pytest.mark.parametrize("command", [["funnel"], ["funnel", "report"]])
@pytest.mark.parametrize(
    ("steps", "told"),
    [
        ("", "--steps is empty."),
        (" , ", "--steps is empty."),
        ("a,", "a comma with no name before or after it"),
        ("a,b, a", "--steps has a twice."),
        ("a,Cart", "Cart is no step: a step is the name of an event, of small letters"),
        ("it's", "it's is no step"),
        (",".join("abcdefghijklm"), "--steps has 13 names."),
    ],
)
def test_what_is_wrong_with_steps_is_said(command: list[str], steps: str, told: str) -> None:
    result = run(*command, "--steps", steps)
    assert result.exit_code == 2
    assert told in " ".join(result.stderr.split())


def test_an_excluded_step_is_named() -> None:
    result = run("funnel", "--steps", "cart,pay", "--exclude", "pay")
    assert result.exit_code == 2
    assert "--exclude takes no step, and pay is one of the --steps." in result.stderr


def test_the_report_of_a_server() -> None:
    result = run("funnel", "report", "--client", "site-7", "--json")
    [step] = json.loads(result.stdout)["drop_offs"]
    assert (step["dropped"], step["waiting"], step["severity"], step["category"]) == (45, 7, "high", "ux")
    assert (funnel.request.analyze, funnel.request.client_id) == (True, "site-7")
    assert "45 % (36 to 55 %), 45 of 100 sessions" in " ".join(run("funnel", "report").stdout.split())


@pytest.mark.parametrize(("start", "end"), [("2030-01-01", "2020-01-01"), ("2026-11-01", "2026-11-01T01:00:00+0200")])
def test_a_period_that_ends_before_it_begins_is_refused(start: str, end: str) -> None:
    result = run("funnel", "--from", start, "--to", end)
    assert result.exit_code == 2
    assert "--from must be before --to." in result.stderr


def test_one_session() -> None:
    shown = run("sessions", "show", OPEN).stdout
    for part in (
        "COMPLETED",
        "demo-app",
        "[REDACTED_NAME] 08:15",
        "A visit.",
        "The sources differ: meter reading 04821 or 4831. Check which is right.",
    ):
        assert part in shown
    shown = json.loads(run("sessions", "show", OPEN, "--json").stdout)
    assert shown["turn_count"] == 4
    assert [upload["text"]["value"] for upload in shown["uploads"]] == ["The first upload", "[REDACTED_NAME] 08:15"]


def test_an_error_of_the_server_is_shown_with_reason_and_hint() -> None:
    result = run("sessions", "show", CLOSED)
    assert result.exit_code == 1
    assert result.stderr == "Error: There is no such session. [SESSION_NOT_FOUND]\nHint: Check the id.\n"


def test_a_missing_server_is_one_clear_error() -> None:
    result = run("status", "--address", "127.0.0.1:1")
    assert result.exit_code == 1
    assert "vestibule serve" in result.stderr
