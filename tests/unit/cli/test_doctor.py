"""What `vestibule doctor` prints, and how it exits."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import server.doctor.run
from server.cli.main import cli
from server.doctor.checks import NamedCheck
from server.doctor.ports import check_ports
from server.doctor.results import Finding, Situation, ok, problem, warning


def doctor(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["doctor", *arguments])


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> list[Finding]:
    """What the checks find; a test fills it."""
    findings: list[Finding] = []
    checks = [NamedCheck("all", lambda _looked_at: findings)]
    monkeypatch.setattr(server.doctor.run.run_checks, "__defaults__", (checks, 60.0))
    return findings


def test_each_finding_is_a_line_with_what_to_do(found: list[Finding]) -> None:
    found += [ok("ports", "All are free."), warning("memory", "There is little.", "Buy more.")]
    result = doctor()
    assert result.exit_code == 0
    assert result.output.splitlines() == [
        "ok       ports   All are free.",
        "warning  memory  There is little. Buy more.",
        "",
        "Problems: 0. Warnings: 1.",
    ]


def test_a_problem_is_an_exit_code_of_1(found: list[Finding]) -> None:
    found += [ok("ports", "All are free."), problem("keys", "One is lost.", "Find it.")]
    assert doctor().exit_code == 1
    result = doctor("--json")
    assert result.exit_code == 1
    assert json.loads(result.output) == {
        "problems": 1,
        "warnings": 0,
        "findings": [
            {"level": "ok", "subject": "ports", "found": "All are free.", "hint": "", "reason": ""},
            {"level": "problem", "subject": "keys", "found": "One is lost.", "hint": "Find it.", "reason": ""},
        ],
    }


def test_the_options_are_those_of_serve(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    seen: list[Situation] = []
    checks = [NamedCheck("all", lambda looked_at: seen.append(looked_at) or [ok("x", "y")])]  # type: ignore[func-returns-value]
    monkeypatch.setattr(server.doctor.run.run_checks, "__defaults__", (checks, 60.0))
    given = ("--data-dir", str(tmp_path), "--ray-address", "127.0.0.1:6379", "--set", "speech.weights=whisper-tiny.en")
    assert doctor(*given).exit_code == 0
    assert seen[0].settings.data_dir == tmp_path
    assert seen[0].settings.ray.address == "127.0.0.1:6379"
    assert "whisper-tiny.en" in seen[0].weights


def test_settings_that_cannot_be_read_are_a_problem_and_their_values_are_not_shown() -> None:
    result = doctor("--json", "--set", "metrics_port=secret-value")
    assert result.exit_code == 1
    [finding] = json.loads(result.output)["findings"]
    assert (finding["level"], finding["subject"]) == ("problem", "settings")
    assert "VESTIBULE_METRICS_PORT" in finding["found"]
    assert "secret-value" not in result.output


def test_a_setting_that_does_not_exist_is_wrong_usage() -> None:
    assert doctor("--set", "no.such=1").exit_code == 2


def test_a_real_check_reaches_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server.doctor.run.run_checks, "__defaults__", ([NamedCheck("ports", check_ports)], 60.0))
    result = doctor("--address", "192.0.2.1:50051", "--json")
    found = json.loads(result.output)["findings"]
    assert {"port 50051 (gRPC)"} <= {each["subject"] for each in found if each["reason"] == "ADDRESS_INVALID"}
