"""The server that the tests from end to end start."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from server.cli.demo.processes import Child
from server.cli.output import Failure
from tests.e2e import harness


def test_a_server_that_never_gets_ready_is_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Child] = []
    start = Child.start

    def waiting(name: str, _arguments: list[str], log: Path, _environment: Mapping[str, str] | None) -> Child:
        started.append(start(name, ["-c", "import signal; signal.pause()"], log))
        return started[0]

    monkeypatch.setattr(Child, "start", waiting)
    monkeypatch.setattr(harness, "serving", lambda _address, _tls: False)
    monkeypatch.setattr(harness, "READY_TIMEOUT_S", 0.0)
    with pytest.raises(Failure, match="not ready"):
        harness.start_server(tmp_path)
    assert not started[0].alive
