"""What a new user does first: the demo, the examples of the documentation, and the command line on a running server."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import uuid
from collections.abc import Sequence
from pathlib import Path

import psutil
import pytest

from server.cli.demo.planted import METER, REGISTER, VISITS, Medium, data_folder, planted_media
from tests.e2e.harness import Server
from tests.e2e.outages import HEALTHY_AFTER

pytestmark = pytest.mark.e2e
ROOT = Path(__file__).resolve().parents[2]
DEMO_TIMEOUT_S = 480
ENDED_S = 5
"""Longest time until the system has removed a process that the demo has killed."""
QUICK = "CI" in os.environ and "NIGHTLY" not in os.environ
"""In CI the voices in noise are for the night: each takes two minutes, and they differ in the recording alone."""
PROVED = "Every value was replaced where it was said, and none was found anywhere."


def vestibule(
    *arguments: str, at: Server | None = None, timeout_s: float = 120, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "server.cli", *arguments]
    variables = os.environ | environment | (at_home(at) if at else {})
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s, check=False, env=variables
    )


@pytest.mark.timeout(DEMO_TIMEOUT_S + 30)
@pytest.mark.parametrize("visit", list(VISITS)[:1] if QUICK else VISITS)
def test_the_demo_runs_proves_and_stops(tmp_path: Path, visit: str) -> None:
    mark = str(uuid.uuid4())
    arguments = ("demo", "--visit", visit, "--output", str(tmp_path / "out"))
    done = vestibule(*arguments, timeout_s=DEMO_TIMEOUT_S, DEMO_TEST_RUN=mark)
    assert done.returncode == 0, done.stdout + done.stderr
    labelled = "labels from the stand-in for a vision upstream"
    for said in ("[REDACTED_NAME]", labelled, "session COMPLETED", "written by the stand-in", PROVED, "Done after"):
        assert said in done.stdout
    for gone in ("ATTACH 'quack:", "TOKEN", "Ray dashboard"):
        assert gone not in done.stdout, "it ends with the run"
    before_proof, proof = done.stdout.split("Proof: ")
    assert re.search(r"pictures that it received, read again +\| 2 pictures", proof)
    media = planted_media(data_folder(VISITS[visit]), (*VISITS[visit], REGISTER, METER))
    assert [
        v.value for medium in media for v in medium.values if v.type == "NAME" and v.value.split()[-1] in before_proof
    ] == []
    check_table(proof, media)
    assert {p.name for p in (tmp_path / "out").iterdir()} == {"register-redacted.jpg", "meter-redacted.jpg"}
    assert re.search(r"The first answer began [\d.]+ s", done.stdout)
    _, left = psutil.wait_procs([p for p in psutil.process_iter() if _has_in_environment(p, mark)], ENDED_S)
    assert left == []


def check_table(proof: str, media: Sequence[Medium]) -> None:
    """Each planted value has a row that says what was heard of it, and the tag in it is the expected one.

    In noise a misheard number may have the tag of another type.
    """
    rows = [[cell.strip() for cell in line.strip(" |").split(" | ")] for line in proof.splitlines() if " | " in line]
    names = [medium.name for medium in media]
    spoken = [medium.name for medium in media if any(value.spoken for value in medium.values)]
    assert all(row[2] for row in rows if row[0] in spoken)
    noisy = {medium.name for medium in media if medium.noisy}
    tags = [(row[-2], row[-1]) for row in rows if row[0] in names]
    assert len(tags) == sum(len(medium.values) for medium in media)
    assert "none" not in {found for _, found in tags}
    assert [row for row in rows if row[0] in names and row[0] not in noisy and row[-2] not in row[-1].split()] == []


def _has_in_environment(process: psutil.Process, mark: str) -> bool:
    """Whether the run with this mark started the process, directly or through others."""
    try:
        return mark in process.environ().values()
    except psutil.Error:
        return False


def test_the_python_example_runs_as_it_stands(server: Server) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    assert code.count('"127.0.0.1:50051"') == 1
    code = code.replace('"127.0.0.1:50051"', repr(server.address))
    made = vestibule("keys", "create", "--scope", "app", "--client", "my-app", at=server)
    assert made.returncode == 0, made.stderr
    variables = os.environ | {"VESTIBULE_API_KEY": made.stdout.strip()}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False, env=variables
    )
    assert done.returncode == 0, done.stderr
    assert re.search(r"^said: +I am \[REDACTED_NAME\]", done.stdout, re.MULTILINE)
    assert re.search(r"^reply: \S", done.stdout, re.MULTILINE)
    assert "Lopez" not in done.stdout


def test_the_command_line_asks_the_running_server(server: Server) -> None:
    for _ in range(HEALTHY_AFTER):  # a busy machine is late to answer for a part
        told = json.loads(vestibule("status", "--json", "--address", server.address, at=server).stdout)
        parts = {part["name"]: part["healthy"] for part in told["components"]}
        if all(parts.values()):
            break
    assert {"speech", "vision", "redaction", "ledger", "quack"} <= set(parts)
    assert all(parts.values()), parts
    stages = json.loads(vestibule("funnel", "--json", at=server).stdout)
    assert [s["stage"] for s in stages] == ["STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED"]
    assert json.loads(vestibule("breakers", "list", "--json", at=server).stdout)[0]["name"] == "llm_api"
    assert json.loads(vestibule("dlq", "list", "--json", at=server).stdout) == []
    missing = vestibule("sessions", "show", "00000000-0000-4000-8000-000000000000", at=server)
    assert missing.returncode == 1
    assert "[SESSION_NOT_FOUND]" in missing.stderr
    wrong = vestibule("sessions", "show", "nonsense", at=server)
    assert wrong.returncode == 2
    assert "not a valid UUID" in wrong.stderr


def at_home(server: Server) -> dict[str, str]:
    """Variables that point a command at the server."""
    return {"VESTIBULE_ADDRESS": server.address, "VESTIBULE_STATE_DIR": str(server.state_dir)}
