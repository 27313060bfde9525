"""CPU seconds and memory of the macro ``funnel`` beside hand-written SQL for four fixed steps.

    python -m benchmarks.funnel_sql [--events 1000000 --events 10000000] [--runs 3]

The hand-written queries are in benchmarks/_funnel_best.sql. Both sides read the same file with two threads and a
gigabyte, as the ledger does. Each query runs in a process of its own; the least of ``--runs`` counts.
Events are stored in the order of time, so the sessions are interleaved.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import re
import resource
import tempfile
from pathlib import Path
from typing import Any

import duckdb

from server.ledger.event_views import V_EVENTS
from server.ledger.macros import FUNNEL, FUNNEL_SESSIONS
from server.ledger.migrate import migrate
from server.ledger.types import utc_now
from server.ledger.views import V_SESSIONS

PAIRS = {"ordered": "ordered_lists2", "strict": "strict_window", "any": "any_hybrid"}
"""Our ordering, and the best hand-written query for it."""

BEST = Path(__file__).with_name("_funnel_best.sql")
STEPS = ["step_1", "step_2", "step_3", "step_4"]
EVENTS_A_SESSION = 20
_CONFIG: dict[str, str | bool | int | float | list[str]] = {"threads": 2, "memory_limit": "1GB"}

# A third of the events are steps, and later ones are more likely late in a session.
_FILL_EVENTS = f"""
INSERT INTO events (id, session_id, client_id, name, server_time, device_time, sequence, variant, properties,
    properties_meta, event_time, clock)
SELECT hash(n)::VARCHAR, session_id, 'app', name, moment, moment, number, '', '{{}}', '{{}}', moment, 'device' FROM (
    SELECT n, md5((n // {EVENTS_A_SESSION})::VARCHAR) AS session_id, n % {EVENTS_A_SESSION} + 1 AS number,
        CASE WHEN hash(n, 1) % 12 < 4
            THEN 'step_' || (1 + least(3, greatest(0, (n % {EVENTS_A_SESSION}) // 5 + (hash(n, 2) % 3)::INT - 1)))::INT
            ELSE 'event_' || (hash(n, 3) % 8) END AS name,
        TIMESTAMP '2026-01-01' + to_seconds(hash(n // {EVENTS_A_SESSION}) % 7776000
            + n % {EVENTS_A_SESSION} * 300 + hash(n, 4) % 300) AS moment
    FROM range(?) AS r(n)) ORDER BY moment"""
_FILL_SESSIONS = """
INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
    sealed_vocabulary, variant, turn_count)
SELECT session_id, 'app', '', 'ABANDONED', min(event_time), max(event_time), max(event_time), '', '', '', 0
FROM events GROUP BY session_id"""


def build(path: Path, events: int) -> None:
    """Make a file with the ledger's tables, without their indexes, and our macros."""
    with duckdb.connect(":memory:") as blank:
        migrate(blank, utc_now)
        created = blank.execute("SELECT sql FROM duckdb_tables() WHERE table_name IN ('events', 'sessions')").fetchall()
    with duckdb.connect(str(path), config=_CONFIG) as file:
        for (sql,) in created:
            file.execute(sql.replace(" PRIMARY KEY", "").replace(", PRIMARY KEY(id)", ""))
        file.execute(_FILL_EVENTS, [events])
        file.execute(_FILL_SESSIONS)
        for made in (V_SESSIONS, V_EVENTS, FUNNEL_SESSIONS, FUNNEL):
            for statement in made.statements():
                file.execute(statement)


def ours(ordering: str) -> str:
    """Our query."""
    call = f"funnel({STEPS}, within := INTERVAL 1 HOUR, ordering := '{ordering}')"
    return f"SELECT list(sessions ORDER BY position) FROM {call}"


def named_queries(path: Path) -> dict[str, str]:
    """The hand-written queries."""
    found = re.finditer(r"-- name: (\w+)[^\n]*\n(.*?)(?=\n-- |\Z)", path.read_text(encoding="utf-8"), re.DOTALL)
    return {match[1]: match[2].strip().rstrip(";").replace("{W}", "1 HOUR") for match in found}


def measure(path: Path, sql: str) -> tuple[list[int], float, float]:
    """The counts, CPU seconds, and peak memory in MiB of one run in a fresh process."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (str(path), sql))


def _run(path: str, sql: str) -> tuple[list[int], float, float]:
    with duckdb.connect(path, read_only=True, config=_CONFIG) as file:
        file.execute("SET enable_progress_bar = false")
        file.execute("SELECT 1").fetchall()
        before = resource.getrusage(resource.RUSAGE_SELF)
        (row,) = file.execute(sql).fetchall()
        after = resource.getrusage(resource.RUSAGE_SELF)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    counts = row[0] if isinstance(row[0], list) else list(row)
    return counts, cpu_s, _peak_mib()


def _peak_mib() -> float:
    """Peak memory of this process; ru_maxrss would have that of the process that started it."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return int(found[1]) / 1024 if found else 0.0


def compare(path: Path, events: int, best: dict[str, str], runs: int) -> list[dict[str, Any]]:
    """A row for each ordering."""
    rows: list[dict[str, Any]] = []
    for ordering, name in PAIRS.items():
        pairs = [(measure(path, ours(ordering)), measure(path, best[name])) for _ in range(runs)]
        if any(own[0] != other[0] for own, other in pairs):
            raise SystemExit(f"{ordering}: {pairs[0][0][0]} is not {pairs[0][1][0]}")
        own_s, best_s = (min(pair[side][1] for pair in pairs) for side in (0, 1))
        row: dict[str, Any] = {
            "events": events,
            "ordering": ordering,
            "counts": pairs[0][0][0],
            "cpu_s": round(own_s, 2),
        }
        row |= {"best": name, "best_cpu_s": round(best_s, 2), "ratio": round(own_s / best_s, 2)}
        row |= {"memory_mib": round(max(pair[0][2] for pair in pairs))}
        rows.append(row | {"best_memory_mib": round(max(pair[1][2] for pair in pairs))})
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--events", type=int, action="append", help="How many; may be given more than once.")
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    best = named_queries(BEST)
    before: list[dict[str, Any]] = []
    for events in given.events or [1_000_000]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "events.duckdb"
            build(path, events)
            rows = compare(path, events, best, given.runs)
        for row, smaller in zip(rows, before, strict=False):
            times = {name: round(row[name] / smaller[name], 2) for name in ("cpu_s", "best_cpu_s")}
            print(json.dumps({"ordering": row["ordering"], "times_that_of": smaller["events"]} | times), flush=True)
        before = rows


if __name__ == "__main__":
    main()
