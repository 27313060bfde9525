"""How long the server is away after each kind of kill.

    python -m benchmarks.recovery [--rounds 5] [--only raylet gcs]

A client types a text every half second, each in a stream of its own. The figure is the time from the kill to the first
text that was typed later and came back redacted. A kill of the server is followed by a new start on the same folder.
Each kind has a server of its own, since from the sixth loss of Ray within ten minutes on the server waits before it
starts Ray again.

Calls do not pass through Serve's controller, so a kill of it alone is not noticed by a client ("controller"). What the
controller does is to keep the replicas there: the kind "controller, replica" kills one of the replicas with it, and
ends when the new controller has replaced that replica.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import statistics
import tempfile
import time
import uuid
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Final

import grpc.aio
import psutil
from vestibule.v1.conversation_pb2 import ConverseConfig, ConverseRequest, TypedText
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._cut import KillableServer
from server.cli.channel import open_aio_channel

GIVE_UP_S: Final = 180.0
BETWEEN_S: Final = 0.5
REST_S: Final = 5.0
REPLICA: Final = "ray::ServeReplica"
CONTROLLER: Final = "ray::ServeController"

KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "replica": lambda title: title.startswith(REPLICA) and "redaction" in title,
    "controller": lambda title: title.startswith(CONTROLLER),
    "controller, replica": lambda title: (
        title.startswith(CONTROLLER) or (title.startswith(REPLICA) and "redaction" in title)
    ),
    "raylet": lambda title: "/raylet/raylet " in title,
    "gcs": lambda title: "/gcs/gcs_server " in title,
    "owner": lambda title: "ray_tasks.ray_process" in title,
    "all of Ray": lambda title: "ray" in title and "server.sandbox" not in title and "server.analytics" not in title,
}
"""Which processes each kind of kill hits, by their command lines."""


async def typed(server: KillableServer) -> None:
    """Open a session, type a text, and wait for its final."""
    address = f"127.0.0.1:{server.port}"
    async with open_aio_channel(address, credential=server.operator_key) as channel:
        start = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language="en")
        session = (await SessionServiceStub(channel).StartSession(start, timeout=5.0)).session.id

        async def say() -> AsyncIterator[ConverseRequest]:
            yield ConverseRequest(config=ConverseConfig(session_id=session))
            yield ConverseRequest(text=TypedText(text="I am John Carter"))

        async for message in ConversationServiceStub(channel).Converse(say(), timeout=GIVE_UP_S):
            if message.HasField("final"):
                assert message.final.text.value == "I am [REDACTED_NAME]"
                return
    raise AssertionError("The stream ended without a final.")


async def recovered(server: KillableServer, began: float) -> float:
    """Seconds until a text that was typed after the kill is there."""
    while time.monotonic() - began < GIVE_UP_S:
        if server.port is not None:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await typed(server)
                return time.monotonic() - began
        await asyncio.sleep(BETWEEN_S)
    raise AssertionError("The server did not come back.")


async def killed(server: KillableServer, kind: str) -> float:
    """Kill, and measure; returns seconds."""
    began = time.monotonic()
    if kind == "server":
        _, took_s = await asyncio.gather(server.kill_server(), recovered(server, began))
        return took_s
    victims = [p for p in psutil.Process(server.pid).children(recursive=True) if KINDS[kind](" ".join(p.cmdline()))]
    assert victims, f"There is nothing to kill for {kind}."
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return await recovered(server, began)


async def measured(kind: str, rounds: int) -> list[float]:
    """Seconds of each round, one after the other on one server."""
    took = []
    with tempfile.TemporaryDirectory() as folder:
        async with KillableServer(Path(folder) / "home") as server:
            await typed(server)
            for _ in range(rounds):
                await asyncio.sleep(REST_S)
                took.append(await killed(server, kind))
                print(f"{kind}: {took[-1]:.1f} s, load average {os.getloadavg()[0]:.0f}", flush=True)
    return took


async def main(rounds: int, kinds: list[str]) -> None:
    """Print a table."""
    for kind in kinds:
        took = await measured(kind, rounds)
        each = " ".join(f"{seconds:.1f}" for seconds in took)
        print(f"{kind:20} median {statistics.median(took):5.1f} s   {each}", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="+", choices=[*KINDS, "server"], default=[*KINDS, "server"])
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rounds, arguments.only))
