"""What clients notice of an outage of the first LLM, with our breakers and with LiteLLM's router.

    python -m benchmarks.outage [--scale 8] [--rate 1] [--fallback 1.0] [--seed 13]

The first upstream breaks four times: its port is closed, then it accepts calls and is silent, then it answers with 500,
then with 429 and a Retry-After of 24 s. Each outage lasts 150 s and is followed by 170 s of health. Everything is
``--scale`` times as fast: the outages, all timeouts, pauses and reset times, and the latency of both upstreams. What
cannot be scaled is the work of the processors. The run takes about three minutes.

All contestants get the same requests at the same times, on the same scripted upstream, each on a port of its own:

ours             the server's own assistant, breakers, health probes and HTTP client, with the default settings, with
                 the second upstream as its next step. A turn is streamed.
LiteLLM          its router, with the second upstream as its fallback. A client gives up after 30 s.
tuned, 120 s     the same with the bounds of our breaker: it cools down after 3 failures for 120 s, makes no retries,
                 and waits as long for the first upstream as a turn of ours does, 4 s.
tuned, 15 s      the same with a cooldown as long as the time between two of our health probes.
alone            both again, with the second upstream in the place of the first: what a client sees if nobody tries the
                 one that breaks.

Printed for each outage: attempts at the first upstream for each request, with our health probes; median, 95th
percentile and mean of the latency, each with its ratio to that of the same software ``alone``; requests that failed;
and the time from the end of the outage until a request is served by the first upstream again, in seconds as if nothing
had been scaled, and in reset times (cooldowns) of the contestant.

It exits with 1 when ours misses its bars: median and mean over all outages at most 1.2 times those of the fallback
alone, no request that failed, and each recovery noticed within one reset time.

What was predicted: docs/evaluation/constants/benchmarks.md, outage.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks._environments import as_it_comes, environment
from benchmarks._outage_load import Request, note_connections, play
from benchmarks._outage_modes import Mode
from benchmarks._outage_ours import build_assistant
from benchmarks._outage_report import Contestant, Outage, report
from models.errors import VestibuleError
from server.observability.log import configure

HERE = Path(__file__).resolve().parent
LITELLM = "litellm==1.110.2"
OUTAGES = (Mode.REFUSE, Mode.HANG, Mode.ERROR, Mode.RATE_LIMIT)

# Seconds, before they are scaled.
LEAD_S = 60.0
OUTAGE_S = 150.0
HEALTH_S = 170.0
LATENCY_S = 0.6
PATIENCE_S = 30.0
RESET_S = 120.0
PROBE_S = 15.0
STEP_S = 4.0
LITELLM_COOLDOWN_S = 5.0

RETRY_AFTER_S = 3
"""As it is sent, in whole seconds: 24 s with the default scale."""


class Child:
    """A process that answers a line with a line. A context manager: it ends with the block."""

    def __init__(self, command: list[str], environment: dict[str, str] | None = None) -> None:
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environment)

    def say(self, content: object) -> None:
        """Send a line."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(content) + "\n")
        self._process.stdin.flush()

    def hear(self) -> Any:
        """Read a line."""
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise SystemExit("A process of the benchmark has ended.")
        return json.loads(line)

    async def ask(self, content: object) -> Any:
        """Send a line and wait for the answer."""
        self.say(content)
        return await asyncio.to_thread(self.hear)

    def end(self) -> None:
        """Kill it."""
        self._process.kill()
        self._process.wait()


@contextlib.contextmanager
def child(command: list[str], environment: dict[str, str] | None = None) -> Iterator[Child]:
    """Run a process until the end of the block."""
    started = Child(command, environment)
    try:
        yield started
    finally:
        started.end()


@dataclass(frozen=True, slots=True)
class Peer:
    """One of LiteLLM's routers.

    Attributes:
        cooldown_s: Before scaling.
        options: Other arguments of ``litellm.Router``.
        process: Runs it.
        port: Its port of the upstream that breaks; 0 for none.
    """

    name: str
    cooldown_s: float
    options: dict[str, float]
    process: Child
    port: int

    def start(self, fallback: int, scale: float) -> None:
        """Say what it is, and wait until it is ready."""
        told = {
            "primary": url(self.port or fallback),
            "fallback": url(fallback),
            "scale": scale,
            "retry_after_s": RETRY_AFTER_S,
        }
        self.process.say(told | {"options": self.options | {"cooldown_time": self.cooldown_s / scale}})
        self.process.hear()


def configurations(scale: float) -> list[tuple[str, float, dict[str, float]]]:
    """Name, cooldown and other options of each peer; the last one gets the fallback only."""
    tuned = {"allowed_fails": 2, "num_retries": 0, "timeout": STEP_S / scale}
    return [
        ("LiteLLM, defaults", LITELLM_COOLDOWN_S, {}),
        ("LiteLLM, tuned, 120 s", RESET_S, tuned),
        ("LiteLLM, tuned, 15 s", PROBE_S, tuned),
        ("LiteLLM, alone", PROBE_S, tuned),
    ]


def url(port: int) -> str:
    return f"http://127.0.0.1:{port}/v1"


def arrivals(start: float, end: float, a_second: float, seed: int) -> list[float]:
    """Times of requests that do not wait for each other."""
    drawn, found, at = random.Random(seed), [], start
    while (at := at + drawn.expovariate(a_second)) < end:
        found.append(at)
    return found


async def break_and_mend(upstream: Child, start: float, scale: float) -> list[Outage]:
    """Run the script; returns the outages as they were."""
    outages: list[Outage] = []
    at = start + LEAD_S / scale
    for mode in OUTAGES:
        await asyncio.sleep(at - time.monotonic())
        began = await upstream.ask({"mode": mode, "retry_after": str(RETRY_AFTER_S)})
        at += OUTAGE_S / scale
        await asyncio.sleep(at - time.monotonic())
        ended = await upstream.ask({"mode": Mode.ANSWER, "retry_after": ""})
        asked = {int(port): count - began["asked"].get(port, 0) for port, count in ended["asked"].items()}
        outages.append(Outage(mode, began["at"], ended["at"], asked))
        at += HEALTH_S / scale
    return outages


async def run(arguments: argparse.Namespace, upstream: Child, peers: list[Child], folder: Path) -> bool:
    """Let all of them play; returns whether ours keeps its bars."""
    scale = arguments.scale
    places = upstream.hear()
    (port, *ports), fallback = places["broken"], places["steady"]
    parts = zip(configurations(scale), peers, [*ports, 0], strict=True)
    theirs = [Peer(*configured, process, port) for configured, process, port in parts]
    connections = note_connections()
    async with AsyncExitStack() as stack:
        ours = await build_assistant([url(port), url(fallback)], scale, folder / "ours", stack)
        alone = await build_assistant([url(fallback)], scale, folder / "alone", stack)
        for assistant in (ours, alone):
            await assistant.ask()
        for peer in theirs:
            await asyncio.to_thread(peer.start, fallback, scale)
        start = time.monotonic() + 1.0
        total_s = (LEAD_S + len(OUTAGES) * (OUTAGE_S + HEALTH_S)) / scale
        times = arrivals(start, start + total_s, arguments.rate * scale, arguments.seed)
        patience_s = PATIENCE_S / scale
        outages, played, base, *answers = await asyncio.gather(
            break_and_mend(upstream, start, scale),
            *(play(times, assistant.ask, patience_s, (VestibuleError,)) for assistant in (ours, alone)),
            *(peer.process.ask({"arrivals": times, "patience_s": patience_s}) for peer in theirs),
        )
    found = [[Request(*one) for one in answer["requests"]] for answer in answers]
    contestants = [Contestant("ours", RESET_S / scale, played, base, port)]
    for peer, requests in zip(theirs[:-1], found, strict=False):
        contestants.append(Contestant(peer.name, peer.cooldown_s / scale, requests, found[-1], peer.port))
    connections += [(at, to) for answer in answers for at, to in answer["connections"]]
    for peer, answer in zip(theirs, answers, strict=True):
        print(f"{peer.name}: {1000 * answer['cpu_s'] / len(times):.1f} ms of CPU a request")
    return report(contestants, outages, connections, scale)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--scale", type=float, default=8.0, help="How many times as fast as in reality.")
    parser.add_argument("--rate", type=float, default=1.0, help="Requests a second, before scaling.")
    parser.add_argument("--fallback", type=float, default=1.0, help="Latency of the second upstream, before scaling.")
    parser.add_argument("--seed", type=int, default=13, help="Of the times of the requests.")
    arguments = parser.parse_args()
    configure("error", "json")
    python = environment("litellm", LITELLM)
    scale = arguments.scale
    variables = as_it_comes() | {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "PYTHONWARNINGS": "ignore"}
    scripted = [sys.executable, "-m", "benchmarks._outage_upstream", str(len(configurations(scale)))]
    with tempfile.TemporaryDirectory() as folder, contextlib.ExitStack() as stack:
        latencies = [str(LATENCY_S / scale), str(arguments.fallback / scale)]
        upstream = stack.enter_context(child([*scripted, *latencies]))
        router = [str(python), str(HERE / "_litellm_router.py")]
        peers = [stack.enter_context(child(router, variables)) for _ in configurations(scale)]
        kept = asyncio.run(run(arguments, upstream, peers, Path(folder)))
    raise SystemExit(not kept)


if __name__ == "__main__":
    main()
