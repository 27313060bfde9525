"""Clusters that end, or never come up."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Final

import psutil
import pytest
import ray
from ray.exceptions import RaySystemError

from models.errors import InvalidInput, Unavailable, WeightsError
from ray_tasks.auth_token import require_token
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from ray_tasks.processes import end, with_descendants
from server.cli.demo.processes import free_ports
from tests.eventually import eventually
from tests.ray.conftest import small_config

STOPS_S: Final = 30.0
"""Longest stop on a machine that is busy with other tests."""

STARTS_AND_WAITS = """
import asyncio, pathlib, sys
from ray_tasks.cluster import Cluster
from tests.ray.conftest import small_config

async def main():
    cluster = Cluster(small_config(pathlib.Path(sys.argv[1]), dashboard=False))
    await cluster.connect()
    print(*[process.pid for process in cluster.processes()], flush=True)
    await asyncio.Event().wait()

asyncio.run(main())
"""

JOINS_AND_LEAVES = """
import asyncio, pathlib, sys
from ray_tasks.cluster import Cluster
from tests.ray.conftest import small_config

async def main():
    folder, address, no_token = sys.argv[1:]
    cluster = Cluster(small_config(pathlib.Path(folder), address=address, allow_no_token=no_token == "allowed"))
    await cluster.connect()
    print(len(cluster.processes()), flush=True)
    await cluster.stop()

asyncio.run(main())
"""

STOPS_WHILE_IT_STARTS = """
import asyncio, contextlib, os, pathlib, sys, time
from ray_tasks.cluster import Cluster
from tests.eventually import eventually
from tests.ray.conftest import small_config

async def main():
    cluster = Cluster(small_config(pathlib.Path(sys.argv[1]), dashboard=False))
    starting = asyncio.create_task(cluster.start())
    await eventually(lambda: len(cluster.processes()) > 1)
    print(*[process.pid for process in cluster.processes()], flush=True)
    starting.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await starting
    began = time.monotonic()
    await cluster.stop()
    print(time.monotonic() - began, flush=True)

asyncio.run(main())
os._exit(0)  # as the process that owns Ray does, without what Ray's native code does at an exit
"""

LOSES_ITS_NODE = """
import asyncio, os, pathlib, sys, time
from models.errors import Unavailable
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from tests.eventually import eventually
from tests.ray.conftest import small_config

async def main():
    cluster = Cluster(small_config(pathlib.Path(sys.argv[1]), dashboard=False))
    gateway = RayGateway(cluster)
    await cluster.start()
    print(*[process.pid for process in cluster.processes()], flush=True)
    [raylet] = [process for process in cluster.processes() if process.name() == "raylet"]
    raylet.kill()
    await eventually(lambda: not cluster.ready)
    try:
        await gateway.redact([RawText("x")], RedactionContext(), timeout_s=5)
    except Unavailable as error:
        print(error.reason, [info.healthy for info in await gateway.engines()], flush=True)
    began = time.monotonic()
    await cluster.stop()
    print(time.monotonic() - began, flush=True)
    os._exit(7)  # what Ray's native code does at exit after such a loss is not ours to test

asyncio.run(main())
"""


def gone(process: psutil.Process) -> bool:
    """Whether a process has ended, reaped or not."""
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True


def listens(port: int) -> bool:
    """Whether somebody listens on a port of loopback."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


async def test_stop_is_quick_and_leaves_no_process(tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    cluster = Cluster(small_config(tmp_path))
    await cluster.connect()
    assert signal.getsignal(signal.SIGTERM) is handler
    processes = cluster.processes()
    assert len(processes) > 5
    began = time.monotonic()
    await cluster.stop()
    assert time.monotonic() - began < STOPS_S
    assert all(gone(process) for process in processes)
    await cluster.stop()
    with pytest.raises(Unavailable):
        await cluster.connect()
    with pytest.raises(RaySystemError):
        ray.cluster_resources()  # type: ignore[no-untyped-call]
    assert not ray.is_initialized(), "a late call starts no cluster"
    assert not any(info.healthy for info in await RayGateway(cluster).engines())


async def test_a_stop_during_the_start_ends_all_processes(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STOPS_WHILE_IT_STARTS, str(tmp_path), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    line = await asyncio.wait_for(server.stdout.readline(), 120)
    pids = [int(pid) for pid in line.split()]
    assert len(pids) > 1
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    stopped_s = float(await asyncio.wait_for(server.stdout.readline(), 120))  # the start takes its time to be cancelled
    assert stopped_s < STOPS_S
    assert await asyncio.wait_for(server.wait(), 60) == 0
    await eventually(lambda: all(gone(process) for process in processes))


async def test_missing_weights_are_named(tmp_path: Path) -> None:
    empty = tmp_path / "weights"
    empty.mkdir()
    cluster = Cluster(small_config(tmp_path, dashboard=False, weights_dir=str(empty)))
    try:
        with pytest.raises(WeightsError):
            await cluster.start()
        assert not cluster.ready
    finally:
        await cluster.stop()


async def test_a_killed_server_ends_its_cluster(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", STARTS_AND_WAITS, str(tmp_path), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    line = await asyncio.wait_for(server.stdout.readline(), 120)
    processes = [psutil.Process(int(pid)) for pid in line.split()]
    # Ray's two agents hold no data and no port of ours; they notice within a minute that their raylet is gone.
    processes = [process for process in processes if not "".join(process.cmdline()).endswith("Agent")]
    assert len(processes) > 3
    server.kill()
    await server.wait()
    await eventually(lambda: all(gone(process) for process in processes))


async def test_joining_a_missing_cluster_is_refused(tmp_path: Path) -> None:
    cluster = Cluster(small_config(tmp_path, address="127.0.0.1:1"))
    try:
        with pytest.raises(Unavailable) as caught:
            await cluster.start()
        assert caught.value.reason == "CLUSTER_UNAVAILABLE"
    finally:
        await cluster.stop()


@pytest.mark.parametrize(("mode", "no_token"), [("token", "refused"), ("disabled", "allowed")])
async def test_a_joined_cluster_keeps_running_after_the_server_stops(tmp_path: Path, mode: str, no_token: str) -> None:
    [port] = free_ports(1)
    environment = os.environ | {"RAY_AUTH_MODE": mode, "RAY_AUTH_TOKEN": "0" * 32}
    environment.pop("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", None)  # an earlier test may have started a local cluster here
    ray = (sys.executable, "-m", "ray.scripts.scripts")
    options = ("--include-dashboard=false", "--disable-usage-stats", "--num-cpus=1", "--block")
    # No `ray stop`: it would end every Ray of this user. A head that blocks ends its own processes.
    head = await asyncio.create_subprocess_exec(
        *(*ray, "start", "--head", f"--port={port}", *options),
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        await eventually(lambda: listens(port), 120)
        if mode == "token":
            await asyncio.to_thread(require_token, f"127.0.0.1:{port}")
        else:
            with pytest.raises(InvalidInput, match="asks for no token") as refused:
                await Cluster(small_config(tmp_path, address=f"127.0.0.1:{port}")).connect()
            assert refused.value.reason == "RAY_WITHOUT_TOKEN"
        server = await asyncio.create_subprocess_exec(
            *(sys.executable, "-c", JOINS_AND_LEAVES, str(tmp_path), f"127.0.0.1:{port}", no_token),
            env=environment,
            stdout=subprocess.PIPE,
        )
        output, _ = await asyncio.wait_for(server.communicate(), 120)
        assert (server.returncode, output) == (0, b"0\n")
        assert listens(port)
    finally:
        family = with_descendants([psutil.Process(head.pid)])
        head.terminate()
        await head.wait()
        end(family, 10.0)


async def test_a_server_outlives_its_cluster(tmp_path: Path) -> None:
    server = await asyncio.create_subprocess_exec(
        sys.executable, "-c", LOSES_ITS_NODE, str(tmp_path), stdout=subprocess.PIPE
    )
    assert server.stdout is not None
    pids = (await asyncio.wait_for(server.stdout.readline(), 120)).split()
    processes = [psutil.Process(int(pid)) for pid in pids]
    # Ray's two agents notice by themselves, within a minute.
    processes = [process for process in processes if not "".join(process.cmdline()).endswith("Agent")]
    said = (await asyncio.wait_for(server.stdout.readline(), 120)).decode()
    assert said == "CLUSTER_LOST [False, False, False]\n"
    assert float(await asyncio.wait_for(server.stdout.readline(), 120)) < STOPS_S
    assert await asyncio.wait_for(server.wait(), 30) == 7
    await eventually(lambda: all(gone(process) for process in processes))
