"""The running system: PostgreSQL, three servers that share it and a folder, two nodes of Ray, and what kills them."""

from __future__ import annotations

import asyncio
import os
import random
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
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
from tests.postgres_server import ADMIN_DATABASE, postgres_process
from tests.ray_nodes import RayNode

SERVERS: Final = 3
READY_S: Final = 300.0
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
    """A context manager. What a fault is done to is drawn from ``chance``.

    Args:
        home: Folder of the run.
    """

    def __init__(self, home: Path, chance: random.Random) -> None:
        self._home = home
        self._chance = chance
        self._stack = ExitStack()
        self._ports = free_ports(SERVERS)
        self._servers: list[Child] = []
        self._all: list[Child] = []
        self._watching: list[asyncio.Task[None]] = []
        self._starts = Counter[int]()
        self._operator_key = written(*new_key())
        self.faults: dict[str, Callable[[], Awaitable[None]]] = {
            "server killed": self._kill_server,
            "server ended in order": self._end_server,
            "PostgreSQL killed": self._kill_postgres,
            "node of Ray killed": self._kill_node,
        }

    @property
    def address(self) -> str:
        """All servers, for one client."""
        return "ipv4:" + ",".join(f"127.0.0.1:{port}" for port in self._ports)

    @property
    def credential(self) -> str:
        """The operator key, which all servers have."""
        return operator_key(self._home / "server-0" / "state")

    @property
    def starts(self) -> int:
        """How often a server was started."""
        return sum(self._starts.values())

    @property
    def logs(self) -> list[Path]:
        """The output of every server."""
        return [child.log for child in self._all if child.name == "server"]

    @property
    def received(self) -> Path:
        """Every byte that the upstream received."""
        return self._home / "received.bin"

    def mirror(self, number: int) -> Path:
        """The mirror of a server."""
        return self._home / f"server-{number}" / "data" / "mirror.duckdb"

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """Ask PostgreSQL."""
        with psycopg.connect(self._url) as connection:
            return connection.execute(query.encode()).fetchall()

    async def __aenter__(self) -> Self:
        self._home.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self._start_shared)
        self._servers = [self._started(number) for number in range(SERVERS)]
        for number, child in enumerate(self._servers):
            await asyncio.to_thread(wait_until, self._serves(number), child, READY_S, "A server was not ready")
        self._watching = [asyncio.create_task(self._keep_running(number)) for number in range(SERVERS)]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop_servers()
        for child in self._all:
            await asyncio.to_thread(child.stop)
            await asyncio.to_thread(child.kill_with_descendants)
        await asyncio.to_thread(self._stack.close)

    async def until_serving(self) -> None:
        """Wait until each server serves."""
        for number in range(SERVERS):
            await asyncio.to_thread(_wait, self._serves(number), "A server was not ready")

    async def stop_servers(self) -> None:
        """End all servers in order, for good."""
        for task in self._watching:
            task.cancel()
        await asyncio.gather(*self._watching, return_exceptions=True)
        self._watching = []
        await asyncio.gather(*(asyncio.to_thread(child.stop) for child in self._servers))

    def _start_shared(self) -> None:
        self._postgres = self._stack.enter_context(postgres_process(durable=True))
        with psycopg.connect(self._postgres.url.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute(b"CREATE DATABASE ledger")
        self._url = self._postgres.url.format("ledger")
        os.environ["VESTIBULE_LEDGER__URL"] = self._url  # a secret, so no argument
        os.environ |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        self._head = RayNode()
        self._stack.callback(self._head.remove)
        self._head.start()
        self._upstream = self._start_upstream()
        _wait(lambda: self._head.is_up, "The head of Ray did not start")
        self._start_node()

    def _start_node(self) -> None:
        self._node = RayNode(self._head.address)
        self._node.start()
        _wait(lambda: self._node.is_up, "The second node of Ray did not start")

    def _started(self, number: int) -> Child:
        self._starts[number] += 1
        folder = self._home / f"server-{number}"
        make_private_folder(folder / "state")
        write_atomically(folder / "state" / OPERATOR_KEY_FILE, self._operator_key.encode())
        [llm] = set(re.findall(r"http://[\w.:]+", self._upstream.log.read_text()))
        settings = (
            f"shared_dir={self._home / 'shared'}",
            f"ray.address={self._head.address}",
            "quack.port=0",
            "metrics_port=0",
            "console.enabled=false",
            "speech.replicas=2",
            f"llm.base_url={llm}/v1",
            *RELAXED,
        )
        arguments = ["-m", "server.cli", "serve", "--address", f"127.0.0.1:{self._ports[number]}"]
        arguments += ["--data-dir", str(folder / "data"), "--state-dir", str(folder / "state")]
        arguments += [part for setting in settings for part in ("--set", setting)]
        child = Child.start("server", arguments, folder / f"log-{self._starts[number]}")
        self._all.append(child)
        return child

    def _start_upstream(self) -> Child:
        arguments = ["-m", "server.cli.demo.llm_server", "--port", "0", "--record", str(self.received)]
        upstream = Child.start("stand-in LLM", arguments, self._home / "upstream.log")
        self._all.append(upstream)
        wait_until(lambda: "http://" in upstream.log.read_text(), upstream, READY_S, "The upstream did not start")
        return upstream

    def _serves(self, number: int) -> Callable[[], bool]:
        return lambda: serving(f"127.0.0.1:{self._ports[number]}")

    async def _keep_running(self, number: int) -> None:
        """Start a server again when it has ended, as a service manager does."""
        while True:
            if not self._servers[number].alive:
                self._servers[number] = await asyncio.to_thread(self._started, number)
            await asyncio.sleep(WATCH_S)

    async def _kill_server(self) -> None:
        self._chance.choice(self._servers).process.kill()

    async def _end_server(self) -> None:
        self._chance.choice(self._servers).process.terminate()

    async def _kill_postgres(self) -> None:
        await asyncio.to_thread(self._postgres.kill)
        await asyncio.sleep(AWAY_S)
        await asyncio.to_thread(self._postgres.start)

    async def _kill_node(self) -> None:
        await asyncio.to_thread(self._node.remove)
        await asyncio.to_thread(self._start_node)


def _wait(condition: Callable[[], bool], problem: str) -> None:
    give_up_at = time.monotonic() + READY_S
    while not condition():
        if time.monotonic() > give_up_at:
            raise TimeoutError(problem)
        time.sleep(WATCH_S)
