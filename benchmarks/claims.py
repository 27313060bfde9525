"""Whether claims in PostgreSQL are exact, and how fast they are, with many jobs and many claimants.

    python -m benchmarks.claims [--jobs 1000000] [--claimants 16] [--batch 16] [--kills 20] [--peer-jobs 100000]

All jobs are there from the start, ten of each session. Of three clients one has 90 % of them, and one has 1 %, which
came last. Each claimant is a process that claims and ends jobs with the functions that a server calls, one job a
transaction. Some are killed while they work, and others take their place; the leases of their jobs run out. Jobs do
nothing, so all that is measured is the ledger. PostgreSQL runs on this machine and waits for the disk at each commit.

Afterwards SQL looks at what happened: whether each job ended once, whether an attempt began before the one before it
had ended or lost its lease, and whether the jobs of a session came one after the other. Any that did not fails.

The peer is a plain queue: ORDER BY, FOR UPDATE SKIP LOCKED, LIMIT. It has no leases, attempts, order within a session
or turns of clients, and one index. It shows what those cost.
"""

from __future__ import annotations

import argparse
import multiprocessing
import multiprocessing.connection
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any, Final

import psycopg

from benchmarks._claimants import KIND, PEER_TABLE, Claimant, Work, take_and_end, take_and_end_peer
from server.jobs.isolation import ALONE_AFTER
from server.ledger import claims, jobs
from server.ledger.columns import Cursor, fetch_all, stored_time
from server.ledger.postgres.ledger import PostgresLedger
from server.ledger.postgres.transactions import connected
from server.ledger.types import utc_now
from tests.postgres_server import ADMIN_DATABASE, postgres_server

OF_SESSION: Final = 10
LEASE_S: Final = 10.0
SMALL: Final = 0.01
"""Share of the jobs of the small client."""
CLAIMS_EACH: Final = 1000
"""Claims at the start, in the middle and at the end whose times are printed; fewer in a short run."""

_TRACES: Final = """
CREATE TABLE trace (seq BIGINT GENERATED ALWAYS AS IDENTITY, job_id VARCHAR COLLATE "C", attempt INTEGER, what VARCHAR,
    lease_until TIMESTAMP, moment TIMESTAMP);
CREATE TABLE peer_trace (seq BIGINT GENERATED ALWAYS AS IDENTITY, job_id VARCHAR COLLATE "C", what VARCHAR)
"""
_SESSIONS: Final = f"""
INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, turn_count, language,
    sealed_vocabulary, variant)
SELECT 's' || n, CASE WHEN n >= (1 - {SMALL}) * %(sessions)s THEN 'small' WHEN n %% 10 = 0 THEN 'middle'
    ELSE 'large' END, 'r' || n, 'STARTED', now(), now(), now(), 0, 'en', '', ''
FROM generate_series(0, %(sessions)s - 1) AS n
"""
# The jobs of a session are a hundred sessions apart, so that claimants meet jobs that wait for another one.
_JOBS: Final = f"""
INSERT INTO jobs (id, kind, key, session_id, payload, state, policy, create_time, next_attempt_time, attempts,
    lease_owner, last_reason, correlation_id)
SELECT gen_random_uuid()::VARCHAR, '{KIND}', 'k' || n, 's' || (n / 1000 * 100 + n %% 100), '{{}}', 'QUEUED', 'llm_api',
    now()::TIMESTAMP - INTERVAL '1 hour' + n * INTERVAL '1 millisecond', now()::TIMESTAMP - INTERVAL '1 hour', 0, '',
    '', '' FROM generate_series(%(first)s::INTEGER, %(last)s::INTEGER) AS n
"""

_NOT_ENDED_ONCE: Final = """SELECT count(*) FROM jobs LEFT JOIN (
    SELECT job_id, count(*) AS ends FROM trace WHERE what = 'end' GROUP BY job_id) AS ended ON ended.job_id = jobs.id
WHERE state <> 'DONE' OR ends IS DISTINCT FROM 1"""
# An attempt that has neither ended nor been put back must have lost its lease before the next begins.
_OVERLAPPING: Final = """SELECT count(*) FROM (
    SELECT what, moment, lag(what) OVER of_job AS before, lag(lease_until) OVER of_job AS until,
        lag(attempt) OVER of_job AS attempt_before, attempt
    FROM trace WINDOW of_job AS (PARTITION BY job_id ORDER BY seq)) AS steps
WHERE NOT CASE
    WHEN before IS NULL THEN what = 'begin'
    WHEN before = 'begin' AND what = 'begin' THEN moment >= until AND attempt > attempt_before
    WHEN before = 'begin' THEN attempt = attempt_before
    ELSE before = 'back' AND what = 'begin' END"""
_OVERTAKEN: Final = """SELECT count(*) FROM (
    SELECT first_seq, lag(last_seq) OVER (PARTITION BY session_id ORDER BY create_time, id) AS end_before
    FROM {jobs} AS jobs JOIN (SELECT job_id, min(seq) AS first_seq, max(seq) AS last_seq FROM {trace} GROUP BY job_id)
        AS steps ON steps.job_id = jobs.id) AS in_order
WHERE first_seq < end_before"""
_SMALL_DONE: Final = """SELECT (SELECT max(seq) FROM {trace} AS trace JOIN {jobs} AS jobs ON jobs.id = trace.job_id
        JOIN sessions ON sessions.id = jobs.session_id WHERE client_id = 'small')
    / (SELECT max(seq) FROM {trace})::DOUBLE PRECISION"""
_LOST: Final = "SELECT count(*) FROM job_attempts WHERE outcome = 'lost'"


@dataclass(frozen=True, slots=True)
class Ran:
    """What a run of claimants took.

    Attributes:
        times: Of each claim that gave jobs: when it ended and how long it took, in seconds, in the order of time.
    """

    wall_s: float
    times: list[tuple[float, float]]
    kills: int


def fill(url: str, number: int) -> float:
    """Put sessions and jobs into the ledger; returns the seconds that the jobs took."""
    with closing(PostgresLedger.open(url)), psycopg.connect(url, autocommit=True) as connection:
        connection.execute(_TRACES.encode())
        connection.execute(_SESSIONS.encode(), {"sessions": max(100, number // OF_SESSION)})
        began = time.perf_counter()
        for first in range(0, number, 100_000):
            connection.execute(_JOBS.encode(), {"first": first, "last": min(number, first + 100_000) - 1})
        return time.perf_counter() - began


def alone(url: str, batch: int) -> list[tuple[str, str]]:
    """What a claim takes while nobody else claims, with all jobs open; it is rolled back each time."""

    def median_of(number: int, claim: Callable[[Cursor], object]) -> str:
        took = []
        with closing(connected(url)) as ledger:
            for _ in range(number):
                began = time.perf_counter()
                claim(ledger.cursor)
                took.append(time.perf_counter() - began)
                ledger.roll_back()
        return _ms(sorted(took), 0.5)

    moment = stored_time(utc_now())
    wanted = {"kinds": [KIND], "now": moment, "recent": moment, "number": batch, "held": [], "alone": []}
    return [
        ("a claim, nobody beside it", median_of(20, lambda cursor: _claim_one(cursor, batch))),
        ("the query over all open jobs", median_of(3, lambda cursor: fetch_all(cursor, claims.OVER_ALL, wanted))),
        ("when the next job is due", median_of(20, lambda cursor: jobs.next_due(cursor, utc_now()))),
    ]


def _claim_one(cursor: Cursor, batch: int) -> None:
    claims.claim(cursor, "build/alone", utc_now(), LEASE_S, batch, (KIND,), (), ALONE_AFTER)


def run(claimant: Claimant, work: Work, number: int, folder: Path, kills: int, every_s: float) -> Ran:
    """Run claimants until nothing is open, and kill some of them."""
    processes: list[BaseProcess] = []
    forks = multiprocessing.get_context("forkserver")
    forks.set_forkserver_preload(["benchmarks._claimants"])

    def start() -> BaseProcess:
        place = len(list(folder.iterdir()))
        process = forks.Process(target=claimant, args=(work, f"build/{place}", folder / str(place)))
        process.start()
        (folder / str(place)).touch()
        return process

    began, killed, chance = time.perf_counter(), 0, random.Random(7)
    processes = [start() for _ in range(number)]
    while any(process.is_alive() for process in processes):
        multiprocessing.connection.wait([process.sentinel for process in processes], timeout=every_s)
        alive = [place for place, process in enumerate(processes) if process.is_alive()]
        if len(alive) == number and killed < kills:
            place = chance.choice(alive)
            processes[place].kill()
            processes[place].join()
            processes[place] = start()
            killed += 1
    wall_s = time.perf_counter() - began
    if any(process.exitcode for process in processes):
        raise RuntimeError("A claimant failed.")
    return Ran(wall_s, _times(folder), killed)


def _times(folder: Path) -> list[tuple[float, float]]:
    lines = (line.split() for file in folder.iterdir() for line in file.read_text().splitlines())
    return sorted((float(parts[0]), float(parts[1])) for parts in lines if len(parts) == 3 and parts[2] != "0")


def shown(ran: Ran, number: int) -> list[tuple[str, str]]:
    """The figures of a run."""
    each = min(CLAIMS_EACH, len(ran.times) // 3)
    middle = (len(ran.times) - each) // 2
    parts = {"start": ran.times[:each], "middle": ran.times[middle : middle + each], "end": ran.times[-each:]}
    lines = [("jobs a second", f"{number / ran.wall_s:,.0f}, {ran.wall_s:,.0f} s in all")]
    for name, part in parts.items():
        took = sorted(seconds for _, seconds in part)
        lines.append((f"a claim at the {name}, p50 and p95", f"{_ms(took, 0.5)}, {_ms(took, 0.95)}"))
    return lines


def _ms(took: list[float], share: float) -> str:
    return f"{1e3 * took[int(share * (len(took) - 1))]:.1f} ms"


def asked(url: str, query: str) -> Any:
    """The value that a query gives."""
    with psycopg.connect(url) as connection:
        row = connection.execute(query.encode()).fetchone()
        assert row is not None
        return row[0]


def measure(given: argparse.Namespace, folder: Path) -> bool:
    """Run both, print the figures, and say whether the claims were exact."""
    with postgres_server(durable=True) as server:
        url = server.format("ledger")
        with psycopg.connect(server.format(ADMIN_DATABASE), autocommit=True) as admin:
            admin.execute("CREATE DATABASE ledger")
        work = Work(url, given.batch, LEASE_S)
        print(f"{'jobs put in':<36} {given.jobs:,} in {fill(url, given.jobs):,.0f} s", flush=True)
        _print("", alone(url, given.batch))
        if not given.claimants:
            return True
        peer_jobs = min(given.jobs, given.peer_jobs)
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(PEER_TABLE.format(jobs=peer_jobs).encode())
        (folder / "ours").mkdir()
        (folder / "peer").mkdir()
        ran = run(take_and_end, work, given.claimants, folder / "ours", given.kills, given.kill_every)
        wrong = [
            ("jobs that did not end exactly once", asked(url, _NOT_ENDED_ONCE)),
            ("attempts that overlapped another", asked(url, _OVERLAPPING)),
            ("jobs that overtook in a session", asked(url, _OVERTAKEN.format(jobs="jobs", trace="trace"))),
        ]
        _print(f"{given.jobs:,} jobs, {given.claimants} claimants", shown(ran, given.jobs))
        _print("", [("claimants killed, attempts lost", f"{ran.kills}, {asked(url, _LOST):,}")])
        _print("", [(name, f"{number:,}") for name, number in wrong])
        ours = asked(url, _SMALL_DONE.format(jobs="jobs", trace="trace"))
        _print("", [("the small client was done after", f"{ours:.0%} of the run")])
        if peer_jobs:
            peer = run(take_and_end_peer, work, given.claimants, folder / "peer", 0, 1.0)
            overtook = asked(url, _OVERTAKEN.format(jobs="queue", trace="peer_trace"))
            _print(f"plain queue, {peer_jobs:,} jobs", shown(peer, peer_jobs))
            _print("", [("jobs that overtook in a session", f"{overtook:,}")])
    return not any(number for _, number in wrong)


def _print(title: str, lines: list[tuple[str, str]]) -> None:
    if title:
        print(f"\n{title}")
    for name, value in lines:
        print(f"{name:<36} {value}", flush=True)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="jobs that are there from the start")
    parser.add_argument(
        "--claimants", type=int, default=16, help="processes that claim at the same time; 0 ends after single claims"
    )
    parser.add_argument("--batch", type=int, default=16, help="jobs that a claim asks for")
    parser.add_argument("--kills", type=int, default=20, help="claimants that are killed")
    parser.add_argument("--kill-every", type=float, default=5.0, help="seconds between two kills")
    parser.add_argument("--peer-jobs", type=int, default=100_000, help="jobs of the plain queue; 0 leaves it out")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        exact = measure(given, Path(folder))
    sys.exit(0 if exact else 1)


if __name__ == "__main__":
    main()
