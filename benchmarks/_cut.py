"""Interrupts streams: a relay whose connections can be broken, and a server whose processes can be killed."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil

from benchmarks._running import Running, running
from server.cli.credentials import operator_key

REPLICA_TITLE = re.compile(r"ray::ServeReplica:vestibule-\w+-speech-\w+:")
REPLICA_TIMEOUT_S = 60.0
POLL_S = 0.1
PIECE_BYTES = 65_536


class Relay:
    """Relays between one client and the server, as a network does. A context manager.

    Args:
        target: Tells the port on loopback where the server listens now; None while it is down.
    """

    def __init__(self, target: Callable[[], int | None]) -> None:
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self._silent: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None

    @property
    def address(self) -> str:
        """Where the client connects to."""
        assert self._server is not None
        return f"127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def cut(self) -> None:
        """Break every connection, without telling either end."""
        for writer in self._open:
            writer.transport.abort()

    def fall_silent(self) -> None:
        """Stop forwarding on the open connections, and keep them open: neither end notices."""
        self._silent |= self._open

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        await self.cut()
        await self._server.wait_closed()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        port = self._target()
        writers = [writer]
        with contextlib.suppress(OSError):  # nobody listens, or an end is gone: the connection ends
            if port is not None:
                there, onward = await asyncio.open_connection("127.0.0.1", port)
                writers.append(onward)
                self._open |= set(writers)
                await asyncio.wait(
                    [asyncio.create_task(self._pump(reader, onward)), asyncio.create_task(self._pump(there, writer))]
                )
        for each in writers:
            each.transport.abort()
        self._open -= set(writers)
        self._silent -= set(writers)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward bytes until one end closes; then close the other end."""
        with contextlib.suppress(OSError):
            while data := await reader.read(PIECE_BYTES):
                if writer not in self._silent:
                    writer.write(data)
                    await writer.drain()
        if writer not in self._silent:
            writer.transport.abort()


class KillableServer:
    """A server that is killed and started again on the same folder. A context manager.

    Args:
        home: Where it keeps its data and its state.
        assignments: Settings that differ from the defaults.
    """

    def __init__(self, home: Path, *assignments: str) -> None:
        self._home = home
        self._assignments = assignments
        self._life = contextlib.ExitStack()
        self._one_at_a_time = asyncio.Lock()
        self._running: Running | None = None

    @property
    def port(self) -> int | None:
        """Port on loopback where it listens now; None while it is down."""
        return int(self._running.address.rpartition(":")[2]) if self._running else None

    @property
    def pid(self) -> int:
        """Process id of the server."""
        assert self._running is not None
        return self._running.pid

    @property
    def operator_key(self) -> str:
        """What the first start generated for clients on this machine; later ones keep it."""
        return operator_key(self._home / "state")

    async def kill_server(self) -> None:
        """Send SIGKILL to the server and its Ray, as when a container is killed; returns when a new server is ready."""
        async with self._one_at_a_time:
            assert self._running is not None
            killed, self._running = self._running, None
            await asyncio.to_thread(killed.kill)
            await self._start()

    async def kill_replica(self) -> None:
        """Send SIGKILL to the speech worker; Serve starts a new one."""
        async with self._one_at_a_time, asyncio.timeout(REPLICA_TIMEOUT_S):
            assert self._running is not None
            while not (found := list(_replicas(self._running.pid))):  # noqa: ASYNC110 - another process sets no event
                await asyncio.sleep(POLL_S)
            for process in found:
                process.kill()

    async def __aenter__(self) -> Self:
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running = None
        await asyncio.to_thread(self._life.close)

    async def _start(self) -> None:
        await asyncio.to_thread(self._life.close)
        self._running = await asyncio.to_thread(self._life.enter_context, running(self._home, *self._assignments))


def _replicas(server: int) -> Iterator[psutil.Process]:
    with contextlib.suppress(psutil.NoSuchProcess):
        for process in psutil.Process(server).children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                if process.is_running() and REPLICA_TITLE.match(" ".join(process.cmdline())):
                    yield process
