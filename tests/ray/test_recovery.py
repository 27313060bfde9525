"""Ray comes back by itself, whatever of it is killed, and calls that were under way get their answers."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import psutil
import pytest
import pytest_asyncio

from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.deployments import application_name
from ray_tasks.processes import users_of
from ray_tasks.ray_process import BEAT_S
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.supervisor import ClusterState, ClusterSupervisor
from ray_tasks.types import WorkerEnd, WorkerEndReason
from tests.eventually import eventually
from tests.ray.conftest import DATA, INSTALLATION, small_config
from tests.ray.test_lifecycle import gone

BACK_S = 120.0
NOTICED_S = 30.0
"""Longest time until a busy machine tells that a process has ended."""
METER = (DATA / "meter.jpg").read_bytes()

OWNER = """
import asyncio, pathlib, sys
from ray_tasks.supervisor import ClusterSupervisor
from tests.ray.conftest import small_config

async def main():
    cluster = ClusterSupervisor(small_config(pathlib.Path(sys.argv[1]), dashboard=False))
    await cluster.start()
    print("up", flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""


class Supervised:
    """A supervised cluster with the real workers."""

    def __init__(self, folder: Path) -> None:
        self._earlier = set(psutil.Process().children(recursive=True))
        self.states: list[ClusterState] = []
        self.worker_ends: list[WorkerEnd] = []
        self.cluster = ClusterSupervisor(
            small_config(folder, dashboard=False),
            observe=self.states.append,
            observe_worker=self.worker_ends.append,
        )
        self.gateway = SupervisedGateway(self.cluster)

    def processes(self) -> dict[str, psutil.Process]:
        """The processes of Ray by their titles, the process that owns it among them."""
        found = {}
        for process in psutil.Process().children(recursive=True):
            words = _words(process)
            if not words or process in self._earlier:  # it has ended, or is of another test
                continue
            owner = "ray_tasks.ray_process" in words
            found["owner" if owner else process.name() if not words[0].startswith("ray::") else words[0]] = process
        return found

    def kill(self, beginning: str) -> None:
        """Send SIGKILL to all processes whose title begins so."""
        victims = [process for title, process in self.processes().items() if title.startswith(beginning)]
        assert victims
        for process in victims:
            process.kill()

    async def redacted(self, timeout_s: float = BACK_S) -> str:
        """Have a sentence redacted."""
        [redaction] = await self.gateway.redact([RawText("I am John Carter")], RedactionContext(), timeout_s=timeout_s)
        return redaction.text.value


def _words(process: psutil.Process) -> list[str]:
    """Its command line; empty once it has ended."""
    try:
        return process.cmdline()
    except psutil.NoSuchProcess:
        return []


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def supervised(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Supervised]:
    made = Supervised(tmp_path_factory.mktemp("supervised"))
    try:
        await made.cluster.start()
        yield made
    finally:
        await made.cluster.stop()


@pytest.mark.asyncio(loop_scope="module")
async def test_a_killed_worker_is_told_with_its_time_and_reason(supervised: Supervised) -> None:
    title = f"ray::ServeReplica:{application_name(INSTALLATION, 'vision')}:"
    [victim] = [process for name, process in supervised.processes().items() if name.startswith(title)]
    await eventually(lambda: supervised.cluster.running == {"redaction": 1, "speech": 1, "vision": 1})
    killed = datetime.now(UTC)
    victim.kill()
    await eventually(lambda: bool(supervised.worker_ends))
    [end] = supervised.worker_ends
    assert (end.kind, end.reason, end.pid) == ("vision", WorkerEndReason.PROCESS_ENDED, victim.pid)
    assert abs((end.end_time - killed).total_seconds()) < NOTICED_S
    assert supervised.cluster.ready, "the cluster itself is not lost"
    await eventually(lambda: supervised.cluster.running == {"redaction": 1, "speech": 1, "vision": 0})
    await eventually(lambda: supervised.cluster.running["vision"] == 1, BACK_S)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("title", ["raylet", "gcs_server", "owner"])
async def test_a_killed_part_of_ray_brings_all_of_it_back(supervised: Supervised, title: str) -> None:
    """``make chaos`` kills all parts at once, too."""
    before = supervised.processes()
    restarts = supervised.cluster.state.restarts
    reading = asyncio.create_task(supervised.gateway.read_picture(METER, document_type="meter", timeout_s=2 * BACK_S))
    await asyncio.sleep(0.1)
    supervised.kill(title)
    await eventually(lambda: not supervised.cluster.ready)
    assert supervised.cluster.state.reason == "CLUSTER_LOST"
    assert await supervised.redacted() == "I am [REDACTED_NAME]"
    assert "WATER METER" in (await reading).text.value
    assert supervised.cluster.state.restarts == restarts + 1
    assert all(gone(process) for process in before.values())
    assert not set(before.values()) & set(users_of(Path(supervised.cluster.folder)))


@pytest.mark.asyncio(loop_scope="module")
async def test_a_killed_controller_is_started_again_by_ray_while_calls_go_on(supervised: Supervised) -> None:
    def controllers() -> set[psutil.Process]:
        return {p for title, p in supervised.processes().items() if title.startswith("ray::ServeController")}

    restarts, before = supervised.cluster.state.restarts, controllers()
    supervised.kill("ray::ServeController")
    assert await supervised.redacted() == "I am [REDACTED_NAME]"
    await eventually(lambda: controllers() - before, BACK_S)
    assert await supervised.redacted() == "I am [REDACTED_NAME]"
    assert supervised.cluster.state.restarts == restarts


async def test_a_killed_server_leaves_no_process_and_the_next_one_starts(tmp_path: Path) -> None:
    """The second time the process that owns Ray waits for a GCS that hangs."""
    for hangs in (False, True):
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-c", OWNER, str(tmp_path), stdout=subprocess.PIPE
        )
        assert server.stdout is not None
        assert await asyncio.wait_for(server.stdout.readline(), BACK_S)
        family = psutil.Process(server.pid).children(recursive=True)
        assert len(family) > 8
        if hangs:
            [gcs] = [process for process in family if process.name() == "gcs_server"]
            gcs.suspend()
            await asyncio.sleep(BEAT_S + 1.0)
        os.kill(server.pid, signal.SIGKILL)
        await server.wait()
    await eventually(lambda: all(gone(process) for process in family))
