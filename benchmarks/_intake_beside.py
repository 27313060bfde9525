"""Events that come in at a rate for a while, beside an analyst and other calls; for ``event_intake``."""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import statistics
import time
import uuid
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import grpc.aio
import psutil
from vestibule.v1 import session_pb2, session_pb2_grpc

from benchmarks._running import Running
from models.errors import VestibuleError
from server.analytics.client import connect
from server.cli.channel import open_channel

CALLERS = 8
ALONE_S = 10.0
DEADLINE_S = 10.0
_PROBE_PAUSE_S = 0.1
_ANALYST_PAUSE_S = 0.2
_QUERIES = (
    "FROM funnel(['step_0', 'step_1', 'step_2'], within := INTERVAL 1 HOUR)",
    "SELECT name, count(*) FROM v_events GROUP BY name ORDER BY name",
)


@dataclass(frozen=True, slots=True)
class Beside:
    """How it went.

    Attributes:
        events_per_s: Events that were taken in, for each second.
        missed: Batches whose call ended at its deadline.
        get_ms: Median of GetSession.
        start_ms: Median of StartSession, which is a write.
        queries: Queries of the analyst that were answered.
        failed_queries: Those that were not.
        server_cpu: Processors that the server's own process kept busy.
        others_cpu: The same of all processes that it started, among them those that answer analysts.
        clients_cpu: The same of the callers, the other caller and the analyst.
    """

    events_per_s: float
    missed: int
    get_ms: float
    start_ms: float
    queries: int
    failed_queries: int
    server_cpu: float
    others_cpu: float
    clients_cpu: float


async def beside(
    server: Running, key: str, record: Any, batches: Sequence[bytes], size: int, rate: int, *, analyst: bool = True
) -> Beside:
    """Send batches at a rate; without batches, look for ten seconds how fast the other calls are without them.

    Args:
        server: What is measured.
        key: Of the app.
        record: Sends one batch.
        batches: All of them, made before.
        size: Events of a batch.
        rate: Events a second that are offered.
        analyst: Whether an analyst asks meanwhile.
    """
    seconds = len(batches) * size / rate if batches else ALONE_S
    processes = multiprocessing.get_context("spawn")
    counts = processes.Array("i", 2)
    asking = processes.Process(target=_ask, args=(*server.quack, counts), daemon=True)
    with ProcessPoolExecutor(1, processes) as prober:
        if analyst:
            asking.start()
        spent, began = _Spent.of(server.pid), time.perf_counter()
        probed = asyncio.get_running_loop().run_in_executor(prober, _probe, server.address, key, seconds)
        took_s, missed = await _send(record, batches, size / rate)
        get_ms, start_ms = await probed
        share = _Spent.of(server.pid).since(spent, time.perf_counter() - began)
    queries, failed = counts[0], counts[1]
    if analyst:  # it may be in the middle of a query
        asking.kill()
        asking.join()
    taken = (len(batches) - missed) * size
    return Beside(taken / took_s if batches else 0.0, missed, get_ms, start_ms, queries, failed, *share)


@dataclass(frozen=True, slots=True)
class _Spent:
    """Seconds of CPU of the server's process, by process of those that it started, and of our own ones."""

    server: float
    others: dict[int, float]
    clients: dict[int, float]

    @classmethod
    def of(cls, pid: int) -> _Spent:
        """As of now."""
        server, own = psutil.Process(pid), psutil.Process()
        started = {process.pid for process in server.children(recursive=True)} | {pid}
        ours = [own, *(process for process in own.children(recursive=True) if process.pid not in started)]
        return cls(_cpu_s(server), _by_process(server.children(recursive=True)), _by_process(ours))

    def since(self, before: _Spent, seconds: float) -> tuple[float, float, float]:
        """Processors that each of the three kept busy since then. A process that has ended counts no more."""
        others = sum(spent - before.others.get(pid, 0.0) for pid, spent in self.others.items())
        clients = sum(spent - before.clients.get(pid, 0.0) for pid, spent in self.clients.items())
        return (self.server - before.server) / seconds, others / seconds, clients / seconds


def _by_process(processes: Iterable[psutil.Process]) -> dict[int, float]:
    spent = {}
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            spent[process.pid] = _cpu_s(process)
    return spent


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)


async def _send(record: Any, batches: Sequence[bytes], every_s: float) -> tuple[float, int]:
    """The time until the last answer, and how many calls missed their deadline. A late batch goes at once."""
    waiting = iter(enumerate(batches))
    missed = 0
    began = time.perf_counter()

    async def caller() -> None:
        nonlocal missed
        for number, batch in waiting:
            await asyncio.sleep(began + number * every_s - time.perf_counter())
            try:
                await record(batch, timeout=DEADLINE_S)
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    raise
                missed += 1

    await asyncio.gather(*(caller() for _ in range(CALLERS)))
    return time.perf_counter() - began, missed


def _probe(address: str, key: str, seconds: float) -> tuple[float, float]:
    """Medians of the other calls in milliseconds."""
    gets, starts = [], []
    with open_channel(address, credential=key) as channel:
        stub: Any = session_pb2_grpc.SessionServiceStub(channel)
        end = time.perf_counter() + seconds
        while time.perf_counter() < end:
            began = time.perf_counter()
            request = session_pb2.StartSessionRequest(client_id="shop", request_id=str(uuid.uuid4()))
            opened = stub.StartSession(request, timeout=DEADLINE_S).session.id
            between = time.perf_counter()
            stub.GetSession(session_pb2.GetSessionRequest(session_id=opened), timeout=DEADLINE_S)
            starts.append(between - began)
            gets.append(time.perf_counter() - between)
            time.sleep(_PROBE_PAUSE_S)
    return statistics.median(gets) * 1000, statistics.median(starts) * 1000


def _ask(port: int, token: Path, counts: Any) -> None:
    """Ask as an analyst, without end; count the queries that were answered, and those that were not."""
    with connect(port, token.read_text(encoding="utf-8").strip()) as analyst:
        while True:
            try:
                analyst.execute(_QUERIES[counts[0] % len(_QUERIES)]).fetchall()
            except (duckdb.Error, VestibuleError):  # one that is refused is a VestibuleError
                counts[1] += 1
            else:
                counts[0] += 1
            time.sleep(_ANALYST_PAUSE_S)
