"""What the ledger costs in PostgreSQL, next to the embedded file in the same run.

    python -m benchmarks.ledger_engines [--seconds 5] [--clients 32] [--jobs 2000]

PostgreSQL runs on this machine and waits for the disk at each commit, as DuckDB does. Its sockets cost less than a
network, and it shares the cores with the benchmark. Printed:

one write       one event, durable, asked for by one caller at a time: median
one at a time   events a second when every client writes one event after the other
batches         events a second when every client sends batches of 100, as an app does
claim and end   jobs a second that one server takes, one a transaction, and ends in another transaction
a round         what the mirror takes where nothing changed, and with 1,000 new events: median, and CPU of this process
made anew       what the mirror takes for a million events
lag             age of the mirror when a round ends, beside clients that write one event after the other
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import closing, suppress
from functools import partial
from pathlib import Path

import psycopg

from benchmarks.ledger import BATCH, FULL, clients, open_session
from server.ledger import claims, job_ends, jobs, mirrored
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.postgres.increments import IncrementReader
from server.ledger.postgres.ledger import PostgresLedger
from server.ledger.transactional import Ledger
from server.ledger.types import utc_now
from server.mirror import ROUND_S, Mirror
from tests.postgres_server import ADMIN_DATABASE, postgres_server

ROUNDS = 20
FILL = """INSERT INTO events (id, session_id, client_id, name, server_time, sequence, variant, properties,
    properties_meta, event_time, clock) SELECT gen_random_uuid()::VARCHAR, 'other', 'app', 'camera_opened',
    now()::TIMESTAMP, 0, '', '{}', '{}', now()::TIMESTAMP, 'server' FROM generate_series(1, ?::BIGINT)"""

Row = tuple[str, str, str]


def claimed(ledger: Ledger, number: int) -> float:
    """Jobs a second that are claimed one by one, and ended."""
    now = utc_now()

    def enqueue(cursor: Cursor) -> None:
        for _ in range(number):
            jobs.enqueue(cursor, jobs.new_job("reply", str(uuid.uuid4()), str(uuid.uuid4()), {}, "llm_api", now))

    ledger.write_now(enqueue)
    began = time.perf_counter()
    ended = 0
    while taken := ledger.write_now(lambda cursor: claims.claim(cursor, "build/one", utc_now(), 30.0, 1)):
        (job,) = taken
        ledger.write_now(partial(job_ends.finish, job_id=job.id, owner="build/one"))
        ended += 1
    assert ended == number
    return number / (time.perf_counter() - began)


def writing(ledger: Ledger, seconds: float, number: int) -> list[str]:
    """One write, one at a time, and batches."""
    ledger.write_now(open_session)
    one_s, _ = asyncio.run(clients(ledger, 1, 1, seconds))
    _, single = asyncio.run(clients(ledger, number, 1, seconds))
    _, batches = asyncio.run(clients(ledger, number, BATCH, seconds))
    return [f"{one_s * 1e3:.2f} ms", f"{single:,.0f}/s", f"{batches:,.0f}/s"]


async def a_round(mirror: Mirror, before: Callable[[], object] = lambda: None) -> tuple[float, float]:
    """Median seconds of a round, and median seconds of CPU of this process."""
    took, used = [], []
    for _ in range(ROUNDS):
        before()
        began, cpu = time.perf_counter(), time.process_time()
        await mirror.round()
        took.append(time.perf_counter() - began)
        used.append(time.process_time() - cpu)
    return statistics.median(took), statistics.median(used)


async def lags(mirror: Mirror, ledger: Ledger, seconds: float, number: int) -> list[float]:
    """Age of the mirror each time that a round ends, while clients write."""
    found: list[float] = []

    async def rounds() -> None:
        while True:
            await mirror.round()
            found.append(mirror.lag_s)
            await asyncio.sleep(ROUND_S)

    copying = asyncio.create_task(rounds())
    await asyncio.to_thread(lambda: asyncio.run(clients(ledger, number, 1, seconds)))
    copying.cancel()
    with suppress(asyncio.CancelledError):
        await copying
    return found


def mirroring(ledger: PostgresLedger, url: str, folder: Path, seconds: float, number: int) -> list[Row]:
    """The figures of the mirror."""
    with closing(EmbeddedLedger.open(folder / "mirror.duckdb")) as file:
        reader = IncrementReader(url, file.write_now(mirrored.columns_of))
        with closing(reader):
            mirror = Mirror(reader, file, folder)
            asyncio.run(mirror.round())
            idle_s, idle_cpu_s = asyncio.run(a_round(mirror))

            def thousand() -> None:
                ledger.write_now(lambda cursor: cursor.execute(FILL, [1000]) and None)

            busy_s, busy_cpu_s = asyncio.run(a_round(mirror, thousand))
            found = asyncio.run(lags(mirror, ledger, max(seconds, 5 * ROUND_S), number))
            ledger.write_now(lambda cursor: cursor.execute(FILL, [FULL]) and None)
    with closing(EmbeddedLedger.open(folder / "anew.duckdb")) as file:
        reader = IncrementReader(url, file.write_now(mirrored.columns_of))
        with closing(reader):
            began = time.perf_counter()
            asyncio.run(Mirror(reader, file, folder).round())
            anew_s = time.perf_counter() - began
    return [
        ("a round, nothing changed", f"{idle_s * 1e3:.0f} ms, {idle_cpu_s * 1e3:.0f} ms CPU", "none"),
        ("a round, 1,000 new events", f"{busy_s * 1e3:.0f} ms, {busy_cpu_s * 1e3:.0f} ms CPU", "none"),
        (f"made anew, {FULL:,} events", f"{anew_s:.1f} s", "none"),
        ("lag at the end of a round", f"{statistics.median(found):.2f} s, longest {max(found):.2f} s", "none"),
    ]


def measure(folder: Path, seconds: float, number: int, of_jobs: int) -> list[Row]:
    """All figures, as rows of the table: what, PostgreSQL, the embedded file."""
    with postgres_server(durable=True) as server:
        url = server.format("ledger")
        with psycopg.connect(server.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute("CREATE DATABASE ledger")
        with (
            closing(PostgresLedger.open(url)) as ledger,
            closing(EmbeddedLedger.open(folder / "ledger.duckdb")) as file,
        ):
            names = ("one write, median", f"{number} clients, one at a time", f"{number} clients, batches of {BATCH}")
            written = zip(names, writing(ledger, seconds, number), writing(file, seconds, number), strict=True)
            claim = ("claim and end", f"{claimed(ledger, of_jobs):,.0f}/s", f"{claimed(file, of_jobs):,.0f}/s")
            return [*written, claim, *mirroring(ledger, url, folder, seconds, number)]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--clients", type=int, default=32, help="writers at the same time")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs that are claimed and ended")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), given.seconds, given.clients, given.jobs)
    print(f"{'what':<34} {'PostgreSQL':<30} embedded file")
    for what, theirs, ours in rows:
        print(f"{what:<34} {theirs:<30} {ours}")


if __name__ == "__main__":
    main()
