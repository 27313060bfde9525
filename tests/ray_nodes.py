"""Nodes of a Ray cluster that no server owns, as docs/operating/security.md says; several of them on one machine."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from ray_tasks.processes import end, lives, users_of, with_descendants
from server.cli.demo.processes import free_ports
from tests.eventually import eventually

UP: Final = "Ray runtime started."
STARTS_S: Final = 120.0


class RayNode:
    """A node: the head of a cluster, or a further one.

    Args:
        head: Address of the head that it joins; empty makes it the head of a cluster of its own.
        environment: Variables that it gets besides those of this process.
        cpus: Logical CPUs.
        gpus: Logical GPUs.
    """

    def __init__(
        self, head: str = "", environment: Mapping[str, str] | None = None, *, cpus: int = 2, gpus: int = 0
    ) -> None:
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self.folder = Path(tempfile.mkdtemp(prefix="vst-node-", dir="/tmp"))  # the path of a socket is short
        self.log = self.folder / "node.log"
        self.port, agent_port, client_port = free_ports(3)
        self._command = [
            *(sys.executable, "-m", "ray.scripts.scripts", "start", "--block"),
            *(f"--num-cpus={cpus}", f"--num-gpus={gpus}", "--object-store-memory=100000000", "--disable-usage-stats"),
            *("--min-worker-port=0", "--max-worker-port=0", f"--dashboard-agent-listen-port={agent_port}"),
        ]
        if head:
            self._command += [f"--address={head}"]
        else:
            self._command += [
                *("--head", f"--port={self.port}", f"--temp-dir={self.folder}", "--include-dashboard=false"),
                f"--ray-client-server-port={client_port}",
            ]

    @property
    def address(self) -> str:
        """Of the head."""
        return f"127.0.0.1:{self.port}"

    @property
    def runs(self) -> bool:
        """Whether it is whole: the command ends when a process of it ends."""
        return self._process is not None and self._process.poll() is None

    @property
    def is_up(self) -> bool:
        """Whether the command says that it has started."""
        return UP in self.log.read_text(encoding="utf-8", errors="replace")

    def start(self) -> None:
        """Start it; does not wait."""
        with self.log.open("wb") as output:
            self._process = subprocess.Popen(
                self._command, stdout=output, stderr=output, start_new_session=True, env=self._environment
            )

    def wait(self) -> None:
        """Return when it belongs to the cluster."""
        asyncio.run(eventually(lambda: self.is_up or not self.runs, STARTS_S))
        assert self.is_up, self.log.read_text(encoding="utf-8", errors="replace")

    def kill(self) -> None:
        """Send SIGKILL to all its processes, as when its machine is gone."""
        if self._process is None:
            return
        workers = self._descendants()
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        end([*workers, *users_of(self.folder)], 0.0)

    def remove(self) -> None:
        """Kill it and delete its folder."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def replicas(self, kind: str = r"\w+") -> set[int]:
        """The processes of the workers that servers have deployed on it, of one kind or of all."""
        title = re.compile(rf"ray::ServeReplica:vestibule-\w+-{kind}[-:]")
        return {process.pid for process in self._descendants() if lives(process) and title.match(_title(process))}

    def _descendants(self) -> list[psutil.Process]:
        return with_descendants([psutil.Process(self._process.pid)]) if self._process is not None and self.runs else []


def _title(process: psutil.Process) -> str:
    try:
        return "".join(process.cmdline())
    except psutil.NoSuchProcess:  # it has ended since it was found
        return ""
