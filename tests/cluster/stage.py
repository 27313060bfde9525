"""The running system: PostgreSQL, three servers that share it, a mirror, two nodes of Ray, and what kills them."""

from __future__ import annotations

import asyncio
import itertools
import os
import random
import re
import secrets
import shutil
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import psycopg

from models.private_files import make_private_folder, write_atomically
from server.access.api_keys import new_key, written
from server.access.operator_key import OPERATOR_KEY_FILE
from server.cli.credentials import operator_key
from server.cli.demo.processes import Child, free_ports, serving, wait_until
from server.cli.talk.client import KEEPALIVE
from tests.chaos.stage import RELAXED
from tests.cluster.handovers import HELD, HOLDING, WATCH, Handovers, handovers, run_name
from tests.postgres_server import ADMIN_DATABASE, postgres_process
from tests.ray_nodes import RayNode

SERVERS: Final = ("server-0", "server-1", "server-2")
MIRROR: Final = "mirror"
READY_S: Final = 300.0
STREAM_S: Final = 20.0
"""How long to wait for a server that has a stream. When all clips were spoken and all talks typed, none has one."""
AWAY_S: Final = 5.0
"""How long PostgreSQL stays away."""
WATCH_S: Final = 0.2
OPTIONS: Final = (
    *KEEPALIVE,
    # Each call goes to the next server that answers, as behind a load balancer.
    ("grpc.service_config", '{"loadBalancingConfig": [{"round_robin": {}}]}'),
    ("grpc.max_reconnect_backoff_ms", 1000),
)


class ClusterStage:
    """A context manager. Which server is ended in order is drawn from ``chance``.

    Args:
        home: Folder of the run.
        mounts: Of one network file system, which the servers take one after the other. Each server has its own at the
            path of the first. None for a local folder.
    """

    def __init__(self, home: Path, chance: random.Random, mounts: Sequence[Path] | None = None) -> None:
        self._home = home
        self._mounts = dict(zip(SERVERS, itertools.cycle(mounts or [home]), strict=False))
        self._shared = self._mounts[SERVERS[0]].resolve() / f"shared-{secrets.token_hex(4)}"
        self._chance = chance
        self._stack = ExitStack()
        if mounts:
            self._stack.callback(shutil.rmtree, self._shared, ignore_errors=True)
        self._ports = dict(zip(SERVERS, free_ports(len(SERVERS)), strict=True))
        self._running: dict[str, Child] = {}
        self._all: list[Child] = []
        self._watching: list[asyncio.Task[None]] = []
        self._killed: set[str] = set()
        self._operator_key = written(*new_key())
        self.starts = Counter[str]()
        self.faults: dict[str, Callable[[], Awaitable[None]]] = {
            "server killed": self._kill_server,
            "server ended in order": self._end_server,
            "mirror killed": self._kill_mirror,
            "PostgreSQL killed": self._kill_postgres,
            "node of Ray killed": self._kill_node,
        }

    @property
    def address(self) -> str:
        """All servers, for one client."""
        return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in self._ports.values())

    @property
    def credential(self) -> str:
        """The operator key, which all servers have."""
        return operator_key(self._home / SERVERS[0] / "state")

    @property
    def files(self) -> set[Path]:
        """All files: logs, state, mirrors, spool, what the upstream received, and those of Ray."""
        tops = (self._home, self._head.folder, self._shared)
        return {path for top in tops for path in top.rglob("*") if path.is_file()}

    @property
    def spooled(self) -> list[Path]:
        """The files of the spool. Some may be gone before they are read."""
        return list((self._shared / "spool").iterdir())

    @property
    def mirrors(self) -> dict[str, Path]:
        """The file of each mirror, by the name of the process that has it."""
        return {name: self._home / name / "data" / "mirror.duckdb" for name in (*SERVERS, MIRROR)}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL."""
        with psycopg.connect(self.url) as connection:
            return connection.execute(query.encode()).fetchall()

    def handovers(self) -> Handovers:
        """How often streams were resumed, and where."""
        return handovers(self.rows(HELD), self._killed)

    async def __aenter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._start_shared)
        self._running = {name: self._started(name) for name in SERVERS}
        for name in SERVERS:
            await self._ready(name)
        with psycopg.connect(self.url) as connection:
            connection.execute(WATCH.encode())
        self._running[MIRROR] = self._started(MIRROR)
        await self._ready(MIRROR)
        self._watching = [asyncio.create_task(self._keep_running(name)) for name in self._running]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop(*self._running)
        for child in self._all:
            await asyncio.to_thread(child.stop)
            await asyncio.to_thread(child.kill_with_descendants)
        await asyncio.to_thread(self._stack.close)

    async def until_ready(self) -> None:
        """Wait until each server serves, and the mirror, too."""
        for name in self._running:
            await _until(partial(self._is_ready, name), READY_S, f"{name} was not ready")

    async def stop(self, *names: str) -> None:
        """End these in order, for good; from then on none is started again."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching = []
        await asyncio.gather(*(asyncio.to_thread(self._running[name].stop) for name in names))

    def _start_shared(self) -> None:
        self._postgres = self._stack.enter_context(postgres_process(durable=True))
        with psycopg.connect(self._postgres.url.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute(b"CREATE DATABASE ledger")
        self.url = self._postgres.url.format("ledger")
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._head = RayNode()
        self._stack.callback(self._head.remove)
        self._head.start()
        self._upstream = self._start_upstream()
        self._head.wait()
        self._node = RayNode(self._head.address)
        self._stack.callback(self._node.remove)
        self._node.start()
        self._node.wait()

    def _started(self, name: str) -> Child:
        self.starts[name] += 1
        folder = self._home / name
        make_private_folder(folder / "state")
        arguments = ["-m", "server.cli", *self._command(name), "--set", "quack.port=0", "--set", "metrics_port=0"]
        arguments += ["--data-dir", str(folder / "data"), "--state-dir", str(folder / "state")]
        own = self._mounts.get(name, self._shared.parent).resolve()
        if own != self._shared.parent:
            arguments = [str(Path(__file__).parent / "mounted.py"), str(own), str(self._shared.parent), *arguments]
        url = f"{self.url}&application_name={run_name(name, self.starts[name])}"
        environment = {**os.environ, "VESTIBULE_LEDGER__URL": url}  # a secret, so no argument
        child = Child.start(name, arguments, folder / f"log-{self.starts[name]}", environment)
        self._all.append(child)
        return child

    def _command(self, name: str) -> list[str]:
        if name == MIRROR:
            return ["mirror"]
        write_atomically(self._home / name / "state" / OPERATOR_KEY_FILE, self._operator_key.encode())
        [llm] = set(re.findall(r"http://[\w.:]+", self._upstream.log.read_text()))
        settings = (
            f"shared_dir={self._shared}",
            f"ray.address={self._head.address}",
            "console.enabled=false",
            # No two of them fit on one node.
            "speech.replicas=2",
            "speech.cpus=1.2",
            f"llm.base_url={llm}/v1",
            *RELAXED,
        )
        listening = ["serve", "--address", f"127.0.0.1:{self._ports[name]}"]
        return listening + [part for setting in settings for part in ("--set", setting)]

    def _start_upstream(self) -> Child:
        arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(self._home / "received.bin")]
        upstream = Child.start("stand-in LLM", arguments, self._home / "upstream.log")
        self._all.append(upstream)
        wait_until(lambda: "http://" in upstream.log.read_text(), upstream, READY_S, "The upstream did not start")
        return upstream

    async def _ready(self, name: str) -> None:
        """Wait for one that was just started, and may not end."""
        await asyncio.to_thread(
            wait_until, partial(self._is_ready, name), self._running[name], READY_S, f"{name} was not ready"
        )

    def _is_ready(self, name: str) -> bool:
        if name == MIRROR:
            return self._running[MIRROR].alive and "The mirror is ready." in self._running[MIRROR].log.read_text()
        return serving(f"127.0.0.1:{self._ports[name]}")

    async def _keep_running(self, name: str) -> None:
        """Start one again when it has ended, as a service manager does."""
        while True:
            if not self._running[name].alive:
                self._running[name] = await asyncio.to_thread(self._started, name)
            await asyncio.sleep(WATCH_S)

    def _holding(self) -> list[str]:
        """Servers that have a stream; the one that took the newest stream comes first."""
        servers = {run_name(name, self.starts[name]): name for name in SERVERS}
        return [servers[run] for (run,) in self.rows(HOLDING) if run in servers]

    async def _kill_server(self) -> None:
        """The one that took the newest stream, so that another one has to go on with it."""
        with suppress(TimeoutError):
            await _until(self._holding, STREAM_S, "No server had a stream")
        name = next(iter(await asyncio.to_thread(self._holding)), self._chance.choice(SERVERS))
        self._running[name].process.kill()
        self._killed.add(run_name(name, self.starts[name]))

    async def _end_server(self) -> None:
        self._running[self._chance.choice(SERVERS)].process.terminate()

    async def _kill_mirror(self) -> None:
        await _until(partial(self._is_ready, MIRROR), READY_S, "The mirror was not ready")
        self._running[MIRROR].process.kill()

    async def _kill_postgres(self) -> None:
        await asyncio.to_thread(self._postgres.kill)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(self._postgres.start)

    async def _kill_node(self) -> None:
        """With a replica of Speech on it, so that clips lose one."""
        await _until(lambda: self._node.replicas("speech"), READY_S, "The second node of Ray had no replica of Speech")
        await asyncio.to_thread(self._node.kill)
        await _until(self._node_is_up, READY_S, "The second node of Ray did not start")

    def _node_is_up(self) -> bool:
        """Start it where it does not run, as a service manager does: on a busy machine Ray gives up a start."""
        if not self._node.runs:
            self._node.kill()  # what a start that failed left
            self._node.start()
        return self._node.is_up


async def _until(condition: Callable[[], object], seconds: float, problem: str) -> None:
    """Wait for what may take long to ask.

    Raises:
        TimeoutError: With the problem.
    """
    try:
        async with asyncio.timeout(seconds):
            while not await asyncio.to_thread(condition):  # noqa: ASYNC110 - of other processes
                await asyncio.sleep(WATCH_S)
    except TimeoutError:
        raise TimeoutError(problem) from None
