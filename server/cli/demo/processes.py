"""Starts, watches and ends processes together with their descendants."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import psutil

from models.child_python import child_python
from server.cli.channel import open_channel
from server.cli.client_tls import ClientTls
from server.cli.output import Failure

STOP_TIMEOUT_S = 15.0
POLL_S = 0.25
LAST_LINES = 15
TELL_EVERY_S = 20.0


FREE = range(20_000, 32_768)
"""Above the ports of Ray's workers, and below those that Linux gives to outgoing connections."""
_given: Final[set[int]] = set()


def free_ports(count: int) -> list[int]:
    """Different unused ports on loopback. Another process may take one before it is used.

    They are of those that the system gives to no outgoing connection, because such a connection may come at any moment.
    None is given twice, because one that was given may not be in use yet.

    Raises:
        OSError: None of many is free.
    """
    found: list[int] = []
    with contextlib.ExitStack() as sockets:
        for port in random.sample(FREE, len(FREE)):
            if len(found) == count:
                _given.update(found)
                return found
            if port in _given:
                continue
            one = sockets.enter_context(socket.socket())
            with contextlib.suppress(OSError):
                one.bind(("127.0.0.1", port))
                found.append(port)
    raise OSError("no port is free")


@dataclass(slots=True)
class Child:
    """A child process whose output goes to a file.

    Attributes:
        seen: Every descendant that was ever found; it may outlive its parent.
    """

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    seen: set[psutil.Process] = field(default_factory=set)

    @classmethod
    def start(cls, name: str, arguments: list[str], log: Path, environment: Mapping[str, str] | None = None) -> Child:
        """Start `python ARGUMENTS` in its own process group, so that Ctrl-C does not reach it.

        Args:
            name: What messages call it.
            arguments: Of Python.
            log: Gets its output.
            environment: Its variables; None gives it those of this process.
        """
        with log.open("wb") as output:
            process = subprocess.Popen(
                child_python(*arguments),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=environment,
            )
        return cls(name, process, log)

    @property
    def alive(self) -> bool:
        """Whether it is running."""
        return self.process.poll() is None

    def descendants(self) -> set[psutil.Process]:
        """Find the descendants that there are now; returns all that were ever found and are alive."""
        with contextlib.suppress(psutil.NoSuchProcess):
            self.seen |= set(psutil.Process(self.process.pid).children(recursive=True))
        return {p for p in self.seen if p.is_running() and _status(p) != psutil.STATUS_ZOMBIE}

    def require_alive(self) -> None:
        """Check that it is running.

        Raises:
            Failure: It ended; the details are the last lines of its output.
        """
        if not self.alive:
            code = self.process.returncode
            raise Failure(f"The {self.name} ended by itself with {code}.", details=self.last_lines())

    def last_lines(self) -> list[str]:
        """The last lines of its output."""
        return self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LAST_LINES:]

    def stop(self) -> None:
        """Send SIGTERM, and SIGKILL when it has not ended in time."""
        self.descendants()
        if self.alive:
            self.process.terminate()
            try:
                self.process.wait(STOP_TIMEOUT_S)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def survivors(self, patience_s: float = 5.0) -> list[psutil.Process]:
        """Descendants that are still alive after the given seconds."""
        patient_until = time.monotonic() + patience_s
        while (still := self.descendants()) and time.monotonic() < patient_until:
            psutil.wait_procs(list(still), timeout=POLL_S)
        return sorted(still, key=lambda p: p.pid)

    def kill_with_descendants(self) -> None:
        """Send SIGKILL to it and to all its descendants."""
        for process in self.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()


def output_of(arguments: list[str], timeout_s: float, failure: str, text: str = "") -> str:
    """What `python ARGUMENTS` prints, once it has ended.

    Args:
        arguments: Of the interpreter.
        timeout_s: Longest wait.
        failure: Begin of the error message, without a full stop, such as "The analyst could not read the ledger".
        text: What it reads on its standard input.

    Raises:
        Failure: It failed, or took longer.
    """
    command = child_python(*arguments)
    try:
        done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=timeout_s, check=False)
    except subprocess.TimeoutExpired:
        hint = "The machine may be busy with other work. Run the demo again when it is not."
        raise Failure(f"{failure} within {timeout_s:.0f} s.", hint=hint) from None
    if done.returncode:
        raise Failure(f"{failure}.", details=done.stderr.splitlines()[-LAST_LINES:])
    return done.stdout


def wait_until(
    ready: Callable[[], bool],
    child: Child,
    timeout_s: float,
    what: str,
    *,
    tell: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """Poll until ``ready`` returns true.

    Args:
        ready: Called until it returns true.
        child: Must stay alive meanwhile.
        timeout_s: Longest wait.
        what: Begin of the error message, such as "The server was not ready".
        tell: Called every ``TELL_EVERY_S`` with the seconds so far.

    Raises:
        Failure: It took longer, or the child ended.
    """
    began = told = time.monotonic()
    while not ready():
        child.require_alive()
        now = time.monotonic()
        if now - began > timeout_s:
            raise Failure(f"{what} within {timeout_s:.0f} s.", details=child.last_lines())
        if now - told >= TELL_EVERY_S:
            told = now
            tell(now - began)
        child.descendants()
        time.sleep(POLL_S)


def _status(process: psutil.Process) -> str:
    try:
        return str(process.status())
    except psutil.NoSuchProcess:
        return str(psutil.STATUS_ZOMBIE)


def serving(address: str, tls: ClientTls | None = None) -> bool:
    """Whether the health service of a server says SERVING; without ``tls`` it is asked in plain text."""
    import grpc  # deferred: `vestibule --help` must not wait for it
    from grpc_health.v1 import health_pb2, health_pb2_grpc

    with open_channel(address, tls=tls, credential="") as channel:
        try:
            reply = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=2.0)
        except grpc.RpcError:
            return False
    return bool(reply.status == health_pb2.HealthCheckResponse.SERVING)
