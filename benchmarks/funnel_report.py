"""CPU seconds, seconds and memory of the funnel report with its search for causes, on many sessions.

    python -m benchmarks.funnel_report [--sessions 1000000] [--ledger FILE]

Made sessions over 90 days, about 9 events each: stages, turns, replies, uploads, records, and an event of the app with
two declared properties. The file is opened as the server opens its ledger. Parts: ``steps`` counts the drop-offs,
``table`` reads what was known of each session (of at most 200,000), ``analyze`` searches for causes and estimates
improvements. ``--ledger`` keeps the file for another run.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from server.funnel.feature_table import read_table
from server.funnel.optimizer import FunnelData, FunnelOptimizer
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, end_of_observation, outcome_parameters
from server.ledger.columns import aware_or_none
from server.ledger.connection import MEMORY_BYTES, connect
from server.ledger.migrate import migrate
from server.ledger.types import utc_now
from server.services.funnel_analysis import Analysis

T = TypeVar("T")

_BUILD_BYTES = 6 * MEMORY_BYTES
"""To fill the tables at once takes more memory than the ledger has; to read them does not."""

_FILL = """
CREATE TEMP TABLE made AS SELECT uuid()::VARCHAR AS id, n, hash(n, 1) % 5 AS client,
    TIMESTAMP '2026-01-01' + to_microseconds((n * 7776000000000 // $sessions)::BIGINT) AS opened,
    hash(n, 3) % 100 < 12 AS silent, (hash(n, 4) % 4)::INT AS channel,
    CASE WHEN hash(n, 5) % 100 < CASE WHEN hash(n, 3) % 100 < 12 THEN 55 ELSE 25 END THEN 1
        WHEN hash(n, 6) % 100 < CASE WHEN hash(n, 4) % 4 = 0 THEN 45 ELSE 30 END THEN 2
        WHEN hash(n, 7) % 100 < 20 THEN 3 ELSE 4 END AS reached
FROM range($sessions) AS r(n);
INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
    sealed_vocabulary, variant, turn_count)
SELECT id, 'client_' || client, id, CASE reached WHEN 4 THEN 'COMPLETED' ELSE 'ABANDONED' END, opened,
    opened + INTERVAL 40 MINUTE, opened + INTERVAL 40 MINUTE, 'en', '', '', 1 FROM made;
CREATE TEMP TABLE happened AS SELECT * FROM (VALUES
    (1, 0, 'stage_entered', 'STARTED', '{}', '{}'),
    (1, 5, 'form_opened', NULL, NULL, '{"channel": {"kind": "enumeration"}}'),
    (1, 20, 'no_speech', NULL, '{}', '{}'),
    (2, 60, 'stage_entered', 'IN_PROGRESS', '{}', '{}'),
    (2, 61, 'turn_finished', NULL, '{"source": "speech", "confidence_percent": 91, "language": "en", "entities": 1,
        "delay_ms": 400}', '{}'),
    (2, 64, 'replied', NULL, '{"origin": "MODEL"}', '{}'),
    (2, 90, 'turn_finished', NULL, '{"source": "speech", "confidence_percent": 84, "language": "en", "entities": 0,
        "delay_ms": 300}', '{}'),
    (2, 93, 'replied', NULL, '{"origin": "MODEL"}', '{}'),
    (3, 120, 'upload_accepted', NULL, '{"kind": "photo"}', '{}'),
    (3, 130, 'upload_read', NULL, '{}', '{}'),
    (3, 140, 'record_proposed', NULL, '{"origin": "MODEL"}', '{}'),
    (3, 141, 'stage_entered', 'AWAITING_APPROVAL', '{}', '{}'),
    (4, 600, 'stage_entered', 'COMPLETED', '{}', '{}')) AS h(from_reached, after_s, name, stage, properties, meta);
INSERT INTO events (id, session_id, client_id, name, server_time, stage, device_time, sequence, variant, took_s,
    properties, properties_meta, event_time, clock)
SELECT uuid()::VARCHAR, m.id, 'client_' || client, name, moment, stage,
    CASE WHEN name = 'form_opened' THEN moment END, 0, '',
    hash(n, after_s) % 50 / 10, coalesce(properties, '{"channel": "' || ['app', 'web', 'branch', 'desk'][channel + 1]
        || '", "amount": ' || (hash(n, 9) % 900) || '}'), meta, moment, 'server'
FROM (SELECT *, opened + to_milliseconds((after_s * 1000 + hash(n, after_s, 2) % 3000)::BIGINT) AS moment
    FROM made JOIN happened ON from_reached <= reached AND (name <> 'no_speech' OR silent)) AS m ORDER BY moment;
INSERT INTO turns (id, session_id, stream_id, utterance, source, text, text_counts, text_safe, create_time, confidence,
    language, start_s, end_s, compute_s)
SELECT uuid()::VARCHAR, id, id, utterance, 'speech', 'x', '{}', true, opened + to_seconds(61 + 30 * utterance), 0.9,
    'en', 1.0, 1.0 + hash(n, 8) % 20, 0.1
FROM made, range(2) AS u(utterance) WHERE reached >= 2;
"""


def build(path: Path, sessions: int) -> None:
    """A ledger with so many sessions."""
    with connect(path, _BUILD_BYTES) as file:
        migrate(file, utc_now)
        for statement in _FILL.split(";\n"):
            if statement.strip():
                file.execute(statement, {"sessions": sessions} if "$sessions" in statement else None)


def _timed(parts: dict[str, tuple[float, float]], name: str, work: Callable[[], T]) -> T:
    cpu, began = time.process_time(), time.perf_counter()
    result = work()
    parts[name] = (round(time.process_time() - cpu, 2), round(time.perf_counter() - began, 2))
    return result


def measure(path: Path) -> dict[str, Any]:
    """CPU seconds and seconds of each part, and what was found."""
    parts: dict[str, tuple[float, float]] = {}
    optimizer = FunnelOptimizer()
    with connect(path) as file:
        until = end_of_observation(file, None)
        parameters = outcome_parameters(Selection(), until, Analysis().idle)
        steps = _timed(parts, "steps", lambda: count_steps(file, parameters))
        table = _timed(parts, "table", lambda: read_table(file, parameters, steps))
    data = FunnelData(steps, aware_or_none(until), table)
    report = _timed(parts, "analyze", lambda: optimizer.analyze(data))
    cpu_s, took_s = (round(sum(part[place] for part in parts.values()), 2) for place in (0, 1))
    peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text(encoding="ascii"))
    return {
        "sessions": report.sessions,
        "cpu_s": cpu_s,
        "took_s": took_s,
        "parts": parts,
        "memory_mib": int(peak[1]) // 1024 if peak else 0,
        "recommended": len(report.recommendations),
    }


def main() -> None:
    """Run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--ledger", type=Path)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = given.ledger or Path(folder) / "ledger.duckdb"
        if not path.exists():
            build(path, given.sessions)
        print(json.dumps(measure(path)))


if __name__ == "__main__":
    main()
