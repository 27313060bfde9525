"""How `vestibule serve` says that it cannot start, and what an operator is told about breakers."""

from __future__ import annotations

import asyncio
import socket
from contextlib import AsyncExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import grpc.aio
import pytest
from click.testing import CliRunner
from vestibule.v1.admin_pb2 import ResetBreakerRequest

import server.app
import server.cli.weights
import server.settings
from models.errors import InternalError, NotFound, Unavailable, VestibuleError
from models.reasons import Reason
from server.cli.main import cli
from server.grpc_server import GrpcServer
from server.llm.assistant import llm_breaker
from server.observability.metrics import Metrics
from server.runtime.lifecycle import Lifecycle
from server.services import Services
from server.services.admin import AdminService
from server.settings import RedactionSettings, Settings


def test_a_wrong_setting_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert server.app.run(Settings(address="192.0.2.1:1", allow_plaintext=False)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "[PLAINTEXT_REFUSED]" in err


def test_a_wrong_policy_ends_the_start_before_anything_is_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    policies = tmp_path / "policies.yaml"
    policies.write_text("clients: {acme: {operators: {NAME: burn}}}", encoding="utf-8")
    settings = Settings(data_dir=tmp_path / "data", redaction=RedactionSettings(policy_file=policies))
    assert server.app.run(settings) == 1
    err = capsys.readouterr().err
    assert err.count("\n") == 1
    assert "clients.acme.operators.NAME" in err
    assert "burn" not in err
    assert "[POLICY_INVALID]" in err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("setting", ["data_dir", "state_dir"])
@pytest.mark.parametrize("name", ["file", "file/below"])
def test_a_folder_that_cannot_be_made_is_one_line(
    setting: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").touch()
    folders: dict[str, Any] = {"data_dir": tmp_path / "data", "state_dir": tmp_path / "state"}
    folders[setting] = tmp_path / name
    assert server.app.run(Settings(**folders)) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert "[FOLDER_UNUSABLE]" in err
    assert f"VESTIBULE_{setting.upper()}" in err


@pytest.mark.parametrize(
    ("error", "logged"),
    [
        (InternalError("Broken."), True),
        (Unavailable("No Ray.", reason=Reason.CLUSTER_UNAVAILABLE), True),
        (Unavailable("The address is in use.", reason=Reason.ADDRESS_IN_USE), False),
    ],
)
def test_a_failure_inside_is_logged_too(
    error: VestibuleError, logged: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def fails(settings: Settings) -> None:
        raise error

    monkeypatch.setattr(server.app, "_serve", fails)
    assert server.app.run(Settings()) == 1
    out, err = capsys.readouterr()
    assert ("server_failed" in out + err) is logged
    assert error.message in err


class NoServices:
    """Nothing is behind the gRPC port."""

    def add_to(self, server: grpc.aio.Server) -> None:
        """Nothing to add."""


def test_a_metrics_port_that_is_taken_ends_the_start_before_ray(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []

    async def build(settings: Settings, stack: AsyncExitStack) -> SimpleNamespace:
        async def sweep() -> int:
            return 0

        async def start(on_step: object) -> None:
            begun.append("ray")

        metrics = Metrics()
        listener = GrpcServer("127.0.0.1:0", cast(Services, NoServices()), Lifecycle(), metrics)
        cluster, intake = SimpleNamespace(start=start, stop=sweep), SimpleNamespace(sweep=sweep)
        return SimpleNamespace(intake=intake, listener=listener, metrics=metrics, cluster=cluster)

    monkeypatch.setattr(server.app, "build_parts", build)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert server.app.run(Settings(metrics_port=port)) == 1
    out, err = capsys.readouterr()
    assert (out, begun) == ("", [])
    assert err.startswith(f"The port {port} of the metrics is in use. [ADDRESS_IN_USE] ")
    assert err.count("\n") == 1


def test_an_unknown_breaker_is_answered_with_those_that_are_there() -> None:
    nothing = cast(Any, None)
    breaker = llm_breaker(failures=3, reset_s=1.0, successes=1, on_change=lambda change: None)
    service = AdminService(nothing, nothing, nothing, {"llm_api": breaker})
    with pytest.raises(NotFound) as caught:
        asyncio.run(service.ResetBreaker(ResetBreakerRequest(name="foo"), None))
    assert caught.value.hint == "There are: llm_api."


def test_a_misspelt_setting_is_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DRAIN", "5")
    monkeypatch.setattr(server.settings, "prepare_process", lambda: None)
    monkeypatch.setattr(server.cli.weights, "ensure_weights", lambda *_: None)
    monkeypatch.setattr(server.app, "run", lambda settings: 0)
    result = CliRunner().invoke(cli, ["serve"])
    assert result.exit_code == 0
    assert result.stderr == "Warning: VESTIBULE_DRAIN is no setting and is ignored. There is VESTIBULE_DRAIN_S.\n"
