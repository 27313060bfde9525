"""What one speaker and one picture cost, and how far that goes: CPU of each part, and writes of PostgreSQL.

    python -m benchmarks.scale [--streams 2] [--visits 3] [--pictures 20] [--seconds 10]

A server of its own works with a real PostgreSQL that waits for the disk. First nobody uses it. Then some streams speak
a clip at its own pace, so often; then pictures are sent, one after the other. The processor time of each part is
counted by the clocks of its processes. What the server takes while nobody uses it is printed for itself, and left out
of the rest. Next, 1, 2, 4 and 8 processes write conversations to PostgreSQL as servers do, 16 clients each. Printed:

part            CPU a second while nobody speaks; CPU for a second of speech, and for a picture; memory after that,
                shared pages counted once
counted         what PostgreSQL does meanwhile: transactions, those of them that write, rows of mirrored tables, bytes
                of its log, and notices
servers         transactions a second of so many processes, and CPU of PostgreSQL for each
sizes           what 10, 100 and 1,000 people who speak at once need, as if it grew in proportion

The sizes are sums on paper: this machine cannot show them. To the costs of a speaker they add those of several servers,
which ``benchmarks.mirrors`` measures: each has a mirror of all rows, and hears what all others tell.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import multiprocessing
import os
import re
import tempfile
import time
import uuid
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any, Final

import psutil
import psycopg
from vestibule.v1 import media_pb2

from benchmarks._postgres_load import WRITES_OF_AN_EXCHANGE, Conversation, cpu_of_postgres_s, cpu_s, named
from benchmarks._running import Running, running
from benchmarks._sizes import POSTGRES, SERVER, Measured, sizes
from server.cli.channel import open_aio_channel
from server.ledger.mirrored import MIRRORED_BY
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.postgres.notices import PostgresNotices
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
WRITERS: Final = (1, 2, 4, 8)
CLIENTS_OF_A_SERVER: Final = 16
IDLE_S: Final = 20.0
SETTLED_S: Final = 11.0
"""Until each process of PostgreSQL has told its statistics, also one that has nothing more to do."""
COUNTED: Final = ("transactions", "writes", "rows", "wal_bytes", "notices")
CLOCK: Final = "clock"
BYTES_A_SECOND: Final = 32_000
"""Of the clip."""
PACED: Final = 1.0
MIB: Final = 2**20


class Processors:
    """Counts the CPU seconds of the parts of a server, and of PostgreSQL."""

    def __init__(self, server: Running, postgres: int) -> None:
        self._server, self._postgres = psutil.Process(server.pid), postgres

    def now(self) -> Measured:
        """CPU seconds so far, by part."""
        used = self._of_each(lambda process: cpu_s(process.pid))
        used[POSTGRES] = cpu_of_postgres_s(self._postgres)
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


class Statistics:
    """What PostgreSQL counts, and the notices that a listener hears."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._heard: list[int] = []
        self._notices = PostgresNotices(named(url, "benchmark"))
        self._notices.start(lambda notices: self._heard.append(len(notices)), lambda: None)

    def now(self) -> Measured:
        """So far, and the time."""
        with psycopg.connect(self._url, autocommit=True) as connection:
            row = connection.execute(
                """SELECT (SELECT sum(xact_commit) FROM pg_stat_database),
                    pg_snapshot_xmax(pg_current_snapshot())::VARCHAR::BIGINT,
                    (SELECT sum(n_tup_ins + n_tup_upd) FROM pg_stat_user_tables WHERE relname = ANY(%s)),
                    pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')""",
                [list(MIRRORED_BY)],
            ).fetchone()
        assert row is not None
        counted = zip(COUNTED, (*map(float, row), float(sum(self._heard))), strict=True)
        return {**dict(counted), CLOCK: time.monotonic()}

    def connections(self) -> int:
        """How many the server has."""
        with psycopg.connect(self._url) as connection:
            found = connection.execute("SELECT FROM pg_stat_activity WHERE application_name = 'vestibule'").fetchall()
        return len(found)

    def close(self) -> None:
        """Hear no more."""
        self._notices.close()


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
    server: Running, given: argparse.Namespace, marks: list[Measured], count: Callable[[], Measured]
) -> None:
    """Warm up, then do nothing, then speak, then send pictures; ``count`` counts in between."""

    async def mark() -> None:
        await asyncio.sleep(SETTLED_S)
        marks.append(count())

    async def one(app: App, pcm: bytes) -> None:
        for _ in range(given.visits):
            await speak(app, pcm)

    async with open_aio_channel(server.address, credential=server.operator_key) as channel:
        app, pcm = App(channel), visit_pcm()
        await speak(app, pcm[: 5 * 32_000])
        await photograph(app, 1)
        await mark()
        await asyncio.sleep(IDLE_S)
        await mark()
        await asyncio.gather(*(one(app, pcm) for _ in range(given.streams)))
        await mark()
        await photograph(app, given.pictures)
        await mark()


def write_as_server(url: str, seconds: float, together: Barrier, results: Any) -> None:
    """What a process of ``writers`` does; tells how many transactions it wrote."""

    async def one(ledger: PostgresLedger, end: float) -> int:
        conversation, exchanged = Conversation(), 0
        await ledger.write(conversation.begin)
        while time.monotonic() < end:
            await conversation.exchange(ledger)
            exchanged += 1
        return WRITES_OF_AN_EXCHANGE * exchanged

    async def all_of_them(ledger: PostgresLedger) -> int:
        end = time.monotonic() + seconds
        return sum(await asyncio.gather(*(one(ledger, end) for _ in range(CLIENTS_OF_A_SERVER))))

    with closing(PostgresLedger.open(url, use=Use.TOGETHER)) as ledger:
        together.wait()
        results.put(asyncio.run(all_of_them(ledger)))
        together.wait()  # what a connection costs at its end is not counted


def writers(url: str, postgres: int, seconds: float) -> Iterator[str]:
    """Transactions a second of several servers."""
    context = multiprocessing.get_context("spawn")
    for number in WRITERS:
        results, together = context.Queue(), context.Barrier(number + 1)
        given = (url, seconds, together, results)
        started = [context.Process(target=write_as_server, args=given) for _ in range(number)]
        for each in started:
            each.start()
        together.wait()
        before = cpu_of_postgres_s(postgres)
        stored = sum(results.get() for _ in started)
        used_s = cpu_of_postgres_s(postgres) - before
        together.wait()
        for each in started:
            each.join()
        yield (
            f"{number} processes: {stored / seconds:,.0f} transactions a second,"
            f" {1e3 * used_s / stored:.2f} ms of CPU of PostgreSQL each"
        )


def main() -> None:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--streams", type=int, default=2, help="people who speak at once")
    parser.add_argument("--visits", type=int, default=3, help="how often each speaks the clip")
    parser.add_argument("--pictures", type=int, default=20)
    parser.add_argument("--seconds", type=float, default=10.0, help="how long processes write to PostgreSQL")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder, postgres_process(durable=True) as postgres:
        with psycopg.connect(postgres.url.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute(b"CREATE DATABASE ledger")
        url = postgres.url.format("ledger")
        os.environ["VESTIBULE_LEDGER__URL"] = url  # a secret, so no argument
        postmaster = int((postgres.folder / "data" / "postmaster.pid").read_text().split()[0])
        options = ("limits.client_uploads=100000", f"limits.client_upload_bytes={10**12}", "ledger.mirror=false")
        marks: list[Measured] = []
        with running(Path(folder) / uuid.uuid4().hex, *options, ready_s=300.0) as server:
            processors, statistics = Processors(server, postmaster), Statistics(url)
            with closing(statistics):
                asyncio.run(work(server, given, marks, lambda: {**processors.now(), **statistics.now()}))
                print(f"the server has {statistics.connections()} connections to PostgreSQL")
            memory = processors.memory_mib()
        quiet, speech, pictures = (
            defaultdict(float, {name: after[name] - before.get(name, 0.0) for name in after})
            for before, after in itertools.pairwise(marks)
        )
        idle = scaled(quiet, 1 / quiet[CLOCK])
        spoken_s = given.streams * given.visits * len(visit_pcm()) / BYTES_A_SECOND
        of_speech = scaled(beside(idle, speech), 1 / spoken_s)
        report(idle, of_speech, scaled(beside(idle, pictures), 1 / given.pictures), memory)
        for line in writers(url, postmaster, given.seconds):
            print(line, flush=True)
        for line in sizes(idle, of_speech, memory):
            print(line)


def beside(idle: Measured, work: Measured) -> defaultdict[str, float]:
    """What work took without that which is always there."""
    return defaultdict(float, {name: used - idle[name] * work[CLOCK] for name, used in work.items()})


def scaled(measured: Measured, factor: float) -> defaultdict[str, float]:
    """Each figure, so often."""
    return defaultdict(float, {name: factor * used for name, used in measured.items()})


def report(idle: Measured, speech: Measured, picture: Measured, memory: Measured) -> None:
    """Print what an idle server, a second of speech and a picture cost."""
    print(f"{'part':<20} {'idle, CPU s a s':>18} {'CPU s per s of speech':>22} {'CPU s per picture':>18} {'MiB':>6}")
    for part in sorted((speech.keys() | picture.keys()) - {*COUNTED, CLOCK}):
        print(f"{part:<20} {idle[part]:>18.4f} {speech[part]:>22.4f} {picture[part]:>18.3f} {memory[part]:>6.0f}")
    for what in COUNTED:
        print(f"{what}: {idle[what]:.2f} a second idle, {speech[what]:.2f} a second of speech,", end=" ")
        print(f"{picture[what]:.1f} a picture")


if __name__ == "__main__":
    main()
