"""What somebody who types notices of analysts who attack, what every process grows, and how long a stop takes."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import statistics
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

from vestibule.v1 import conversation_pb2, conversation_pb2_grpc, session_pb2, session_pb2_grpc

from benchmarks._running import Running, running
from benchmarks._under_attack import key_of
from benchmarks._watched_processes import WatchedProcesses
from server.cli.channel import open_aio_channel
from server.cli.demo.processes import free_ports

TURNS = 120
EVERY_S = 0.1
ANALYSTS = 8
MEBIBYTE = 1024 * 1024
MOST_RATIO = 1.5
MORE_STOP_S = 2.0
STOP_TIMEOUT_S = 60.0
READY_S = 240.0
UNBOUNDED = ("limits.typed_per_minute=100000", "limits.client_typed_per_minute=100000")
"""The benchmark types faster than a person may."""


@dataclass(slots=True)
class Attack:
    """An attack that ran, and what it did."""

    did: str = ""


class Typist:
    """Types one text after the other in one stream; each is a turn of its own."""

    def __init__(self, stub: conversation_pb2_grpc.ConversationServiceAsyncStub, session_id: str) -> None:
        self._wanted: asyncio.Queue[str] = asyncio.Queue()
        self._session_id = session_id
        self._answers = stub.Converse(self._requests())
        self._numbers = itertools.count(1)

    async def _requests(self) -> AsyncIterator[conversation_pb2.ConverseRequest]:
        config = conversation_pb2.ConverseConfig(
            session_id=self._session_id,
            encoding=conversation_pb2.AUDIO_ENCODING_PCM_S16LE,
            sample_rate_hz=16000,
            channels=1,
        )
        yield conversation_pb2.ConverseRequest(config=config)
        while True:
            text = conversation_pb2.TypedText(text=await self._wanted.get())
            yield conversation_pb2.ConverseRequest(text=text)

    async def turn(self) -> float:
        """Seconds from a typed text to its redacted turn."""
        began = time.perf_counter()
        self._wanted.put_nowait(f"The meter at the Riverside site reads {next(self._numbers):05d} now.")
        async for answer in self._answers:
            if answer.HasField("final"):
                return time.perf_counter() - began
        raise AssertionError("the stream ended")

    async def median_ms(self) -> float:
        """Of some turns."""
        took = []
        for _ in range(TURNS):
            took.append(await self.turn())
            await asyncio.sleep(EVERY_S)
        return 1000 * statistics.median(took)


@contextlib.asynccontextmanager
async def typist(server: Running) -> AsyncIterator[Typist]:
    """A client with a session of its own."""
    key = await key_of(server, "typist")
    async with open_aio_channel(server.address, credential=key) as channel:
        request = session_pb2.StartSessionRequest(request_id=str(uuid.uuid4()), language="en")
        session = (await session_pb2_grpc.SessionServiceStub(channel).StartSession(request)).session
        yield Typist(conversation_pb2_grpc.ConversationServiceStub(channel), session.id)


@contextlib.contextmanager
def attacked(port: int, token: Path) -> Iterator[Attack]:
    """Attack while the context lasts."""
    command = [sys.executable, "-m", "benchmarks._hostile_analysts", str(port), str(token), str(ANALYSTS)]
    attack = Attack()
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == "ready"
            yield attack
        finally:
            attack.did, _ = process.communicate()


async def turns(server: Running, port: int, token: Path) -> bool:
    """Measure typed turns before, during and after an attack; returns whether the ratio holds."""
    async with typist(server) as client:
        await client.median_ms()  # loads what is loaded once
        before = await client.median_ms()
        with WatchedProcesses(server.pid) as watched, attacked(port, token) as attack:
            during = await client.median_ms()
        after = await client.median_ms()
    ratio = during / ((before + after) / 2)
    figures = f"{before:.0f} ms before, {during:.0f} beside it, {after:.0f} after it"
    print(f"{'typed turn, median':<42} {figures}: x{ratio:.2f}{'' if ratio <= MOST_RATIO else '  MISSED'}")
    print(f"{'the attack':<42} {ANALYSTS} analysts: {attack.did.strip()}", flush=True)
    for name, most in sorted(_growth(watched).items()):
        print(f"{'grew: ' + name[:36]:<42} {most / MEBIBYTE:.0f} MiB at most")
    return ratio <= MOST_RATIO


def _growth(watched: WatchedProcesses) -> dict[str, int]:
    """The growth of the process that grew most, by what it runs; without those that grew little."""
    most: dict[str, int] = {}
    for one in watched.growth.values():
        name = one.name.removeprefix("python -m ").rstrip("0123456789 ")
        most[name] = max(most.get(name, 0), one.bytes)
    return {name: size for name, size in most.items() if size > 5 * MEBIBYTE}


def restarts(log: Path) -> str:
    """Why the process that serves analysts was started again, as the server's log has it."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return ", ".join(line for line in lines if "analysts_restarted" in line) or "none"


def stopped(server: Running) -> float:
    """Seconds from SIGTERM to the end of the server."""
    began = time.perf_counter()
    server.child.process.terminate()
    server.child.process.wait(STOP_TIMEOUT_S)
    return time.perf_counter() - began


def measure(folder: Path) -> bool:
    """Run two servers, one under attack; returns whether all bounds hold."""
    (port,) = free_ports(1)
    assignments = (f"quack.port={port}", *UNBOUNDED)
    with running(folder / "quiet", *assignments, ready_s=READY_S) as server:
        asyncio.run(_some_turns(server))
        usual = stopped(server)
    with running(folder / "attacked", *assignments, ready_s=READY_S) as server:
        token = folder / "attacked" / "state" / "quack.token"
        good = asyncio.run(turns(server, port, token))
        print(f"{'restarts of the endpoint':<42} {restarts(server.child.log)}", flush=True)
        with attacked(port, token):
            asyncio.run(_some_turns(server))
            beside = stopped(server)
    holds = beside - usual <= MORE_STOP_S
    figures = f"{usual:.1f} s without and {beside:.1f} s beside an attack"
    print(f"{'from SIGTERM to the end':<42} {figures}{'' if holds else '  MISSED'}")
    return good and holds


async def _some_turns(server: Running) -> None:
    async with typist(server) as client:
        await client.median_ms()
