"""The running system: a server that is started again whenever it ends, its upstream, its disk, and what breaks them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import urllib.request
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psutil

from server.cli.credentials import operator_key
from server.cli.demo.processes import Child, free_ports, serving, wait_until
from tests.chaos.plan import Act, Fault

READY_S: Final = 240.0
WATCH_S: Final = 0.1
DISK_BYTES: Final = 1024 * 1024 * 1024
PIECE_BYTES: Final = 1024 * 1024
TITLES: Final = {
    "raylet": re.compile(r"(^|/)raylet(\s|$)"),
    "gcs": re.compile(r"(^|/)gcs_server(\s|$)"),
    "controller": re.compile(r"^ray::ServeController"),
    **{kind: re.compile(rf"^ray::ServeReplica:vestibule-\w+-{kind}[-:]") for kind in ("redaction", "speech", "vision")},
}
RELAXED: Final = (
    # One client does the work of many here.
    "limits.client_uploads=1000000",
    f"limits.client_upload_bytes={10**12}",
    "limits.typed_per_minute=100000",
    "limits.client_typed_per_minute=100000",
    "llm.timeout_s=10",
    "llm.reset_s=10",
)


class Stage:
    """A context manager. What a fault is done to is drawn from ``chance`` where there are several.

    Args:
        home: Folder of the run. Where the user may mount, data and state lie on a small file system of their own.
    """

    def __init__(self, home: Path, chance: random.Random) -> None:
        self._home = home
        self._chance = chance
        self._disk = home / "disk"
        self._ports = free_ports(3)
        self._children: list[Child] = []
        self._server: Child | None = None
        self._upstream: Child | None = None
        self._watching: asyncio.Task[None] | None = None
        self.mounted = False
        self.starts = 0

    @property
    def address(self) -> str:
        """Where the server listens, also after it was started again."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def state_dir(self) -> Path:
        """The server's state folder."""
        return self._disk / "state"

    @property
    def ledger(self) -> Path:
        """The DuckDB file."""
        return self._disk / "data" / "ledger.duckdb"

    @property
    def credential(self) -> str:
        """What the server generated for clients on this machine."""
        return operator_key(self.state_dir)

    @property
    def quack_port(self) -> int:
        """Where analysts ask."""
        return self._ports[1]

    @property
    def quack_token(self) -> str:
        """With which they may."""
        return (self.state_dir / "quack.token").read_text(encoding="utf-8").strip()

    @property
    def received(self) -> Path:
        """Every byte that the upstream received."""
        return self._home / "received.bin"

    @property
    def logs(self) -> list[Path]:
        """The output of every server."""
        return [child.log for child in self._children if child.name == "server"]

    async def __aenter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        self._disk.mkdir()
        self.mounted = _mount(self._disk)
        await asyncio.to_thread(self._start_upstream)
        await asyncio.to_thread(self._start_server)
        assert self._server is not None
        await asyncio.to_thread(wait_until, self.serving, self._server, READY_S, "The server was not ready")
        self._watching = asyncio.create_task(self._keep_running())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_server()
        for child in self._children:
            await asyncio.to_thread(child.stop)
            await asyncio.to_thread(child.kill_with_descendants)
        if self.mounted:
            await asyncio.to_thread(subprocess.run, ["umount", "--lazy", str(self._disk)], check=True)

    def serving(self) -> bool:
        """Whether the server says that it serves."""
        return serving(self.address)

    async def stop_server(self) -> None:
        """End the server in order, for good."""
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.gather(self._watching, return_exceptions=True)
            self._watching = None
        if self._server is not None:
            await asyncio.to_thread(self._server.stop)

    async def do(self, act: Act) -> bool:
        """Do it; one that passes is over on return. Returns whether there was something to do it to."""
        ways: dict[Fault, Callable[[], Awaitable[bool]]] = {
            Fault.REPLICA: lambda: self._kill(act.target),
            Fault.CONTROLLER: lambda: self._kill_controller(act.target),
            Fault.SERVER: self._kill_server,
            Fault.RAY: self._kill_ray,
            Fault.RAYLET: lambda: self._kill("raylet"),
            Fault.GCS: lambda: self._kill("gcs"),
            Fault.UPSTREAM: lambda: self._fail_upstream(act),
            Fault.STOPPED: lambda: self._stop_for(act),
            Fault.DISK: lambda: self._fill_disk(act.hold_s),
        }
        return await ways[act.fault]()

    async def _keep_running(self) -> None:
        """Start the server again when it has ended, as a service manager does."""
        while True:
            assert self._server is not None
            if not self._server.alive:
                await asyncio.to_thread(self._start_server)
            self._server.descendants()
            await asyncio.sleep(WATCH_S)

    def _start_server(self) -> None:
        self.starts += 1
        grpc_port, quack_port, dashboard_port = self._ports
        assert self._upstream is not None
        [url] = set(re.findall(r"http://[\w.:]+", self._upstream.log.read_text()))
        settings = (
            f"quack.port={quack_port}",
            f"ray.dashboard_port={dashboard_port}",
            "metrics_port=0",
            "console.enabled=false",
            f"llm.base_url={url}/v1",
            *RELAXED,
        )
        arguments = ["-m", "server.cli", "serve", "--address", f"127.0.0.1:{grpc_port}", "--log-level", "warning"]
        arguments += ["--data-dir", str(self.ledger.parent), "--state-dir", str(self.state_dir)]
        arguments += [part for setting in settings for part in ("--set", setting)]
        self._server = Child.start("server", arguments, self._home / f"server-{self.starts}.log")
        self._children.append(self._server)

    def _start_upstream(self) -> None:
        arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(self.received)]
        self._upstream = upstream = Child.start("stand-in LLM", arguments, self._home / "upstream.log")
        self._children.append(upstream)
        wait_until(lambda: "http://" in upstream.log.read_text(), upstream, READY_S, "The upstream did not start")

    def _processes(self, name: str = "") -> Iterator[psutil.Process]:
        """Processes of Ray that the server has, all or those of one name."""
        assert self._server is not None
        for process in self._server.descendants():
            with contextlib.suppress(psutil.NoSuchProcess):
                title = " ".join(process.cmdline())
                kinds = [kind for kind, pattern in TITLES.items() if pattern.search(title.split(" -")[0])]
                if name in kinds or (not name and (kinds or title.startswith("ray::"))):
                    yield process

    async def _kill(self, name: str) -> bool:
        found = list(self._processes(name))
        if found:
            self._chance.choice(sorted(found, key=lambda process: process.pid)).kill()
        return bool(found)

    async def _kill_controller(self, replica: str) -> bool:
        return await self._kill("controller") and await self._kill(replica)

    async def _kill_ray(self) -> bool:
        found = list(self._processes())
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        return bool(found)

    async def _kill_server(self) -> bool:
        """The server alone, as the kernel does when memory is short; what it started is left to itself."""
        assert self._server is not None
        self._server.process.kill()
        return True

    async def _stop_for(self, act: Act) -> bool:
        assert self._server is not None
        server = psutil.Process(self._server.process.pid)
        found = [server] if act.target == "server" else list(self._processes(act.target))
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(act.hold_s)
        for process in found:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.send_signal(signal.SIGCONT)
        return bool(found)

    async def _fail_upstream(self, act: Act) -> bool:
        await asyncio.to_thread(self._script, mode=act.target, retry_after="2", delay_s=0.5)
        await asyncio.sleep(act.hold_s)
        await asyncio.to_thread(self._script, mode="answer")
        return True

    def _script(self, **script: Any) -> None:
        assert self._upstream is not None
        [url] = set(re.findall(r"http://[\w.:]+", self._upstream.log.read_text()))
        headers = {"content-type": "application/json"}
        request = urllib.request.Request(f"{url}/script", json.dumps(script).encode(), headers)
        with urllib.request.urlopen(request, timeout=60):
            pass

    async def _fill_disk(self, hold_s: float) -> bool:
        if not self.mounted:
            return False
        filler = self._disk / "filler"
        await asyncio.to_thread(_fill, filler)
        try:
            await asyncio.sleep(hold_s)
        finally:
            filler.unlink()
        return True


def _mount(folder: Path) -> bool:
    """Mount a small file system, if the user may."""
    if os.geteuid() != 0:
        return False
    command = ["mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES},mode=0700", "tmpfs", str(folder)]
    return subprocess.run(command, check=False, capture_output=True).returncode == 0


def _fill(path: Path) -> None:
    """Write until not even a small piece fits."""
    with path.open("wb", buffering=0) as file:
        for size in (PIECE_BYTES, 4096, 1):
            with contextlib.suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
