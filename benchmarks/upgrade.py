"""How long an upgrade and a check of the ledger take, with a ledger of many events.

    python -m benchmarks.upgrade [--events 1000000] [--from 51]

Printed, in seconds of wall clock and of CPU, which tells how busy the machine was besides:

migrated      `vestibule ledger migrate`, or the start of a server: from schema --from to the newest one. The peer is
              reading and writing the same file once: cp.
checked       `vestibule ledger check`. The peer is reading the file once.
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import duckdb

from server.ledger.embedded import EmbeddedLedger
from server.ledger.integrity.run import check_ledger
from server.ledger.migrate import migrate
from server.ledger.migrations import ALL
from server.ledger.types import utc_now

EVENTS_OF_SESSION = 50
SESSIONS = """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
    sealed_vocabulary, variant, turn_count)
SELECT uuid()::VARCHAR, 'app', uuid()::VARCHAR, 'COMPLETED', t, t, t, 'en', '', '', 0
FROM (SELECT TIMESTAMP '2026-01-01' + to_minutes(i) AS t FROM range(?) AS r (i))"""
EVENTS = """INSERT INTO events (id, session_id, client_id, name, server_time, stage, device_time, sequence, variant,
    took_s, properties, properties_meta)
SELECT uuid()::VARCHAR, id, 'app', 'step_' || i, create_time, NULL, create_time, i, '', 0.1,
    '{"app_version": "4.2"}', '{}'
FROM sessions CROSS JOIN range(?) AS r (i)"""


def main() -> None:
    """Run it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, default=1_000_000)
    parser.add_argument("--from", type=int, default=len(ALL) - 1, dest="schema")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "ledger.duckdb"
        _fill(path, given.events, given.schema)
        print(f"{given.events} events, schema {given.schema}, {path.stat().st_size / 1e6:.0f} MB")
        _timed("cp", lambda: shutil.copy(path, path.with_name("copy")))
        _timed("migrated", lambda: EmbeddedLedger.open(path).close())
        _timed("read", path.read_bytes)
        _timed("checked", lambda: _check(path))


def _fill(path: Path, events: int, schema: int) -> None:
    with duckdb.connect(path) as connection:
        migrate(connection, utc_now, up_to=schema)
        connection.execute(SESSIONS, [events // EVENTS_OF_SESSION])
        connection.execute(EVENTS, [EVENTS_OF_SESSION])
        connection.execute("CHECKPOINT")


def _check(path: Path) -> None:
    problems = check_ledger(path).problems
    if problems:
        raise SystemExit(f"The ledger is not whole: {problems}")


def _timed(what: str, work: Callable[[], object]) -> None:
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    print(f"{what:<10} {time.perf_counter() - wall:8.2f} s, CPU {time.process_time() - cpu:8.2f} s", flush=True)


if __name__ == "__main__":
    main()
