"""The processes of ``benchmarks.claims``: each claims jobs, does nothing, and ends them, as a server would.

Every claim and end also writes a row with the next number of a sequence, in its own transaction. A job is locked until
that transaction ends, so the numbers of what happened to one job, and to the jobs of one session, are in the order in
which it happened, whatever the clocks say.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

import psycopg

from models.errors import Conflict, VestibuleError
from models.reasons import Reason
from server.jobs.isolation import ALONE_AFTER
from server.ledger import claims, job_attempts, job_ends, jobs
from server.ledger.columns import Cursor, count
from server.ledger.postgres.transactions import PostgresTransactions, connected
from server.ledger.types import JobRow, utc_now

T = TypeVar("T")

KIND: Final = "reply"
PAUSE_S: Final = 0.05
PUT_BACK: Final = "0"
"""Jobs whose id begins and ends like this are put back once."""

_NOTE: Final = "INSERT INTO trace (job_id, attempt, what, lease_until, moment) VALUES (?, ?, ?, ?, ?)"
_OPEN: Final = "SELECT EXISTS (SELECT 1 FROM jobs WHERE state IN ('QUEUED', 'RUNNING'))::INTEGER"


@dataclass(frozen=True, slots=True)
class Work:
    """What a claimant does.

    Attributes:
        batch: Jobs that a claim asks for.
        lease_s: Length of a lease in seconds.
    """

    url: str
    batch: int
    lease_s: float


def take_and_end(work: Work, owner: str, times: Path) -> None:
    """Claim and end jobs until none is open. ``times`` gets a line for each claim: when, how long, and how many."""
    with closing(connected(work.url)) as ledger, times.open("w", buffering=1) as lines:
        while True:
            began = time.perf_counter()
            taken = _written(ledger, partial(_claim, owner=owner, work=work))
            lines.write(f"{time.time()} {time.perf_counter() - began} {len(taken)}\n")
            for job in taken:
                try:
                    _written(ledger, partial(_end, job=job, owner=owner))
                except Conflict:
                    lines.write("lost\n")  # its lease ran out before its turn came
            if not taken:
                if not _written(ledger, lambda cursor: count(cursor, _OPEN)):
                    return
                time.sleep(PAUSE_S)


def _written(ledger: PostgresTransactions, fn: Callable[[Cursor], T]) -> T:
    """What a function gives in a transaction of its own, which is run again if another one was in its way."""
    while True:
        try:
            result = fn(ledger.cursor)
            ledger.commit()
        except (psycopg.Error, VestibuleError) as error:
            ledger.roll_back()
            failure = ledger.explain(error)
        else:
            return result
        if not failure.again:
            raise failure.error


def _claim(cursor: Cursor, owner: str, work: Work) -> list[JobRow]:
    now = utc_now()
    taken = claims.claim(cursor, owner, now, work.lease_s, work.batch, (KIND,), (), ALONE_AFTER)
    until = now + timedelta(seconds=work.lease_s)
    if taken:
        cursor.executemany(_NOTE, [[job.id, job.attempts, "begin", until, now] for job in taken])
    return taken


def _end(cursor: Cursor, job: JobRow, owner: str) -> None:
    now = utc_now()
    put_back = job.attempts == 1 and job.id[0] == job.id[-1] == PUT_BACK
    if put_back:
        again = now + timedelta(seconds=1)
        jobs.reschedule(cursor, job.id, again, Reason.UPSTREAM_TIMEOUT, owner=owner, attempt=job.attempts)
        job_attempts.insert_attempt(cursor, job, now, "retry", Reason.UPSTREAM_TIMEOUT)
    else:
        job_ends.finish(cursor, job.id, owner=owner, attempt=job.attempts)
        job_attempts.insert_attempt(cursor, job, now, job_attempts.DONE)
    cursor.execute(_NOTE, [job.id, job.attempts, "back" if put_back else "end", None, now])


PEER_TABLE: Final = """CREATE TABLE queue AS
    SELECT id, session_id, payload, create_time, 'QUEUED' AS state FROM jobs ORDER BY create_time LIMIT {jobs};
ALTER TABLE queue ADD PRIMARY KEY (id);
CREATE INDEX queue_first ON queue (create_time) WHERE state = 'QUEUED';
ANALYZE queue"""
_PEER_CLAIM: Final = """UPDATE queue SET state = 'RUNNING' WHERE id IN (
    SELECT id FROM queue WHERE state = 'QUEUED' ORDER BY create_time FOR UPDATE SKIP LOCKED LIMIT %s) RETURNING id"""
_PEER_NOTE: Final = "INSERT INTO peer_trace (job_id, what) VALUES (%s, %s)"


def take_and_end_peer(work: Work, owner: str, times: Path) -> None:
    """The same with a plain queue: the oldest jobs that nobody has locked, without leases, attempts, order or turns."""
    with psycopg.connect(work.url) as connection, times.open("w", buffering=1) as lines:
        cursor = connection.cursor()
        while True:
            began = time.perf_counter()
            taken = cursor.execute(_PEER_CLAIM, [work.batch]).fetchall()
            cursor.executemany(_PEER_NOTE, [[row[0], "begin"] for row in taken])
            connection.commit()
            lines.write(f"{time.time()} {time.perf_counter() - began} {len(taken)}\n")
            for row in taken:
                cursor.execute("UPDATE queue SET state = 'DONE' WHERE id = %s", row)
                cursor.execute(_PEER_NOTE, [row[0], "end"])
                connection.commit()
            if not taken:
                return


Claimant = Callable[[Work, str, Path], None]
