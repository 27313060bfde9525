"""How often the 95 % interval of a conversion rate holds the true rate, when leavers are known 30 minutes late.

    python -m benchmarks.conversion_coverage [--runs 400]

Each run opens sessions over some hours and stops watching at the end of them. 30 % leave the first stage, and 40 % of
the others the second, so 42 % reach the third. Half an hour after the last activity of a session that left, the server
ends it; going on is known at once. The rate is counted of every known end, and by the server's report.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta

import duckdb

from server.analytics.funnel import FunnelChoice
from server.analytics.funnel_cohorts import Watched
from server.analytics.funnel_details import Details
from server.analytics.funnel_groups import grouped_report
from server.funnel.intervals import wilson
from server.ledger.columns import Cursor

START = datetime(2026, 3, 2, tzinfo=UTC)
IDLE = timedelta(minutes=30)
TRUTH = 0.7 * 0.6

_SIMULATED = """CREATE OR REPLACE TABLE v_session_stages AS
WITH drawn AS (
    SELECT i::VARCHAR AS session_id, $start::TIMESTAMP + to_seconds($hours * 3600 * random()) AS create_time,
        $start::TIMESTAMP + to_seconds($hours * 3600) AS last_seen, random() < 0.3 AS leaves_1,
        random() < 0.4 AS leaves_2, -ln(1 - random()) AS drawn_1, -ln(1 - random()) AS drawn_2
    FROM range($sessions) AS r(i)),
first AS (SELECT *, create_time + to_seconds(60 * drawn_1 * CASE WHEN leaves_1 THEN $minutes_left ELSE $minutes END)
    AS act_1 FROM drawn),
second AS (SELECT *, act_1 + to_seconds(60 * drawn_2 * CASE WHEN leaves_2 THEN $minutes_left ELSE $minutes END)
    AS act_2 FROM first)
SELECT session_id, 'app' AS client_id, '' AS variant, create_time,
    CASE WHEN NOT leaves_1 AND act_1 <= last_seen THEN act_1 END AS in_progress_time,
    CASE WHEN NOT leaves_1 AND NOT leaves_2 AND act_2 <= last_seen THEN act_2 END AS awaiting_approval_time,
    NULL::TIMESTAMP AS completed_time,
    CASE WHEN NOT leaves_1 AND NOT leaves_2 AND act_2 <= last_seen THEN 3
        WHEN NOT leaves_1 AND act_1 <= last_seen THEN 2 ELSE 1 END AS reached,
    CASE WHEN leaves_1 THEN act_1 ELSE act_2 END + INTERVAL 30 MINUTE AS end_time,
    (leaves_1 OR leaves_2) AND end_time <= last_seen AS ended
FROM second"""
_SESSIONS = """CREATE OR REPLACE TABLE sessions AS
SELECT session_id AS id, client_id, variant, create_time, end_time AS stage_time,
    CASE WHEN ended THEN 'ABANDONED' ELSE 'STARTED' END AS state FROM v_session_stages"""
_EVENTS = """CREATE OR REPLACE TABLE events AS
SELECT session_id, 'STARTED' AS stage, create_time AS server_time FROM v_session_stages UNION ALL
SELECT session_id, 'IN_PROGRESS', in_progress_time FROM v_session_stages WHERE reached > 1 UNION ALL
SELECT session_id, 'AWAITING_APPROVAL', awaiting_approval_time FROM v_session_stages WHERE reached > 2"""
_RECORDS = "CREATE TABLE IF NOT EXISTS recommendations (session_id VARCHAR, expire_time TIMESTAMP)"
_KNOWN = """SELECT count(*) FILTER (reached >= 3), count(*) FILTER (reached >= 3 OR ended) FROM v_session_stages"""


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of data.

    Attributes:
        hours: For how long sessions are opened and watched.
        minutes: Mean time until a session goes on, at each stage.
        minutes_left: Mean time until the last activity of one that leaves.
    """

    sessions: int
    hours: float = 24.0
    minutes: float = 6.0
    minutes_left: float = 6.0

    def draw(self, cursor: Cursor) -> Watched:
        """Draw the sessions of one run."""
        cursor.execute(_SIMULATED, asdict(self) | {"start": START.replace(tzinfo=None)})
        for made in (_SESSIONS, _EVENTS, _RECORDS):
            cursor.execute(made)
        return Watched(START + timedelta(hours=self.hours), IDLE)


DESIGNS = {
    "1,000 sessions in a day": Design(1000),
    "5,000 sessions in a day": Design(5000),
    "1,000 sessions in 4 hours": Design(1000, hours=4.0),
    "5,000 sessions in 4 hours": Design(5000, hours=4.0),
    "5,000 sessions in 4 hours, slow to go on": Design(5000, hours=4.0, minutes=15.0, minutes_left=3.0),
    "5,000 sessions in 4 hours, slow to leave": Design(5000, hours=4.0, minutes=3.0, minutes_left=15.0),
}


def coverage(cursor: Cursor, design: Design, runs: int) -> dict[str, float]:
    """The share of runs whose interval holds the truth, and the mean rate, for each way of counting."""
    ways = ("every known end", "report")
    held, rates = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    for _ in range(runs):
        watched = design.draw(cursor)
        [whole] = grouped_report(cursor, FunnelChoice(), Details(), watched=watched)
        intervals = (wilson(*(cursor.execute(_KNOWN).fetchone() or (0, 0))), whole.stages[2].conversion)
        for way, interval in zip(ways, intervals, strict=True):
            if interval is None:
                raise ValueError("A step of the design counts no session.")
            held[way] += interval.low <= TRUTH <= interval.high
            rates[way] += interval.mid
    return {way: held[way] / runs for way in ways} | {f"rate, {way}": round(rates[way] / runs, 4) for way in ways}


def main() -> None:
    """Print one line a design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=400)
    given = parser.parse_args()
    with duckdb.connect() as cursor:
        cursor.execute("SET threads = 1")
        cursor.execute("SELECT setseed(0.14)")
        for name, design in DESIGNS.items():
            print(json.dumps({"design": name, "runs": given.runs, **coverage(cursor, design, given.runs)}), flush=True)


if __name__ == "__main__":
    main()
