"""Jobs over SIGKILL in the middle of a claim, a release or an end."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

import pytest

from server.ledger import jobs
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import utc_now
from tests.unit.ledger.migrated import open_ledger
from tests.unit.ledger.stored import read_now

KILLS = 12
JOBS = 300
"""More than are done before the last kill."""

# Forks one worker for each line that it reads, because to import takes longer than the work. A worker claims jobs, puts
# a share of them back and ends the others with one row each. The owner has one name after all kills.
WORKERS = """
import datetime, os, pathlib, random, sys
from server.ledger import claims, job_ends, jobs
from server.ledger.types import utc_now
from server.ledger.embedded import EmbeddedLedger

def work(chance, share):
    ledger = EmbeddedLedger.open(pathlib.Path(sys.argv[1]))
    ledger.write_now(lambda cursor: claims.take_over(cursor, utc_now(), datetime.timedelta(seconds=600)))
    print(os.getpid(), flush=True)
    while taken := ledger.write_now(lambda cursor: claims.claim(cursor, "same", utc_now(), 30.0, 5)):
        for job in taken:
            if chance.random() < share:
                ledger.write_now(
                    lambda c: jobs.release(c, job.id, utc_now(), owner="same", attempt=job.attempts) and None
                )
            else:
                ledger.write_now(end(job))
                print(job.id, flush=True)
    ledger.close()

def end(job):
    def write(cursor):
        job_ends.finish(cursor, job.id, owner="same", attempt=job.attempts)
        cursor.execute("INSERT INTO effects VALUES (?)", [job.id])
    return write

for line in sys.stdin:
    worker = os.fork()
    if worker == 0:
        seed, share = line.split()
        work(random.Random(int(seed)), float(share))
        os._exit(0)
    _, status = os.waitpid(worker, 0)
    print("ended", os.waitstatus_to_exitcode(status), flush=True)
"""


def _until_ended(told: IO[str]) -> Iterator[str]:
    """The jobs that a worker ended, then its code."""
    for line in told:
        yield line.split()[-1]
        if line.startswith("ended "):
            return


@contextmanager
def _workers(path: Path) -> Iterator[Callable[[int, float | None], list[str]]]:
    """Works in a process of its own until the kill; returns the jobs whose end was acknowledged.

    Without a kill it puts nothing back and works until all is done.
    """
    with subprocess.Popen(
        [sys.executable, "-c", WORKERS, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        given, told = parent.stdin, parent.stdout

        def work(seed: int, kill_after_s: float | None) -> list[str]:
            given.write(f"{seed} {0.0 if kill_after_s is None else 0.5}\n")
            given.flush()
            process = int(told.readline())
            if kill_after_s is not None:
                time.sleep(kill_after_s)
                with suppress(ProcessLookupError):  # it has done all
                    os.kill(process, signal.SIGKILL)
            *done, last = _until_ended(told)
            assert int(last) in (0, -signal.SIGKILL)
            return done

        yield work


@pytest.mark.slow
def test_each_job_is_done_once_whenever_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.duckdb"
    now = utc_now()
    rows = [jobs.new_job("scripted", f"key-{n}", f"session-{n % 40}", {}, "network", now) for n in range(JOBS)]
    ledger = open_ledger(path)
    ledger.write_now(lambda cursor: cursor.execute("CREATE TABLE effects (job_id VARCHAR)") and None)
    ledger.write_now(lambda cursor: [jobs.enqueue(cursor, row) for row in rows] and None)
    ledger.close()
    chance = random.Random(5)
    acknowledged: list[str] = []
    with _workers(path) as work:
        for turn in range(KILLS):
            acknowledged += work(turn, chance.uniform(0.0, 0.3))
            ledger = EmbeddedLedger.open(path)
            broken = read_now(
                ledger,
                lambda cursor: cursor.execute(
                    "SELECT id FROM jobs WHERE (state = 'RUNNING') <> (lease_owner <> '') OR attempts < 0"
                ).fetchall(),
            )
            ledger.close()
            assert broken == []
        acknowledged += work(KILLS, None)
    ledger = EmbeddedLedger.open(path)
    effects = read_now(ledger, lambda cursor: cursor.execute("SELECT job_id FROM effects").fetchall())
    states = read_now(ledger, lambda cursor: cursor.execute("SELECT DISTINCT state FROM jobs").fetchall())
    ledger.close()
    assert states == [("DONE",)]
    assert Counter(job_id for (job_id,) in effects) == Counter(row.id for row in rows)
    assert set(acknowledged) <= {row.id for row in rows}
    assert len(acknowledged) == len(set(acknowledged))
