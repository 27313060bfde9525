"""What analysts cost the server: the writer's time for a snapshot, the copy, and writes beside queries.

    python -m benchmarks.analysts [--gigabytes 1] [--seconds 10] [--folder FOLDER] [--attack]

Printed, on a ledger of this size:

writer held     how long the ledger's writer stands still for a snapshot, which is while it makes the mark.
whole copy      a query after a small change and a checkpoint without an earlier copy, like the first query: the file is
                copied, and both processes attach the copy. Bytes written are for one query.
changed blocks  the same with an earlier copy, which is compared with the file and made equal to it.
WAL only        a query after a commit without a checkpoint: only the WAL is copied.
nothing new     a query without a commit since the last one.
write           one durable write, alone and while an analyst asks without pause: median and 95th percentile.

With ``--attack``, on a real server instead, with 8 analysts who send the hostile statements of the tests:

typed turn      from a typed text to its redacted turn, before, beside and after the attack; the ratio may be 1.5.
grew            each process of the server that grew by more than 5 MiB.
SIGTERM         how long the server takes to end, without and beside the attack; 2 s more are allowed.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from functools import partial
from pathlib import Path

import psutil

from benchmarks import _typed_beside_analysts
from benchmarks.ledger import make_events, open_session
from server.analytics.client import LiveConnection, connect
from server.analytics.endpoint_config import EndpointConfig
from server.analytics.live_snapshot import LONGEST_LAG_S
from server.analytics.snapshot import EARLIER, LedgerMark, mark_of
from server.analytics.supervisor import Supervisor
from server.cli.demo.processes import free_ports
from server.ledger import app_events, sessions
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now

TOKEN = "a-token-of-the-benchmark"
QUERY = "FROM v_funnel"
ROWS = 100_000
CHECKPOINTS = 7


def fill(cursor: Cursor) -> None:
    """Store rows of about 1 KB that compress badly."""
    cursor.execute(
        """INSERT INTO events SELECT uuid(), 'other', 'app', 'camera_opened', now()::TIMESTAMP, NULL, NULL, 0, '', NULL,
        to_json({'note': array_to_string([md5(random()::VARCHAR) FOR i IN range(32)], '')}), '{}',
        now()::TIMESTAMP, 'server' FROM range(?) t(r)""",
        [ROWS],
    )


def write(ledger: EmbeddedLedger) -> float:
    """Seconds of one durable write."""
    rows = make_events(1)
    began = time.perf_counter()
    ledger.write_now(app_events.AppendEvents(rows))
    return time.perf_counter() - began


def open_one(ledger: EmbeddedLedger) -> None:
    """A small change: one more session. A checkpoint moves up to 122,880 rows of a table that got a row."""
    now, name = utc_now(), str(uuid.uuid4())
    row = SessionRow(name, "app", name, SessionState.STARTED, now, now)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))


def checkpoint(ledger: EmbeddedLedger) -> None:
    """Write the WAL into the file."""
    ledger.submit_between_commits(lambda: ledger.cursor().execute("CHECKPOINT")).result()


def timed_mark(path: Path, held: list[float]) -> LedgerMark:
    """A mark, with the time that it took on the writer's thread."""
    began = time.perf_counter()
    mark = mark_of(path)
    held.append(time.perf_counter() - began)
    return mark


def ask(analyst: LiveConnection) -> float:
    """Seconds of one short query."""
    began = time.perf_counter()
    analyst.execute(QUERY).fetchall()
    return time.perf_counter() - began


def median_of(number: int, analyst: LiveConnection, *before: Callable[[], object]) -> float:
    """The median time of a query, each after something that is not measured, and when the snapshot may lag no more."""
    took = []
    for _ in range(number):
        for step in before:
            step()
        time.sleep(LONGEST_LAG_S)
        took.append(ask(analyst))
    return statistics.median(took)


def renewals(endpoint: Supervisor, analyst: LiveConnection, *before: Callable[[], object]) -> str:
    """Medians of the time of a query and of what the process that serves analysts writes for it."""
    process = psutil.Process(endpoint.process)
    took, written = [], []
    for _ in range(CHECKPOINTS):
        at = process.io_counters().write_chars
        took.append(median_of(1, analyst, *before))
        written.append(process.io_counters().write_chars - at)
    return f"{statistics.median(took) * 1e3:.0f} ms, {statistics.median(written) / 1e6:.1f} MB"


def writes_for(ledger: EmbeddedLedger, seconds: float) -> tuple[float, float]:
    """Median and 95th percentile of durable writes, one after the other."""
    took: list[float] = []
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        took.append(write(ledger))
    return statistics.median(took), statistics.quantiles(took, n=20)[-1]


def measure(ledger: EmbeddedLedger, folder: Path, seconds: float) -> list[tuple[str, str]]:
    """All figures, as rows of the table."""
    held: list[float] = []

    def mark() -> LedgerMark:
        return ledger.submit_between_commits(partial(timed_mark, ledger.path, held)).result()

    port, snapshots = free_ports(1)[0], folder / "snapshots"
    config = EndpointConfig(str(ledger.path), str(snapshots), port, TOKEN)
    endpoint = Supervisor(config, mark)
    endpoint.start()
    try:
        with connect(port, TOKEN) as analyst:
            change = (partial(open_one, ledger), partial(checkpoint, ledger))
            median_of(4, analyst, *change)  # the first checkpoints after so many rows move them in the file
            without_earlier = partial((snapshots / EARLIER).unlink, missing_ok=True)
            whole = renewals(endpoint, analyst, *change, without_earlier)
            changed = renewals(endpoint, analyst, *change)
            wal = median_of(10, analyst, partial(write, ledger))
            same = median_of(10, analyst)
            alone = writes_for(ledger, seconds)
            beside = _writes_beside_queries(ledger, analyst, seconds)
    finally:
        endpoint.stop()
    return [
        ("writer held, median", f"{statistics.median(held) * 1e3:.3f} ms"),
        ("writer held, longest", f"{max(held) * 1e3:.3f} ms of {len(held)}"),
        ("query after a checkpoint: whole copy", whole),
        ("query after a checkpoint: changed blocks", changed),
        ("query after a commit: WAL only", f"{wal * 1e3:.0f} ms"),
        ("query, nothing new", f"{same * 1e3:.0f} ms"),
        ("write alone, median and 95 %", f"{alone[0] * 1e3:.2f} and {alone[1] * 1e3:.2f} ms"),
        ("write beside queries, median and 95 %", f"{beside[0] * 1e3:.2f} and {beside[1] * 1e3:.2f} ms"),
    ]


def _writes_beside_queries(ledger: EmbeddedLedger, analyst: LiveConnection, seconds: float) -> tuple[float, float]:
    over = threading.Event()

    def keep_asking() -> None:
        while not over.is_set():
            ask(analyst)

    thread = threading.Thread(target=keep_asking)
    thread.start()
    try:
        return writes_for(ledger, seconds)
    finally:
        over.set()
        thread.join()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gigabytes", type=float, default=1.0, help="size of the ledger")
    parser.add_argument("--seconds", type=float, default=10.0, help="length of each measurement of writes")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    parser.add_argument("--attack", action="store_true", help="measure a real server under attack instead")
    arguments = parser.parse_args()
    if arguments.attack:
        with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
            sys.exit(0 if _typed_beside_analysts.measure(Path(name)) else 1)
    with tempfile.TemporaryDirectory(dir=arguments.folder) as name:
        folder = Path(name)
        ledger = EmbeddedLedger.open(folder / "ledger" / "ledger.duckdb")
        ledger.write_now(open_session)
        while ledger.path.stat().st_size < arguments.gigabytes * 1e9:
            ledger.write_now(fill)
            checkpoint(ledger)
        print(f"{'ledger':<42} {ledger.path.stat().st_size / 1e9:.2f} GB")
        for what, figure in measure(ledger, folder, arguments.seconds):
            print(f"{what:<42} {figure}")
        ledger.close()


if __name__ == "__main__":
    main()
