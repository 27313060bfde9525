"""After SIGKILL, every acknowledged write is stored whole, and no write in part."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.stored import read_now


def _pairs(cursor: Cursor) -> dict[int, int]:
    return dict(cursor.execute("SELECT n, count(DISTINCT half) FROM pairs GROUP BY n").fetchall())


@pytest.mark.slow
def test_every_acknowledged_write_survives_kill_9() -> None:
    """``benchmarks.ledger --kill 200`` in short."""
    child = subprocess.run(
        [sys.executable, "-m", "benchmarks.ledger", "--kill", "20", "--seed", "2"],
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    assert child.returncode == 0, child.stdout + child.stderr
    found = re.search(r"acknowledged ([\d,]+); missing 0; in part 0", child.stdout)
    assert found is not None
    assert int(found[1].replace(",", "")) >= 20


# A limit on the size of files stands for a full disk: the write that passes it fails in the same place.
FILLER = """
import pathlib, resource, signal, sys
from models.errors import Overloaded
from server.ledger.embedded import EmbeddedLedger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = EmbeddedLedger.open(pathlib.Path(sys.argv[1]))
ledger.write_now(lambda c: c.execute("CREATE TABLE pairs (n INTEGER, half INTEGER, filler VARCHAR)") and None)

def write(n, size):
    try:
        ledger.write_now(lambda c: c.execute("INSERT INTO pairs VALUES (?, 0, repeat('x', ?))", [n, size]) and None)
    except Overloaded as error:
        print(n, error.reason)
    else:
        print(n, "stored")

write(1, 100)
largest = max(file.stat().st_size for file in pathlib.Path(sys.argv[1]).parent.iterdir())
resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 200_000, resource.RLIM_INFINITY))
write(2, 600_000)
write(3, 100)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(4, 600_000)
ledger.close()
"""


def test_a_full_disk_fails_only_the_write_that_did_not_fit(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.duckdb"
    child = subprocess.run(
        [sys.executable, "-c", FILLER, str(path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert child.stdout.splitlines() == ["1 stored", "2 LEDGER_FULL", "3 stored", "4 stored"]
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    assert sorted(read_now(ledger, _pairs)) == [1, 3, 4]
    ledger.close()


STARTER = """
import pathlib, resource, signal, sys
from models.errors import VestibuleError
from server.ledger.embedded import EmbeddedLedger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
for most in (*map(int, sys.argv[2:]), resource.RLIM_INFINITY):
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, resource.RLIM_INFINITY))
    try:
        EmbeddedLedger.open(pathlib.Path(sys.argv[1])).close()
    except VestibuleError as error:
        print(error.reason)
    else:
        print("open")
"""


def test_a_first_start_on_a_full_disk_leaves_nothing_that_the_next_one_cannot_open(tmp_path: Path) -> None:
    sizes = ["0", "5000", "9000", "20000", "60000"]  # a header has three parts of 4096 bytes; then come the tables
    child = subprocess.run(
        [sys.executable, "-c", STARTER, str(tmp_path / "data" / "ledger.duckdb"), *sizes],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = [line for line in child.stdout.splitlines() if "half_made_ledger_deleted" not in line]
    assert said == ["LEDGER_FULL"] * len(sizes) + ["open"], child.stderr


# Here a checkpoint finds the disk full. DuckDB then refuses everything until the file is opened again.
CHECKPOINTER = """
import asyncio, json, pathlib, resource, signal, sys, time
from models.errors import Overloaded
from server.ledger.embedded import EmbeddedLedger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = EmbeddedLedger.open(pathlib.Path(sys.argv[1]))
ledger.write_now(lambda c: c.execute("CREATE TABLE pairs (n INTEGER, half INTEGER, filler VARCHAR)") and None)
ledger.write_now(lambda c: c.execute("SET GLOBAL wal_autocheckpoint = '100KB'") and None)
SQL = "INSERT INTO pairs SELECT ?, 0, string_agg(chr((33 + random() * 90)::INT), '') FROM range(?)"
acknowledged = []
refused = []

def write(n, size):
    try:
        ledger.write_now(lambda c: c.execute(SQL, [n, size]) and None)
    except Overloaded as error:
        refused.append((n, error.reason))
        return False
    acknowledged.append(n)
    return True

def stored():
    return asyncio.run(ledger.read(lambda c: [n for (n,) in c.execute("SELECT n FROM pairs").fetchall()]))

found = []
ledger.submit_between_commits(lambda: ledger.cursor().execute("CHECKPOINT")).result(60)
size = pathlib.Path(sys.argv[1]).stat().st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 1_000_000, resource.RLIM_INFINITY))
numbers = iter(range(1_000_000))
while write(next(numbers), 30_000):  # until a checkpoint does not fit
    pass
until = time.monotonic() + 10
while ledger.health.refused_since is None and time.monotonic() < until:  # it is noted after the caller was told
    time.sleep(0.001)
failing = ledger.health.refused_since is not None
found.append(stored())  # this may make the writer open the file again, and commit
write(next(numbers), 10)
while write(next(numbers), 30_000):  # until the WAL does not fit
    pass
found.append(stored())
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
write(next(numbers), 2_000_000)
found.append(stored())
health = ledger.health
ledger.close()
print(json.dumps([acknowledged, refused, found, failing, health.refused_since]))
"""


def test_a_checkpoint_that_finds_the_disk_full_ends_neither_reads_nor_writes(tmp_path: Path) -> None:
    path = tmp_path / "data" / "ledger.duckdb"
    child = subprocess.run(
        [sys.executable, "-c", CHECKPOINTER, str(path)], capture_output=True, text=True, check=True, timeout=120
    )
    *log, last = child.stdout.splitlines()
    acknowledged, refused, found, failing, failing_later = json.loads(last)
    assert "ledger_opened_again" in "".join(log)
    assert [reason for _, reason in refused] == ["LEDGER_FULL", "LEDGER_FULL"]
    (met, _), (left_out, _) = refused
    # How many there are of each is a matter of when checkpoints come.
    assert acknowledged[0] < met < max(n for n in acknowledged if n < left_out) < left_out < acknowledged[-1]
    # The commit whose checkpoint failed may be on the disk. Its caller was told that it may not be.
    assert failing
    assert [n for n in found[0] if n != met] == [n for n in acknowledged if n < met]
    assert [n for n in found[1] if n != met] == [n for n in acknowledged if n < left_out]
    assert [n for n in found[2] if n != met] == acknowledged
    assert failing_later is None
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    stored = [n for (n,) in read_now(ledger, lambda cursor: cursor.execute("SELECT n FROM pairs").fetchall())]
    ledger.close()
    assert stored == found[2]


# A fatal error that no write met: only the reads know of it.
READER = """
import asyncio, pathlib, resource, signal, sys
from models.errors import VestibuleError
from server.ledger.embedded import EmbeddedLedger

signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
ledger = EmbeddedLedger.open(pathlib.Path(sys.argv[1]))
TABLE = "CREATE TABLE pairs AS SELECT n, random() AS half FROM range(100_000) t(n)"
ledger.write_now(lambda c: c.execute(TABLE) and None)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, resource.RLIM_INFINITY))
failed = ledger.submit_between_commits(lambda: ledger.cursor().execute("CHECKPOINT"))
print(failed.exception(60).reason)
print(asyncio.run(ledger.read(lambda c: c.execute("SELECT count(*) FROM pairs").fetchall()[0][0])))
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
ledger.close()
"""


def test_a_read_that_finds_the_ledger_unusable_has_it_opened_again(tmp_path: Path) -> None:
    child = subprocess.run(
        [sys.executable, "-c", READER, str(tmp_path / "data" / "ledger.duckdb")],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert [line for line in child.stdout.splitlines() if "ledger_opened_again" not in line] == [
        "LEDGER_FULL",
        "100000",
    ]
