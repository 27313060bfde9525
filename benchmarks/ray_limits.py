"""Where Ray ends: what workers and servers cost its own processes, and how many calls one server sends.

    python -m benchmarks.ray_limits [--workers 1,16,32,48] [--servers 1,2,4,8] [--seconds 20]

The workers do nothing, so that many fit on one machine. They are deployed as those of speech are, with the same health
checks. Printed, CPU in seconds a second:

workers     of the control store (GCS), of Serve's controller, of the raylet and of all workers, while nobody calls
router      calls a second, with a second of audio each, that one server gets through, and CPU of a call in its process
servers     of the same parts while servers call 20 times a second each
limits      what one more worker, and one more server, adds to each part, and how many fill 70 % of a core

The limits are extrapolated from the lines through these figures, far beyond them, and on one node. So each is an
interval: that of the slope, with 95 % confidence. None is printed where that has 0 in it.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import logging
import math
import multiprocessing
import statistics
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psutil
import ray
from ray import serve

from benchmarks._ray_caller import KIND, POLICY, STOP, drive
from ray_tasks.deployments import DEPLOYMENTS, deployment
from ray_tasks.processes import users_of
from ray_tasks.types import WorkerConfig
from tests.eventually import eventually
from tests.ray_nodes import RayNode

NAME: Final = "limits"
SECOND_OF_AUDIO: Final = 64_000
"""Bytes: 16,000 samples as float32."""
AT_ONCE: Final = 32
WORKERS_THAT_ARE_CALLED: Final = 8
RATE: Final = 20.0
LEAST_POINTS: Final = 4
STUDENT: Final = 4.303
"""Of Student's distribution with two degrees of freedom, for four points and 95 %; for more it is too careful."""
READY_S: Final = 600.0
QUIET_S: Final = 10.0
BUSY: Final = 0.7
"""Share of a core up to which one process answers in time."""
PARTS: Final = {
    "GCS": "gcs/gcs_server",
    "controller": "ray::ServeController",
    "raylet": "raylet/raylet",
    "workers": "ray::ServeReplica",
}
SINGLE: Final = ("GCS", "controller", "raylet")
"""Parts of which a node or a cluster has one process."""


class Idle:
    """A worker that does nothing."""

    async def work(self, audio: bytes) -> int:
        """The number of bytes."""
        return len(audio)


Cpu = dict[str, float]
"""Seconds of CPU a second, by part."""


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", default="1,16,32,48", help="numbers of workers that are tried, at least four")
    parser.add_argument("--servers", default="1,2,4,8", help="numbers of servers that are tried, at least four")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each measurement")
    given = parser.parse_args()
    workers, servers = ({int(number) for number in each.split(",")} for each in (given.workers, given.servers))
    if min(len(workers), len(servers)) < LEAST_POINTS:
        parser.error(f"an interval needs {LEAST_POINTS} numbers of workers and of servers")
    head = RayNode()
    try:
        head.start()
        asyncio.run(eventually(lambda: head.is_up, READY_S))
        ray.init(address=head.address, log_to_driver=False, logging_level=logging.ERROR)
        serve.start(proxy_location="Disabled")
        cluster = Cluster(head, given.seconds)
        of_workers = cluster.measure_workers(sorted(workers))
        cluster.measure_router()
        of_servers = cluster.measure_servers(sorted(servers))
        print_limits("worker", of_workers)
        print_limits("server", of_servers)
    finally:
        ray.shutdown()
        head.kill()
        head.remove()


@dataclass(frozen=True, slots=True)
class Cluster:
    """A node of Ray, and how long each measurement takes."""

    head: RayNode
    seconds: float

    def measure_workers(self, numbers: list[int]) -> dict[int, Cpu]:
        """What workers cost that nobody calls."""
        found = {}
        for number in numbers:
            took_s = run_workers(number)
            found[number], memory = self._spent(), self._memory_of_a_worker()
            say(f"{number} workers, {memory:.0f} MiB each, ready after {took_s:.0f} s: {shown(found[number])}")
        return found

    def measure_router(self) -> None:
        """As many calls as one server can send."""
        run_workers(WORKERS_THAT_ARE_CALLED)
        _, [(done, took_s, cpu_s)] = self._beside_servers(1, 0.0)
        say(f"router: {done / took_s:.0f} calls a second, {1e3 * cpu_s / done:.2f} ms of CPU of the server for each")
        say(f"router: {BUSY * done / cpu_s:.0f} calls a second at {BUSY:.0%} of a core")

    def measure_servers(self, numbers: list[int]) -> dict[int, Cpu]:
        """What servers cost that call at a fixed pace."""
        found = {}
        for number in numbers:
            found[number], results = self._beside_servers(number, RATE)
            reached = sum(done / took_s for done, took_s, _ in results)
            say(f"{number} servers, {reached:.0f} of {number * RATE:.0f} calls a second: {shown(found[number])}")
        return found

    def _beside_servers(self, number: int, rate: float) -> tuple[Cpu, list[tuple[int, float, float]]]:
        """What Ray uses while so many processes call, and what they did."""
        with (
            tempfile.TemporaryDirectory() as folder,
            ProcessPoolExecutor(number, multiprocessing.get_context("spawn")) as pool,
        ):
            calling = (self.head.address, NAME, SECOND_OF_AUDIO, AT_ONCE, rate, Path(folder))
            jobs = [pool.submit(drive, *calling) for _ in range(number)]
            try:
                asyncio.run(eventually(lambda: len(list(Path(folder).iterdir())) == number, READY_S))
                spent = self._spent()
            finally:
                (Path(folder) / STOP).touch()
            return spent, [job.result() for job in jobs]

    def _spent(self) -> Cpu:
        """CPU of each part in seconds a second, over ``seconds``."""
        before = self._used()
        time.sleep(self.seconds)
        cpu = dict.fromkeys(PARTS, 0.0)
        for pid, (part, used) in self._used().items():
            cpu[part] += (used - before.get(pid, (part, 0.0))[1]) / self.seconds
        return cpu

    def _used(self) -> dict[int, tuple[str, float]]:
        """Part and seconds of CPU of each process of this node that is one of ``PARTS``."""
        used = {}
        for process in users_of(self.head.folder):
            with contextlib.suppress(psutil.NoSuchProcess):
                command, times = " ".join(process.cmdline()), process.cpu_times()
                part = next((part for part, word in PARTS.items() if word in command), None)
                if part is not None:
                    used[process.pid] = (part, times.user + times.system)
        return used

    def _memory_of_a_worker(self) -> float:
        """Own memory of a worker in MiB, median."""
        workers = [pid for pid, (part, _) in self._used().items() if part == "workers"]
        return statistics.median(psutil.Process(pid).memory_full_info().uss for pid in workers) / 2**20


def run_workers(number: int) -> float:
    """Have so many workers; returns the seconds that it took."""
    began = time.monotonic()
    config = WorkerConfig(replicas=number, cpus=0.0, max_ongoing=AT_ONCE, max_queued=10_000)
    serve.run(deployment(DEPLOYMENTS[KIND], Idle, config, POLICY).bind(), name=NAME, route_prefix=None)
    took_s = time.monotonic() - began
    time.sleep(QUIET_S)
    return took_s


def shown(cpu: Cpu) -> str:
    """One line."""
    return ", ".join(f"{part} {seconds:.3f}" for part, seconds in cpu.items())


def print_limits(what: str, found: dict[int, Cpu]) -> None:
    """How many workers or servers each process can hold."""
    for part in SINGLE:
        slope, error, intercept = line_through({number: cpu[part] for number, cpu in found.items()})
        limit = "these figures do not say"
        if slope > error:
            fewest, most = ((BUSY - intercept) / each for each in (slope + error, slope - error))
            limit = f"{fewest:,.0f} to {most:,.0f}, and {max(found)} were tried"
        say(f"one more {what} adds to {part} {slope:.5f} +- {error:.5f}; number at {BUSY:.0%} of a core: {limit}")


def line_through(points: dict[int, float]) -> tuple[float, float, float]:
    """Slope, half its interval with 95 % confidence, and where the line begins."""
    line = statistics.linear_regression(list(points), list(points.values()))
    residuals = [cpu - line.intercept - line.slope * number for number, cpu in points.items()]
    spread = sum((number - statistics.mean(points)) ** 2 for number in points)
    variance = sum(residual**2 for residual in residuals) / (len(points) - 2)
    return line.slope, STUDENT * math.sqrt(variance / spread), line.intercept


def say(line: str) -> None:
    """Print at once."""
    print(line, flush=True)


if __name__ == "__main__":
    main()
