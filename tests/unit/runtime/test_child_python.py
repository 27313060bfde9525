"""No child runs a file of the folder in which the server was started."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from models.child_python import child_python
from models.errors import Unavailable
from ray_tasks import ray_child
from ray_tasks.ray_child import RayChildProcess
from ray_tasks.types import ClusterConfig, SpeechModels, WorkerConfig
from server.analytics.channel import spawn
from server.cli.demo.processes import Child, output_of
from server.risk import fit_process
from server.sandbox.process import ForkServerProcess

PATIENCE_S = 60.0
TRAP = "from pathlib import Path\nPath(__file__).with_name('ran.txt').write_text(__name__)\nraise ImportError"
NAMES = ("asyncio", "click", "duckdb", "models", "numpy", "server")
CONFIG = ClusterConfig(WorkerConfig(), WorkerConfig(), WorkerConfig(), "weights", "carry.key", "0123456789ab", "state")


@pytest.fixture
def ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Traps in the working folder; returns the files that say that one ran."""
    folders = [tmp_path, tmp_path / "google", tmp_path / "ray_tasks"]
    for folder in folders:
        folder.mkdir(exist_ok=True)
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(TRAP)
    for folder in folders[1:]:
        (folder / "__init__.py").write_text(TRAP)
    monkeypatch.chdir(tmp_path)
    return [folder / "ran.txt" for folder in folders]


def none_of(ran: list[Path]) -> bool:
    return not any(file.exists() for file in ran)


def test_the_traps_work(ran: list[Path]) -> None:
    [executable, _safe, *_] = child_python()
    subprocess.run([executable, "-m", "models.child_python"], stderr=subprocess.DEVNULL, check=False)
    assert not none_of(ran)


@pytest.mark.parametrize("module", ["server.cli", "server.cli.demo.llm_server"])
def test_a_command_of_the_demo_runs_no_trap(ran: list[Path], tmp_path: Path, module: str) -> None:
    assert "Usage" in output_of(["-m", module, "--help"], PATIENCE_S, "It failed") or module != "server.cli"
    child = Child.start("command", ["-m", module, "--help"], tmp_path / "log")
    assert child.process.wait(PATIENCE_S) == 0
    assert none_of(ran)


def test_a_process_of_the_endpoint_for_sql_runs_no_trap(ran: list[Path]) -> None:
    process, ours = spawn("server.analytics.endpoint_process")
    ours.close()
    process.wait(PATIENCE_S)
    assert none_of(ran)


def test_the_fork_server_of_the_decoders_runs_no_trap(ran: list[Path]) -> None:
    server = ForkServerProcess(lambda _signal: None)
    server.start()
    server.close()
    assert none_of(ran)


async def test_the_process_that_learns_the_risk_runs_no_trap(ran: list[Path]) -> None:
    assert await fit_process._answer(b"no message", PATIENCE_S) == b""
    assert none_of(ran)


async def test_the_process_that_owns_ray_runs_no_trap(ran: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ray_child, "MODULE", "ray_tasks.process_messages")  # starts no Ray, and ends
    child = await RayChildProcess.launch()
    with pytest.raises(Unavailable):
        await child.start(CONFIG, SpeechModels(), lambda _step: None, lambda _end: None)
    await child.kill()
    assert none_of(ran)
