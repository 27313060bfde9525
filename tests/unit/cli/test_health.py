"""`vestibule health`, against the real health service of gRPC on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent import futures
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner, Result
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import HealthServicer

from server.cli.main import cli

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[HealthServicer]:
    """What the server at VESTIBULE_ADDRESS answers. It is asked as from within its container."""
    server = grpc.server(futures.ThreadPoolExecutor(1))
    health = HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    monkeypatch.setenv("VESTIBULE_ADDRESS", f"0.0.0.0:{port}")
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path))
    yield health
    server.stop(None)


def run() -> Result:
    """Run the command."""
    return CliRunner().invoke(cli, ["health"])


def test_a_server_that_takes_calls_is_healthy(answers: HealthServicer) -> None:
    answers.set("", SERVING)
    done = run()
    assert (done.exit_code, done.output) == (0, "SERVING\n")


def test_a_server_that_starts_or_mends_itself_is_not(answers: HealthServicer) -> None:
    answers.set("", NOT_SERVING)
    healthy = run()
    assert healthy.exit_code == 1
    assert "The server answers NOT_SERVING." in healthy.output
    assert "`vestibule status`" in healthy.output


def test_nor_is_one_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_ADDRESS", "127.0.0.1:1")
    done = run()
    assert done.exit_code == 1
    assert "No server answers at 127.0.0.1:1." in done.output


def test_it_sends_no_key(answers: HealthServicer, monkeypatch: pytest.MonkeyPatch) -> None:
    answers.set("", SERVING)
    sent: list[str] = []
    check = answers.Check

    def listening(request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext) -> object:
        sent.extend(str(name) for name, _ in context.invocation_metadata())
        return check(request, context)

    monkeypatch.setattr(answers, "Check", listening)
    monkeypatch.setenv("VESTIBULE_API_KEY", "vst_of_an_app")
    assert run().exit_code == 0
    assert "authorization" not in sent
