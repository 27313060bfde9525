"""Jobs over SIGKILL in the middle of a claim, a release or an end."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from server.ledger import jobs
from server.ledger.types import utc_now
from server.ledger.writer import Ledger
from tests.unit.ledger.stored import read_now

KILLS = 12
JOBS = 400

# Claims jobs, puts half of them back and ends the others with one row each. The owner has one name after all kills.
WORKER = """
import datetime, pathlib, random, sys
from server.ledger import claims, job_ends, jobs
from server.ledger.types import utc_now
from server.ledger.writer import Ledger

ledger = Ledger.open(pathlib.Path(sys.argv[1]))
chance = random.Random(int(sys.argv[2]))
ledger.write_now(lambda cursor: claims.take_over(cursor, utc_now(), datetime.timedelta(seconds=600)))
print("ready", flush=True)

def end(job):
    def write(cursor):
        job_ends.finish(cursor, job.id, owner="same", attempt=job.attempts)
        cursor.execute("INSERT INTO effects VALUES (?)", [job.id])
    return write

while taken := ledger.write_now(lambda cursor: claims.claim(cursor, "same", utc_now(), 30.0, 5)):
    for job in taken:
        if chance.random() < 0.5:
            ledger.write_now(lambda c: jobs.release(c, job.id, utc_now(), owner="same", attempt=job.attempts) and None)
        else:
            ledger.write_now(end(job))
            print(job.id, flush=True)
ledger.close()
"""


def _work(path: Path, seed: int, kill_after_s: float | None) -> list[str]:
    """Work until all is done or the kill; returns the jobs whose end was acknowledged."""
    child = subprocess.Popen([sys.executable, "-c", WORKER, str(path), str(seed)], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stdout.readline() == "ready\n"
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        child.send_signal(signal.SIGKILL)
    lines = child.stdout.readlines()
    child.stdout.close()
    code = child.wait(timeout=120)
    assert code in (0, -signal.SIGKILL)
    return [line.strip() for line in lines if line.endswith("\n")]  # the kill may tear the last one


@pytest.mark.slow
def test_each_job_is_done_once_whenever_its_process_is_killed(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.duckdb"
    now = utc_now()
    rows = [jobs.new_job("scripted", f"key-{n}", f"session-{n % 40}", {}, "network", now) for n in range(JOBS)]
    ledger = Ledger.open(path)
    ledger.write_now(lambda cursor: cursor.execute("CREATE TABLE effects (job_id VARCHAR)") and None)
    ledger.write_now(lambda cursor: [jobs.enqueue(cursor, row) for row in rows] and None)
    ledger.close()
    chance = random.Random(5)
    acknowledged: list[str] = []
    for turn in range(KILLS):
        acknowledged += _work(path, turn, chance.uniform(0.0, 0.3))
        ledger = Ledger.open(path)
        broken = read_now(
            ledger,
            lambda cursor: cursor.execute(
                "SELECT id FROM jobs WHERE (state = 'RUNNING') <> (lease_owner <> '') OR attempts < 0"
            ).fetchall(),
        )
        ledger.close()
        assert broken == []
    acknowledged += _work(path, KILLS, None)
    ledger = Ledger.open(path)
    effects = read_now(ledger, lambda cursor: cursor.execute("SELECT job_id FROM effects").fetchall())
    states = read_now(ledger, lambda cursor: cursor.execute("SELECT DISTINCT state FROM jobs").fetchall())
    ledger.close()
    assert states == [("DONE",)]
    assert Counter(job_id for (job_id,) in effects) == Counter(row.id for row in rows)
    assert set(acknowledged) <= {row.id for row in rows}
    assert len(acknowledged) == len(set(acknowledged))
