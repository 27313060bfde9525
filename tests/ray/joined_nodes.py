"""A Ray cluster of two nodes on this machine, as its operator starts it, and servers that join it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import psutil
import pytest

from models.media.audio_decoder import decode
from models.redaction.types import RedactionContext
from models.text import RawText
from ray_tasks.deployments import application_name
from ray_tasks.processes import end, lives, users_of, with_descendants
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.supervisor import ClusterSupervisor
from ray_tasks.types import ClusterConfig, SpeechWindow, WorkerConfig
from server.cli.demo.processes import free_ports
from tests.eventually import eventually
from tests.ray.conftest import DATA, INSTALLATION, small_config

STARTS_S: Final = 180.0
WINDOW: Final = SpeechWindow(decode((DATA / "visit.wav").read_bytes()).tobytes()[:320_000], final=True, language="en")
"""Five seconds of speech."""


class Nodes:
    """The nodes by name: ``head`` and ``second``. Each has room for one replica of Speech and one of Redaction."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="vst-nodes-", dir="/tmp"))  # the path of a socket is short
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        [port] = free_ports(1)
        self.address = f"127.0.0.1:{port}"

    def start(self, name: str) -> None:
        """Start a node; returns when it belongs to the cluster."""
        agent_port, client_port = free_ports(2)
        port = self.address.rpartition(":")[2]
        place = (
            ("--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir={self.folder}")
            if name == "head"
            else (f"--address={self.address}",)
        )
        command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block", *place, "--num-cpus=1", "--num-gpus=1"),
            *("--object-store-memory=100000000", "--disable-usage-stats", "--min-worker-port=0", "--max-worker-port=0"),
            *(f"--dashboard-agent-listen-port={agent_port}", f"--ray-client-server-port={client_port}"),
        ]
        log = self.folder / f"{name}.log"
        with log.open("wb") as output:
            self._running[name] = subprocess.Popen(command, stdout=output, stderr=output, start_new_session=True)
        asyncio.run(eventually(lambda: "Ray runtime started." in log.read_text(), STARTS_S))

    def kill(self, name: str) -> None:
        """Send SIGKILL to all processes of a node, as when its machine is gone."""
        node = self._running.pop(name)
        end(with_descendants([psutil.Process(node.pid)]), 0.0)
        node.wait()

    def replicas(self, kind: str, name: str | None = None) -> set[int]:
        """Processes of the replicas of a kind, on one node or on all."""
        title = f"ray::ServeReplica:{application_name(INSTALLATION, kind)}"
        nodes = [psutil.Process(each.pid) for each_name, each in self._running.items() if name in (None, each_name)]
        return {p.pid for p in with_descendants(nodes) if lives(p) and _title(p).startswith(title)}

    def all_replicas(self) -> set[int]:
        """Those of all kinds."""
        return {pid for kind in ("redaction", "speech", "vision") for pid in self.replicas(kind)}

    def close(self) -> None:
        """End everything."""
        for name in list(self._running):
            self.kill(name)
        end(users_of(self.folder), 0.0)
        shutil.rmtree(self.folder)


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline())
    except psutil.NoSuchProcess:
        return ""


@contextmanager
def two_nodes() -> Iterator[Nodes]:
    """Two nodes that ask for a token, which servers of this process inherit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAY_AUTH_MODE", "token")
        patch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(32))
        # A local cluster of another test sets it.
        patch.delenv("RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER", raising=False)
        nodes = Nodes()
        try:
            nodes.start("head")
            nodes.start("second")
            yield nodes
        finally:
            nodes.close()


def config_of(nodes: Nodes, **changes: Any) -> ClusterConfig:
    """Workers of which no two of Speech, and no two of Redaction, fit on one node. All servers get the same."""
    small = small_config(nodes.folder, address=nodes.address, shared=True)
    speech = replace(small.speech, weights="whisper-tiny.en", cpus=0.6, replicas=2)
    redaction = replace(small.redaction, cpus=0.1, gpus=0.6, replicas=2)
    return replace(
        small, **{"speech": speech, "vision": WorkerConfig(device="cpu", cpus=0.1), "redaction": redaction, **changes}
    )


class Member:
    """A server of the installation: the process that owns its Ray, and its gateway."""

    def __init__(self, config: ClusterConfig) -> None:
        self.cluster = ClusterSupervisor(config)
        self.gateway = SupervisedGateway(self.cluster)
        self.answers = 0

    async def redacted(self) -> str:
        """Have a sentence redacted."""
        [redaction] = await self.gateway.redact([RawText("I am John Carter")], RedactionContext(), timeout_s=60.0)
        return redaction.text.value

    @asynccontextmanager
    async def calling(self) -> Any:
        """Meanwhile it has sentences redacted and windows recognised, one after the other; no call may fail."""

        async def go_on() -> None:
            while True:
                assert await self.redacted() == "I am [REDACTED_NAME]"
                assert not (await self.gateway.speech_step(WINDOW, timeout_s=60.0)).no_speech
                self.answers += 1

        calls = asyncio.create_task(go_on())
        try:
            await self.answered(calls)
            yield calls
            await self.answered(calls)
        finally:
            calls.cancel()
            await asyncio.gather(calls, return_exceptions=True)

    async def answered(self, calls: asyncio.Task[None], count: int = 2) -> None:
        """Return after so many further answers.

        Raises:
            VestibuleError: A call failed.
        """
        wanted = self.answers + count
        await eventually(lambda: calls.done() or self.answers >= wanted, STARTS_S)
        if calls.done():
            await calls
