"""A server joins a Ray cluster of others, which is killed and started again; then the server is.

The cluster is started as docs/operating/security.md says.
"""

from __future__ import annotations

import asyncio
import os
import re
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import psutil
import pytest
from grpc_health.v1 import health_pb2
from vestibule.v1 import admin_pb2, conversation_pb2, media_pb2

from ray_tasks.processes import end, users_of
from server.cli.channel import open_aio_channel
from server.cli.demo.processes import free_ports
from tests.e2e.harness import DATA, App, Server, config, start_server, stop_server
from tests.e2e.outages import ray, said, until
from tests.eventually import eventually

pytestmark = pytest.mark.e2e

METER = (DATA / "meter.jpg").read_bytes()
UP = "Ray runtime started."


class Head:
    """A Ray cluster of one node, which no server owns."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vst-head-", dir="/tmp"))  # the path of a socket is short
        self.log = self.folder / "head.log"
        self.port, agent_port, client_port = free_ports(3)
        self._command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--head", "--block", f"--port={self.port}"),
            *("--num-cpus=2", "--object-store-memory=100000000", f"--temp-dir={self.folder}"),
            *("--include-dashboard=false", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"),
            *(f"--dashboard-agent-listen-port={agent_port}", f"--ray-client-server-port={client_port}"),
        ]

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it is whole: the command ends when a process of it ends."""
        return self._process.poll() is None

    def start(self) -> None:
        """Start it; does not wait."""
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(self._command, stdout=output, stderr=output, start_new_session=True)

    def kill(self) -> None:
        """Send SIGKILL to all its processes."""
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        end(users_of(self.folder), 0.0)

    def replicas(self) -> set[int]:
        """The processes of the workers that servers have deployed on it."""
        return {process.pid for process in users_of(self.folder) if _is_replica(process)}


def _is_replica(process: psutil.Process) -> bool:
    try:
        return "".join(process.cmdline()).startswith("ray::ServeReplica:vestibule-")
    except psutil.NoSuchProcess:  # it has ended since it was found, or is a zombie
        return False


@pytest.fixture
def head(monkeypatch: pytest.MonkeyPatch) -> Iterator[Head]:
    """A cluster that asks for a token; the server of the test inherits the token."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
    monkeypatch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)  # a local cluster of another test sets it
    head = Head()
    head.start()
    try:
        yield head
    finally:
        head.kill()
        shutil.rmtree(head.folder)


async def redacted(app: App) -> str:
    """Type a text in a session of its own; returns how it was redacted."""

    async def talk() -> AsyncIterator[conversation_pb2.ConverseRequest]:
        yield config(session_id, reply=False)
        yield said("I am John Carter")

    session_id = await app.open_session()
    [final] = [m.final async for m in app.conversations.Converse(talk()) if m.HasField("final")]
    return final.text.value


async def work_through_an_outage(head: Head, server: Server) -> None:
    """Kill the cluster and start it again; what is accepted meanwhile is done."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app = App(channel)
        assert await redacted(app) == "I am [REDACTED_NAME]"
        session_id = await app.open_session()
        await asyncio.to_thread(head.kill)
        await until(channel, health_pb2.HealthCheckResponse.NOT_SERVING)
        lost = await ray(app)
        assert not lost.healthy
        assert "Lost " in lost.detail
        accepted = await app.upload(session_id, METER, media_pb2.MEDIA_KIND_METER)
        head.start()
        await until(channel, health_pb2.HealthCheckResponse.SERVING)
        assert (await app.finished(accepted.id)).state == media_pb2.UPLOAD_STATE_DONE
        assert await redacted(app) == "I am [REDACTED_NAME]"
        assert (await ray(app)).detail == "Restarted 1 time(s)."
        status = await app.admin.GetStatus(admin_pb2.GetStatusRequest())
        assert status.dead_letter_count == 0
    # Ray also ends a driver whose raylet is gone, so ours may be what is noticed first.
    assert re.search(r'"cause": "(raylet|owner)", "event": "cluster_lost"', server.log)


async def test_a_joined_cluster_is_joined_again_and_left_as_it_was(head: Head, home: Path) -> None:
    await eventually(lambda: UP in head.log.read_text(), 120)
    join = f"ray.address={head.address}"
    server = start_server(home, join)
    try:
        await work_through_an_outage(head, server)
        left = head.replicas()
        server.kill()
        assert len(left) == 3
        server = start_server(home, join)
        assert head.replicas() == left, "the workers that a killed server left are used again"
        async with open_aio_channel(server.address, credential=server.operator_key) as channel:
            assert await redacted(App(channel)) == "I am [REDACTED_NAME]"
        server.terminate()
        assert server.child.process.returncode == 0
        assert not server.survivors()
    finally:
        stop_server(server)
    await eventually(lambda: not head.replicas(), 60)
    assert head.runs
