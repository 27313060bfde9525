"""Servers that the benchmarks measure, each in a process of its own."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from server.cli.credentials import operator_key
from server.cli.demo.processes import Child, free_ports, serving, wait_until


@dataclass(frozen=True, slots=True)
class Running:
    """A server that says SERVING.

    Attributes:
        operator_key: What it generated for clients on this machine.
        quack: Its port for analysts, and the file with the token of that port.
    """

    address: str
    operator_key: str
    child: Child
    quack: tuple[int, Path]

    @property
    def pid(self) -> int:
        """Process id of the server itself."""
        return self.child.process.pid

    def kill(self) -> None:
        """Send SIGKILL to the server and all its descendants."""
        self.child.descendants()
        self.child.process.kill()
        self.child.kill_with_descendants()


@contextlib.contextmanager
def running(home: Path, *assignments: str, ready_s: float = 90.0) -> Iterator[Running]:
    """Run `vestibule serve` with these settings; all its processes and files are removed at the end."""
    home.mkdir(parents=True, exist_ok=True)
    grpc_port, quack_port, dashboard_port = free_ports(3)
    address = f"127.0.0.1:{grpc_port}"
    arguments = ["-m", "server.cli", "serve", "--address", address]
    arguments += ["--data-dir", str(home / "data"), "--state-dir", str(home / "state"), "--log-level", "warning"]
    for assignment in (
        f"quack.port={quack_port}",
        f"ray.dashboard_port={dashboard_port}",
        "metrics_port=0",
        "console.enabled=false",
        *assignments,
    ):
        arguments += ["--set", assignment]
    child = Child.start("server", arguments, home / "server.log")
    try:
        wait_until(lambda: serving(address), child, ready_s, "The server was not ready")
        yield Running(address, operator_key(home / "state"), child, (quack_port, home / "state" / "quack.token"))
    finally:
        child.stop()
        child.kill_with_descendants()


@dataclass(frozen=True, slots=True)
class Bare:
    """A gRPC server without anything of ours."""

    address: str
    pid: int


@contextlib.contextmanager
def bare_server() -> Iterator[Bare]:
    """Run benchmarks/_bare_server.py."""
    process = subprocess.Popen([sys.executable, "-m", "benchmarks._bare_server"], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield Bare(process.stdout.readline().strip(), process.pid)
    finally:
        process.kill()
        process.wait()


def pss_bytes(pid: int) -> int:
    """Memory of a process and all its descendants, pages that they share counted once (proportional set size)."""
    total = 0
    root = psutil.Process(pid)
    for process in [root, *root.children(recursive=True)]:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += process.memory_full_info().pss
    return total
