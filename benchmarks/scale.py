"""What one speaker and one picture cost, and how far that goes: CPU of each part, and writes of PostgreSQL.

    python -m benchmarks.scale [--streams 2] [--pictures 20] [--seconds 10]

A server of its own works with a real PostgreSQL that waits for the disk. Some streams speak a clip at its own pace;
then pictures are sent, one after the other. The processor time of each part is counted by the clocks of its processes.
Next, 1, 2, 4 and 8 processes write to PostgreSQL as servers do, 16 clients each. Printed:

part            CPU seconds for a second of speech, and for a picture; memory after that, shared pages counted once
writes          transactions for a minute of speech and for a picture, and bytes of PostgreSQL's log for each
servers         transactions a second of so many processes, and CPU of PostgreSQL for each
sizes           what 10, 100 and 1,000 people who speak at once need, as if it grew in proportion

The sizes are sums on paper: this machine cannot show them. The first wall is the part that no further machine relieves.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import math
import multiprocessing
import os
import re
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from vestibule.v1 import media_pb2

from benchmarks._running import Running, running
from server.cli.channel import open_aio_channel
from server.ledger import events, sessions, streams
from server.ledger.columns import Cursor
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.streams import StreamRow
from server.ledger.transactional import Ledger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.records.events import make_event
from tests.e2e.harness import DATA, App, audio, config, visit_pcm
from tests.postgres_server import ADMIN_DATABASE, postgres_process

PARTS: Final = {
    "speech workers": re.compile(r"ServeReplica:vestibule-\w+-speech"),
    "vision workers": re.compile(r"ServeReplica:vestibule-\w+-vision"),
    "redaction workers": re.compile(r"ServeReplica:vestibule-\w+-redaction"),
    "media decoders": re.compile(r"sandbox"),
    "analysts": re.compile(r"analytics"),
    "Ray": re.compile(r"ray|gcs_server|ServeController"),
}
SERVER: Final = "server"
POSTGRES: Final = "PostgreSQL"
WRITERS: Final = (1, 2, 4, 8)
CLIENTS_OF_A_SERVER: Final = 16
SPEAKERS: Final = (10, 100, 1000)
PACED: Final = 1.0
Measured = dict[str, float]
MIB: Final = 2**20
OF_A_SERVER: Final = (SERVER, "analysts", "media decoders")
"""Parts that each server has for itself."""
BUSY: Final = 0.7
"""Share of a core up to which one process answers in time."""


class Processors:
    """Counts the CPU seconds of the parts of a server, and of PostgreSQL."""

    def __init__(self, server: Running, postgres: int) -> None:
        self._server, self._postgres = psutil.Process(server.pid), psutil.Process(postgres)

    def now(self) -> Measured:
        """CPU seconds so far, by part."""
        used = self._of_each(_cpu_s)
        used[POSTGRES] = _family_s(self._postgres)
        return used

    def memory_mib(self) -> Measured:
        """Memory now, by part of the server, in MiB. Pages that processes share are counted once."""
        return self._of_each(lambda process: process.memory_full_info().pss / MIB)

    def _of_each(self, value: Callable[[psutil.Process], float]) -> Measured:
        summed: Measured = defaultdict(float)
        for process in self._server.children(recursive=True):
            with contextlib.suppress(psutil.NoSuchProcess):
                title = " ".join(process.cmdline())
                summed[next((part for part, mark in PARTS.items() if mark.search(title)), "other")] += value(process)
        summed[SERVER] = value(self._server)
        return summed


def _cpu_s(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess):
        times = process.cpu_times()
        return float(times.user + times.system)
    return 0.0


def _family_s(process: psutil.Process) -> float:
    return _cpu_s(process) + sum(_cpu_s(child) for child in process.children(recursive=True))


class Statistics:
    """What PostgreSQL counts."""

    def __init__(self, url: str) -> None:
        self._url = url

    def now(self) -> Measured:
        """Transactions and bytes of its log so far."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            connection.execute("SELECT pg_stat_force_next_flush()")
            commits = connection.execute("SELECT sum(xact_commit) FROM pg_stat_database").fetchone()
            position = connection.execute("SELECT pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')").fetchone()
        assert commits is not None
        assert position is not None
        return {"transactions": float(commits[0]), "wal_bytes": float(position[0])}


async def speak(app: App, pcm: bytes) -> None:
    """One person."""
    session_id = await app.open_session()

    async def talk() -> Any:
        yield config(session_id)
        async for chunk in audio(pcm, pace=PACED):
            yield chunk

    async for _ in app.conversations.Converse(talk()):
        pass


async def photograph(app: App, number: int) -> None:
    """Pictures, one after the other."""
    picture = (DATA / "meter.jpg").read_bytes()
    session_id = await app.open_session()
    for _ in range(number):
        await app.finished((await app.upload(session_id, picture, media_pb2.MEDIA_KIND_METER)).id)


async def work(
    server: Running, streams: int, pictures: int, marks: list[Measured], mark: Callable[[], Measured]
) -> None:
    """Warm up, then speak, then send pictures; ``mark`` counts in between."""
    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app, pcm = App(channel), visit_pcm()
        await speak(app, pcm[: 5 * 32_000])
        await photograph(app, 1)
        marks.append(mark())
        await asyncio.gather(*(speak(app, pcm) for _ in range(streams)))
        marks.append(mark())
        await photograph(app, pictures)
        marks.append(mark())


async def store_silences(ledger: Ledger, seconds: float) -> int:
    """Store what each of some streams stores most often; returns how many were stored."""

    async def one() -> int:
        now = utc_now()
        session = SessionRow(str(uuid.uuid4()), "scale", str(uuid.uuid4()), SessionState.STARTED, now, now)
        stream = StreamRow(str(uuid.uuid4()), session.id, "hash", "PCM_S16LE", 16000, 1, "en", now, now, holder="one")

        def begin(cursor: Cursor) -> None:
            sessions.insert_or_get(cursor, session)
            streams.insert_stream(cursor, stream)

        def store(cursor: Cursor) -> None:
            events.append(cursor, make_event(session, "no_speech", utc_now(), utterance=stored, spoken_ms=750))
            streams.save_progress(cursor, stream.id, utc_now(), holder="one", next_utterance=stored)

        await ledger.write(begin)
        stored, end = 0, time.monotonic() + seconds
        while time.monotonic() < end:
            await ledger.write(store)
            stored += 1
        return stored

    return sum(await asyncio.gather(*(one() for _ in range(CLIENTS_OF_A_SERVER))))


def write_as_server(url: str, seconds: float, results: Any) -> None:
    """What a process of ``writers`` does."""
    with closing(PostgresLedger.open(url, use=Use.TOGETHER)) as ledger:
        results.put(asyncio.run(store_silences(ledger, seconds)))


def writers(url: str, postgres: int, seconds: float) -> Iterator[str]:
    """Transactions a second of several servers."""

    def server_cpu_s() -> float:
        """Of PostgreSQL: the connections that have ended, too."""
        times = psutil.Process(postgres).cpu_times()
        return _family_s(psutil.Process(postgres)) + float(times.children_user + times.children_system)

    context = multiprocessing.get_context("spawn")
    for number in WRITERS:
        results = context.Queue()
        before = server_cpu_s()
        started = [context.Process(target=write_as_server, args=(url, seconds, results)) for _ in range(number)]
        for each in started:
            each.start()
        stored = sum(results.get() for _ in started)
        used_s = server_cpu_s() - before
        for each in started:
            each.join()
        yield (
            f"{number} processes: {stored / seconds:,.0f} transactions a second,"
            f" {1e3 * used_s / stored:.2f} ms of CPU of PostgreSQL each"
        )


def sizes(speech: Measured, minutes: float, memory: Measured) -> Iterator[str]:
    """What more speakers need, in proportion. Each worker is counted with a core, and each server with its helpers."""
    per_s = {part: used / (60 * minutes) for part, used in speech.items()}
    for speakers in SPEAKERS:
        cores = {part: speakers * share for part, share in per_s.items()}
        workers = sum(used for part, used in cores.items() if part.endswith("workers"))
        servers = cores[SERVER] / BUSY
        commits = speakers * per_s["transactions"]
        gib_of_workers = sum(math.ceil(cores[part]) * memory[part] for part in cores if part.endswith("workers")) / 1024
        gib_of_servers = math.ceil(servers) * sum(memory[part] for part in OF_A_SERVER) / 1024
        yield (
            f"{speakers} speakers: {workers:.1f} cores and {gib_of_workers:.0f} GiB for workers, {servers:.1f} servers"
            f" ({cores[SERVER]:.1f} cores, {gib_of_servers:.0f} GiB),"
            f" Ray {cores['Ray']:.1f} cores, PostgreSQL {cores[POSTGRES]:.2f} cores and {commits:.0f} transactions a"
            f" second, {speakers * per_s['wal_bytes'] / 1e6:.2f} MB of log a second"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2)
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_process(durable=True) as postgres:
        with psycopg.connect(postgres.url.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute(b"CREATE DATABASE ledger")
        url = postgres.url.format("ledger")
        os.environ["VESTIBULE_LEDGER__URL"] = url  # a secret, so no argument
        postmaster = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        limits = ("limits.client_uploads=100000", f"limits.client_upload_bytes={10**12}")
        marks: list[Measured] = []
        with running(Path(folder) / uuid.uuid4().hex, *limits, ready_s=300.0) as server:
            processors, statistics = Processors(server, postmaster), Statistics(url)
            asyncio.run(
                work(
                    server,
                    arguments.streams,
                    arguments.pictures,
                    marks,
                    lambda: {**processors.now(), **statistics.now()},
                )
            )
            memory = processors.memory_mib()
        speech, pictures = (
            defaultdict(float, {name: after[name] - before.get(name, 0.0) for name in after})
            for before, after in itertools.pairwise(marks)
        )
        minutes = arguments.streams * len(visit_pcm()) / 32_000 / 60
        report(speech, pictures, minutes, arguments.pictures, memory)
        for line in writers(url, postmaster, arguments.seconds):
            print(line, flush=True)
        for line in sizes(speech, minutes, memory):
            print(line)


def report(speech: Measured, pictures: Measured, minutes: float, number: int, memory: Measured) -> None:
    """Print what one person and one picture cost."""
    counted = ("transactions", "wal_bytes")
    print(f"{'part':<20} {'CPU s per s of speech':>22} {'CPU s per picture':>18} {'MiB':>6}")
    for part in sorted((speech.keys() | pictures.keys()) - set(counted)):
        print(
            f"{part:<20} {speech[part] / (60 * minutes):>22.4f} {pictures[part] / number:>18.3f}"
            f" {memory.get(part, 0.0):>6.0f}"
        )
    print(
        f"transactions: {speech['transactions'] / minutes:.0f} a minute of speech,"
        f" {pictures['transactions'] / number:.0f} a picture"
    )
    print(
        f"log: {speech['wal_bytes'] / minutes / 1e3:.0f} kB a minute of speech,"
        f" {pictures['wal_bytes'] / number / 1e3:.0f} kB a picture"
    )


if __name__ == "__main__":
    main()
