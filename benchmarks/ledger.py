"""What a durable write costs, and how many events the ledger takes, next to a bare DuckDB loop.

    python -m benchmarks.ledger [--seconds 5] [--clients 32]
    python -m benchmarks.ledger --kill 200 [--seed 13]

Printed, each with its peer from the same run:

one write     one event, durable, asked for by one caller at a time: median. The peer is BEGIN, INSERT, COMMIT with the
              same statement on the same table in one thread.
one at a time events a second when every client writes one event after the other. The peer is the same bare loop.
batches       events a second when every client sends batches of 100, as an app does. The peers are the bare loop with
              the same statement a batch, and with executemany, which is what one would write first.
written anew  what an erasure costs: all calls wait while the file is written anew.
opened        what a start after a kill waits, and an analyst's query, after 7,900 sessions that were begun one by
              one. The peer is a plain DuckDB file, which bounds only the bytes of its WAL.
a million     one write, when the ledger holds a million events, against the peer's ON CONFLICT DO NOTHING.

With --kill a process that writes is killed with SIGKILL at random moments. Every acknowledged write must be there, none
in part, and the next start must take less than 2 s. It exits with 1 otherwise.

What was predicted: docs/evaluation/constants/benchmarks.md, ledger.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import shutil
import statistics
import sys
import tempfile
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import duckdb

from benchmarks._killed_ledger import kill_often
from models.text import RedactedText
from server.ledger import app_events, sessions
from server.ledger.columns import Cursor, DuckDb
from server.ledger.connection import THREADS
from server.ledger.embedded import EmbeddedLedger
from server.ledger.migrate import migrate
from server.ledger.transactional import Ledger
from server.ledger.types import EventRow, SessionRow, SessionState, utc_now

BATCH = 100
FULL = 1_000_000
BEGUN = 7_900
LONGEST_START_S = 2.0
INSERT = f"INSERT INTO events VALUES ({', '.join('?' * 14)}) ON CONFLICT DO NOTHING"


def make_events(number: int) -> list[EventRow]:
    """Events as an app records them, two properties each."""
    now = utc_now()
    properties = {"lens": RedactedText.literal("wide"), "note": RedactedText.literal("asked again after the flash")}
    return [
        EventRow(str(uuid.uuid4()), "session", "app", "camera_opened", now, device_time=now, properties=properties)
        for _ in range(number)
    ]


def bare_ledger(folder: Path, name: str) -> DuckDb:
    """The same tables in a plain DuckDB file."""
    connection = duckdb.connect(str(folder / name), config={"threads": THREADS})
    migrate(connection, utc_now)
    return connection


def bare_loop(connection: DuckDb, batch: int, seconds: float) -> tuple[float, float]:
    """Insert and commit in one thread; returns median seconds a commit, and events a second."""
    took: list[float] = []
    while sum(took) < seconds:
        record = app_events.AppendEvents(make_events(batch))
        began = time.perf_counter()
        connection.begin()
        record(connection)
        connection.commit()
        took.append(time.perf_counter() - began)
    return statistics.median(took), batch * len(took) / sum(took)


def bare_insert(connection: DuckDb, batch: int, seconds: float) -> tuple[float, float]:
    """The obvious implementation, executemany; returns median seconds a commit, and events a second."""
    took: list[float] = []
    while sum(took) < seconds:
        rows = [
            [
                *(e.id, e.session_id, e.client_id, e.name, e.server_time, None, e.device_time, 0, "", None, "{}", "{}"),
                *(e.device_time, e.clock),
            ]
            for e in make_events(batch)
        ]
        began = time.perf_counter()
        connection.begin()
        connection.executemany(INSERT, rows)
        connection.commit()
        took.append(time.perf_counter() - began)
    return statistics.median(took), batch * len(took) / sum(took)


def fill(connection: DuckDb) -> None:
    """Store a million events."""
    connection.execute(
        """INSERT INTO events SELECT uuid(), 'other', 'app', 'camera_opened', now()::TIMESTAMP, NULL, NULL, 0, '', NULL,
        '{}', '{}', now()::TIMESTAMP, 'server' FROM range(?)""",
        [FULL],
    )


def open_session(cursor: Cursor) -> None:
    """Store the session that all events belong to."""
    now = utc_now()
    sessions.insert_or_get(cursor, SessionRow("session", "app", "request", SessionState.STARTED, now, now))


async def clients(ledger: Ledger, number: int, batch: int, seconds: float) -> tuple[float, float]:
    """This many clients each write one event after the other; returns median seconds a write, and events a second."""
    took: list[float] = []
    prepared = [[make_events(batch) for _ in range(20)] for _ in range(number)]
    end = time.perf_counter() + seconds

    async def client(batches: list[list[EventRow]]) -> None:
        while time.perf_counter() < end:
            rows = batches.pop() if batches else make_events(batch)
            began = time.perf_counter()
            await ledger.write(app_events.AppendEvents(rows))
            took.append(time.perf_counter() - began)

    began = time.perf_counter()
    await asyncio.gather(*[client(batches) for batches in prepared])
    return statistics.median(took), batch * len(took) / (time.perf_counter() - began)


def rewriting(ledger: EmbeddedLedger) -> tuple[float, float]:
    """Write the ledger anew; returns seconds in which calls wait, and the size of the file in MiB."""
    began = time.perf_counter()
    asyncio.run(ledger.rewrite())
    return time.perf_counter() - began, ledger.path.stat().st_size / 2**20


def begin_session(number: int) -> Callable[[DuckDb], None]:
    """Begin one more session."""
    now = utc_now()
    row = SessionRow(str(uuid.uuid4()), "app", f"request {number}", SessionState.STARTED, now, now)
    return lambda cursor: sessions.insert_or_get(cursor, row) and None


def opening(file: Path, copies: Path) -> float:
    """Seconds to open a copy of a ledger as it is now, without a checkpoint."""
    copies.mkdir()
    for part in file.parent.glob(f"{file.name}*"):
        shutil.copy(part, copies / part.name)
    began = time.perf_counter()
    duckdb.connect(str(copies / file.name), read_only=True).close()
    return time.perf_counter() - began


def opened(folder: Path) -> tuple[float, float]:
    """Seconds to open the ledger after many small commits, and a plain DuckDB file after the same."""
    ledger = EmbeddedLedger.open(folder / "begun" / "ledger.duckdb")
    for number in range(BEGUN):
        ledger.write_now(begin_session(number))
    our_s = opening(ledger.path, folder / "our copy")
    ledger.close()
    bare = bare_ledger(folder, "begun.duckdb")
    for number in range(BEGUN):
        bare.begin()
        begin_session(number)(bare)
        bare.commit()
    bare_s = opening(folder / "begun.duckdb", folder / "bare copy")
    bare.close()
    return our_s, bare_s


def measure(folder: Path, seconds: float, number: int) -> list[tuple[str, str, str, float]]:
    """All figures, as rows of the table."""
    bare = bare_ledger(folder, "bare.duckdb")
    open_session(bare)
    ledger = EmbeddedLedger.open(folder / "ledger" / "ledger.duckdb")
    ledger.write_now(open_session)
    bare_s, bare_single = bare_loop(bare, 1, seconds)
    our_s, _ = asyncio.run(clients(ledger, 1, 1, seconds))
    wait_s, our_single = asyncio.run(clients(ledger, number, 1, seconds))
    _, bare_batches = bare_loop(bare, BATCH, seconds)
    _, bare_many = bare_insert(bare, BATCH, seconds)
    wait_batch_s, our_batches = asyncio.run(clients(ledger, number, BATCH, seconds))
    fill(bare)
    ledger.write_now(fill)
    full_bare_s, _ = bare_insert(bare, 1, seconds)
    full_s, _ = asyncio.run(clients(ledger, 1, 1, seconds))
    rewrite_s, mebibytes = rewriting(ledger)
    opened_s, opened_bare_s = opened(folder)
    ledger.close()
    bare.close()
    single = f"{our_single:,.0f}/s, median {wait_s * 1e3:.1f} ms"
    batches = f"{our_batches:,.0f}/s, median {wait_batch_s * 1e3:.0f} ms"
    return [
        ("one write, median", f"{our_s * 1e3:.2f} ms", f"{bare_s * 1e3:.2f} ms bare loop", our_s / bare_s),
        (f"{number} clients, one at a time", single, f"{bare_single:,.0f}/s bare loop", our_single / bare_single),
        (
            f"{number} clients, batches of {BATCH}",
            batches,
            f"{bare_batches:,.0f}/s bare loop",
            our_batches / bare_batches,
        ),
        ("", "", f"{bare_many:,.0f}/s bare executemany", our_batches / bare_many),
        (
            "one write, a million there",
            f"{full_s * 1e3:.2f} ms",
            f"{full_bare_s * 1e3:.2f} ms ON CONFLICT",
            full_s / full_bare_s,
        ),
        (
            f"opened after {BEGUN} commits",
            f"{opened_s:.2f} s",
            f"{opened_bare_s:.2f} s plain DuckDB",
            opened_s / opened_bare_s,
        ),
        ("written anew, a million there", f"{rewrite_s:.1f} s for {mebibytes:.0f} MiB", "none", 0.0),
    ]


def killing(parent: Path | None, times: int, seed: int | None) -> int:
    """Kill a writer again and again, and print what was found; returns the exit code."""
    seed = random.SystemRandom().randrange(1_000_000) if seed is None else seed
    print(f"seed {seed}, {times} kills", flush=True)
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        kills = kill_often(Path(folder) / "data" / "ledger.duckdb", times, seed)
    starts = sorted(kills.open_s)
    print(f"acknowledged {kills.acknowledged:,}; missing {len(kills.missing)}; in part {len(kills.torn)}")
    print(f"stored, but the kill came before the acknowledgement: {kills.unacknowledged}")
    print(f"start: median {statistics.median(starts):.2f} s, longest {starts[-1]:.2f} s (allowed {LONGEST_START_S:g})")
    return int(bool(kills.missing or kills.torn) or starts[-1] > LONGEST_START_S)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=5.0, help="length of each measurement")
    parser.add_argument("--clients", type=int, default=32, help="writers at the same time")
    parser.add_argument("--folder", type=Path, default=None, help="where the files go; default a temporary folder")
    parser.add_argument("--kill", type=int, default=0, metavar="TIMES", help="kill a writer instead of measuring")
    parser.add_argument("--seed", type=int, default=None, help="of the kills; printed")
    arguments = parser.parse_args()
    if arguments.kill:
        sys.exit(killing(arguments.folder, arguments.kill, arguments.seed))
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        rows = measure(Path(folder), arguments.seconds, arguments.clients)
    print(f"{'what':<28} {'Vestibule':<30} {'peer':<28} ratio")
    for what, ours, peer, ratio in rows:
        print(f"{what:<28} {ours:<30} {peer:<28} {ratio:.2f}")


if __name__ == "__main__":
    main()
