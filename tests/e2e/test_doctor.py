"""`vestibule doctor` beside a real server, and after its end."""

from __future__ import annotations

import hashlib
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest

from models.child_python import child_python
from tests.e2e.harness import Server, start_server, stop_server

pytestmark = pytest.mark.e2e


def doctor(server: Server, *assignments: str) -> tuple[int, dict[str, dict[str, Any]]]:
    """Run the command with the server's own options; returns the exit code, and the findings by subject."""
    arguments = ["-m", "server.cli", "doctor", "--json", "--address", server.address]
    arguments += ["--data-dir", str(server.home / "data"), "--state-dir", str(server.home / "state")]
    for each in (f"quack.port={server.quack_port}", "metrics_port=0", "console.enabled=false", *assignments):
        arguments += ["--set", each]
    run = subprocess.run(child_python(*arguments), capture_output=True, text=True, check=False, timeout=120)
    assert run.stderr == ""
    report = json.loads(run.stdout)
    found = {each["subject"]: each for each in report["findings"]}
    assert report["problems"] == sum(each["level"] == "problem" for each in report["findings"])
    return run.returncode, found


def test_beside_the_server_and_after_it(home: Path) -> None:
    server = start_server(home, "ray.dashboard_port=0", dashboard=True)
    grpc_port, pid = server.address.rpartition(":")[2], server.child.process.pid
    try:
        code, found = doctor(server, "ray.dashboard_port=0")
        assert code == 0, found
        for subject in (f"port {grpc_port} (gRPC)", f"port {server.quack_port} (analysts)", "ledger"):
            assert found[subject]["level"] == "ok"
            assert f"process {pid}" in found[subject]["found"]
        assert found["keys"]["level"] == "ok"
        assert found["weights"]["level"] == "ok"

        server.terminate()
        before = contents(home / "data")
        code, found = doctor(server, "ray.dashboard_port=0")
        assert code == 0, found
        assert found[f"port {grpc_port} (gRPC)"]["found"] == "It is free."
        assert "has schema" in found["ledger"]["found"]
        assert contents(home / "data") == before

        (home / "state" / "audit.key").chmod(0o644)
        code, found = doctor(server, "ray.dashboard_port=0")
        assert (code, found["keys"]["level"]) == (1, "problem")
    finally:
        stop_server(server)


def contents(folder: Path) -> dict[str, str]:
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
