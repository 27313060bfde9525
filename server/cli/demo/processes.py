"""Processes that the demo starts, watches and ends, with everything that they start in turn."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from server.cli.output import Failure

STOP_TIMEOUT_S = 15.0
POLL_S = 0.25
LAST_LINES = 15


def free_ports(count: int) -> list[int]:
    """Ports on loopback that nobody uses, all different. Another process may still take one before we do."""
    with contextlib.ExitStack() as sockets:
        opened = [sockets.enter_context(socket.socket()) for _ in range(count)]
        for each in opened:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in opened]


@dataclass(slots=True)
class Child:
    """A process of ours; its output goes to a file.

    Attributes:
        family: Every descendant that was ever seen, so that those whose parent died first are not forgotten.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    family: set[psutil.Process] = field(default_factory=set)

    @classmethod
    def start(cls, name: str, arguments: list[str], log: Path) -> Child:
        """Start `python ARGUMENTS` in a process group of its own, so that Ctrl-C reaches us alone."""
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return cls(name, process, log)

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self.process.poll() is None

    def look(self) -> set[psutil.Process]:
        """Note the descendants that are there now, and return all that are still alive."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.family |= set(psutil.Process(self.process.pid).children(recursive=True))
        return {p for p in self.family if p.is_running() and _status(p) != psutil.STATUS_ZOMBIE}

    def require_alive(self) -> None:
        """Raise with its last lines when it ended.

        Raises:
            Failure: It ended.
        """
        if not self.alive:
            code = self.process.returncode
            raise Failure(f"The {self.name} ended by itself with {code}.", details=self.last_lines())

    def last_lines(self) -> list[str]:
        """The end of what it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]

    def stop(self) -> None:
        """SIGTERM, and SIGKILL when that does not help in time."""
        self.look()
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def left_over(self, patience_s: float = 5.0) -> list[psutil.Process]:
        """Descendants that outlive it by more than the given seconds."""
        patient_until = time.monotonic() + patience_s
        while (still := self.look()) and time.monotonic() < patient_until:
            psutil.wait_procs(list(still), timeout=POLL_S)
        return sorted(still, key=lambda p: p.pid)

    def kill_family(self) -> None:
        """SIGKILL to it and to everything that it started."""
        for process in self.look():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def wait_until(ready: Callable[[], bool], child: Child, timeout_s: float, what: str) -> None:
    """Ask again and again, as long as the child is alive.

    Raises:
        Failure: It took too long, or the child ended.
    """
    give_up_at = time.monotonic() + timeout_s
    while not ready():
        child.require_alive()
        if time.monotonic() > give_up_at:
            raise Failure(f"{what} within {timeout_s:.0f} s.", details=child.last_lines())
        child.look()
        time.sleep(POLL_S)


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def serving(address: str) -> bool:
    """Whether the health service of a server says SERVING."""
    import grpc  # deferred: `vestibule --help` must not wait for it
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with grpc.insecure_channel(address) as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2.0)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
