"""What the ledger costs in PostgreSQL, next to the embedded file in the same run.

    python -m benchmarks.ledger_engines [--seconds 5] [--clients 32] [--jobs 2000] [--events 200000] [--runs 9]

PostgreSQL runs on this machine and waits for the disk at each commit, as DuckDB does. Its sockets cost less than a
network, and it shares the cores with the benchmark. Printed:

one write       one event, durable, asked for by one caller at a time: median
one at a time   events a second when every client writes one event after the other
batches         events a second when every client sends batches of 100, as an app does
claim and end   jobs a second that one server takes, one a transaction, and ends in another transaction
a round         what the mirror takes where nothing changed, and with 1,000 new events: median, and CPU of this process
made anew       what the mirror takes for a million events
lag             age of the mirror when a round ends, beside clients that write one event after the other
a funnel        what the macro of analysts takes over the same events in the mirror and in the embedded file, one after
                the other, ``--runs`` times: medians, and their ratio. It ends with an error where the rows differ
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
from server.ledger.columns import Cursor, Row, fetch_all
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

EVENTS_A_SESSION = 20
FILL_SESSIONS = """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time,
    language, sealed_vocabulary, variant, turn_count)
    SELECT md5(number::VARCHAR), 'app', number::VARCHAR, 'ABANDONED', opened, opened, opened, '', '', '', 0 FROM
    (SELECT number, TIMESTAMP '2026-01-01' + to_seconds((number * 7919 % 7776000)::BIGINT) AS opened
        FROM generate_series(1, ?::BIGINT) AS numbers(number)) AS made"""
FILL_STEPS = """INSERT INTO events (id, session_id, client_id, name, server_time, device_time, sequence, variant,
    properties, properties_meta, event_time, clock)
    SELECT md5(session_id || n::VARCHAR), session_id, 'app', name, moment, moment, n, '', '{}', '{}', moment, 'device'
    FROM (SELECT sessions.id AS session_id, 5 * step + other - 5 AS n,
        CASE WHEN other = 5 AND request_id::BIGINT % 5 >= step - 1 THEN 'step_' || step::VARCHAR
            ELSE 'event_' || other::VARCHAR END AS name,
        create_time + to_seconds((300 * step + 60 * other)::BIGINT) AS moment
        FROM sessions, generate_series(1, 4) AS steps(step), generate_series(1, 5) AS others(other)) AS made
    ORDER BY moment"""
"""Both engines take them and store the same rows. Every fifth session gets no further than each of the steps."""
FUNNEL = "FROM funnel(['step_1', 'step_2', 'step_3', 'step_4'], within := INTERVAL 1 DAY)"

Line = tuple[str, str, str]


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


def mirroring(ledger: PostgresLedger, url: str, folder: Path, seconds: float, number: int) -> list[Line]:
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


def fill_funnel(cursor: Cursor, events: int) -> None:
    """Store events in sessions of four steps."""
    cursor.execute(FILL_SESSIONS, [events // EVENTS_A_SESSION])
    cursor.execute(FILL_STEPS)


def counted(cursor: Cursor) -> tuple[float, list[Row]]:
    """Seconds of a funnel, and its rows."""
    began = time.perf_counter()
    rows = fetch_all(cursor, FUNNEL)
    return time.perf_counter() - began, rows


def funnels(url: str, folder: Path, events: int, runs: int) -> Line:
    """A funnel in the mirror of a database that has nothing else, and in an embedded file with the same events."""
    with (
        closing(PostgresLedger.open(url)) as ledger,
        closing(EmbeddedLedger.open(folder / "funnel.duckdb")) as file,
        closing(EmbeddedLedger.open(folder / "funnel-mirror.duckdb")) as copy,
    ):
        ledger.write_now(partial(fill_funnel, events=events))
        file.write_now(partial(fill_funnel, events=events))
        with closing(IncrementReader(url, copy.write_now(mirrored.columns_of))) as reader:
            asyncio.run(Mirror(reader, copy, folder).round())
        took: dict[EmbeddedLedger, list[float]] = {copy: [], file: []}
        for run in range(runs + 1):  # the first one reads the files, and is not counted
            (copy_s, copied), (file_s, stored) = (asyncio.run(each.read(counted)) for each in took)
            if copied != stored or len({row["sessions"] for row in stored}) < len(stored):
                raise SystemExit(f"In the mirror: {copied}; in the embedded file: {stored}")
            if run:
                took[copy].append(copy_s)
                took[file].append(file_s)
    mirror_s, file_s = map(statistics.median, took.values())
    in_mirror = f"{mirror_s * 1e3:.1f} ms, {mirror_s / file_s:.2f} times that"
    return f"a funnel, {events:,} events", in_mirror, f"{file_s * 1e3:.1f} ms"


def measure(folder: Path, seconds: float, number: int, of_jobs: int, events: int, runs: int) -> list[Line]:
    """All figures, as rows of the table: what, PostgreSQL, the embedded file."""
    with postgres_server(durable=True) as server:
        url = server.format("ledger")
        with psycopg.connect(server.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute("CREATE DATABASE ledger")
            admin.execute("CREATE DATABASE funnel")
        funnel = funnels(server.format("funnel"), folder, events, runs)
        with (
            closing(PostgresLedger.open(url)) as ledger,
            closing(EmbeddedLedger.open(folder / "ledger.duckdb")) as file,
        ):
            names = ("one write, median", f"{number} clients, one at a time", f"{number} clients, batches of {BATCH}")
            written = zip(names, writing(ledger, seconds, number), writing(file, seconds, number), strict=True)
            claim = ("claim and end", f"{claimed(ledger, of_jobs):,.0f}/s", f"{claimed(file, of_jobs):,.0f}/s")
            return [*written, claim, *mirroring(ledger, url, folder, seconds, number), funnel]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--clients", type=int, default=32, help="writers at the same time")
    parser.add_argument("--jobs", type=int, default=2000, help="jobs that are claimed and ended")
    parser.add_argument("--events", type=int, default=200_000, help="events that the funnel is over")
    parser.add_argument("--runs", type=int, default=9, help="of the funnel, in each file")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        rows = measure(Path(folder), given.seconds, given.clients, given.jobs, given.events, given.runs)
    print(f"{'what':<34} {'PostgreSQL':<30} embedded file")
    for what, theirs, ours in rows:
        print(f"{what:<34} {theirs:<30} {ours}")


if __name__ == "__main__":
    main()
