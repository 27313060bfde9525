"""How long the server is away after each kind of kill.

    python -m benchmarks.recovery [--rounds 7] [--only speech raylet]

A client works every half second: it types a text, each in a stream of its own, or, where the speech workers are killed,
speaks for four seconds. The figure is the time from the kill to the end of the first work that was begun later and
came back redacted; it holds the time of that work, which the line without a kill shows. A kill of the server is
followed by a new start on the same folder. Each kind of kill has a server of its own.

The server starts a lost Ray again at once after each of the first five losses within ten minutes. Before the sixth and
the seventh start it pauses, longer each time, so the figures from the sixth round on are told apart.

Calls do not pass through Serve's controller, so a kill of it alone is not noticed by a client ("controller"). What the
controller does is to keep the replicas there: the kind "controller, redaction" kills all replicas of redaction with it,
and ends when the new controller has replaced one.
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
import wave
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Final

import grpc.aio
import psutil
from vestibule.v1.conversation_pb2 import ConverseConfig, ConverseRequest, ConverseResponse, TypedText
from vestibule.v1.conversation_pb2_grpc import ConversationServiceStub
from vestibule.v1.session_pb2 import StartSessionRequest
from vestibule.v1.session_pb2_grpc import SessionServiceStub

from benchmarks._cut import KillableServer
from ray_tasks.losses import AT_ONCE
from server.cli.channel import open_aio_channel
from server.cli.talk.client import Audio, Talker, TalkOptions

GIVE_UP_S: Final = 180.0
BETWEEN_S: Final = 0.5
REST_S: Final = 5.0
CLIP_S: Final = 4.0
DATA: Final = Path(__file__).resolve().parent.parent / "tests" / "data"
CONTROLLER: Final = "ray::ServeController"


def _replica_of(worker: str) -> Callable[[str], bool]:
    return lambda title: title.startswith("ray::ServeReplica") and f"-{worker}" in title


KINDS: Final[dict[str, Callable[[str], bool]]] = {
    "redaction": _replica_of("redaction"),
    "speech": _replica_of("speech"),
    "controller": lambda title: title.startswith(CONTROLLER),
    "controller, redaction": lambda title: title.startswith(CONTROLLER) or _replica_of("redaction")(title),
    "raylet": lambda title: "/raylet/raylet " in title,
    "gcs": lambda title: "/gcs/gcs_server " in title,
    "owner": lambda title: "ray_tasks.ray_process" in title,
    "all of Ray": lambda title: "ray" in title and "server.sandbox" not in title and "server.analytics" not in title,
}
"""Which processes each kind of kill hits, by their command lines. All that match are killed."""


Work = Callable[[KillableServer], Awaitable[None]]
"""What the client does; it raises when the server does not take it."""


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


async def spoken(server: KillableServer) -> None:
    """Open a session, speak, and wait for a final."""
    finals: list[str] = []

    def take(response: ConverseResponse) -> None:
        if response.HasField("final"):
            finals.append(response.final.text.value)

    async with open_aio_channel(f"127.0.0.1:{server.port}", credential=server.operator_key) as channel:
        start = StartSessionRequest(client_id="benchmark", request_id=str(uuid.uuid4()), language="en")
        session = (await SessionServiceStub(channel).StartSession(start, timeout=5.0)).session.id
        audio = Audio()
        audio.add(_clip())
        audio.finish()
        options = TalkOptions(session, "en", give_up_s=GIVE_UP_S)
        await Talker(channel, options, audio, take, lambda _reason, _pause_s: None).run()
    assert finals, "Nothing was heard."


def _clip() -> bytes:
    with wave.open(str(DATA / "visit.wav")) as file:
        return bytes(file.readframes(int(CLIP_S * file.getframerate())))


async def recovered(server: KillableServer, began: float, work: Work) -> float:
    """Seconds until work that was begun after the kill is done."""
    while time.monotonic() - began < GIVE_UP_S:
        if server.port is not None:
            with contextlib.suppress(grpc.aio.AioRpcError):
                await work(server)
                return time.monotonic() - began
        await asyncio.sleep(BETWEEN_S)
    raise AssertionError("The server did not come back.")


async def killed(server: KillableServer, kind: str) -> float:
    """Kill, and measure; returns seconds."""
    work = spoken if kind == "speech" else typed
    began = time.monotonic()
    if kind == "server":
        _, took_s = await asyncio.gather(server.kill_server(), recovered(server, began, work))
        return took_s
    victims = [p for p in psutil.Process(server.pid).children(recursive=True) if KINDS[kind](" ".join(p.cmdline()))]
    assert victims, f"There is nothing to kill for {kind}."
    for process in victims:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    return await recovered(server, began, work)


async def measured(kind: str, rounds: int) -> tuple[float, list[float]]:
    """Seconds of the work without a kill, and of each round, one after the other on one server."""
    work = spoken if kind == "speech" else typed
    took = []
    with tempfile.TemporaryDirectory() as folder:
        async with KillableServer(Path(folder) / "home") as server:
            await work(server)
            usual_s = await recovered(server, time.monotonic(), work)
            for _ in range(rounds):
                await asyncio.sleep(REST_S)
                took.append(await killed(server, kind))
                print(f"{kind}: {took[-1]:.1f} s, load average {os.getloadavg()[0]:.0f}", flush=True)
    return usual_s, took


async def main(rounds: int, kinds: list[str]) -> None:
    """Print a table."""
    for kind in kinds:
        usual_s, took = await measured(kind, rounds)
        first, later = took[:AT_ONCE], took[AT_ONCE:]
        print(
            f"{kind:22} {usual_s:4.1f} s without a kill; rounds 1 to {len(first)}:"
            f" median {statistics.median(first):5.1f} s, {_seconds(first)}; later: {_seconds(later)}",
            flush=True,
        )


def _seconds(figures: list[float]) -> str:
    return " ".join(f"{seconds:.1f}" for seconds in figures) or "none"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--only", nargs="+", choices=[*KINDS, "server"], default=[*KINDS, "server"])
    arguments = parser.parse_args()
    asyncio.run(main(arguments.rounds, arguments.only))
