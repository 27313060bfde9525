"""How often the 95 % interval of a drop-off rate holds the true rate, when leavers are known 30 minutes late.

    python -m benchmarks.funnel_coverage [--runs 2000] [--design NAME]

Each run opens sessions over some hours and stops watching at the end of them. Half an hour after the last activity of a
session that left, the server ends it; going on is known at once. The numbers are counted with the server's own SQL, in
three ways: as the server counts its stages (every session whose outcome is known), with the idle time alone as the time
that a cohort needs, and as the report does. Some designs have devices that are offline: that their people went on is
known only when their events arrive, and until then the server takes them for leavers.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import duckdb

from server.funnel.intervals import wilson
from server.funnel.selection import Selection
from server.funnel.step_counts import count_steps, outcome_parameters
from server.funnel.steps import Steps
from server.ledger.columns import Cursor

START = datetime(2026, 3, 2)
IDLE = timedelta(minutes=30)

# Sessions that leave do so a while after their last sign of life; ``idle`` minutes later the server ends them.
_SIMULATED = """CREATE OR REPLACE TABLE v_session_stages AS
WITH drawn AS (
    SELECT i::VARCHAR AS session_id, $start::TIMESTAMP + to_seconds($hours * 3600 * random()) AS create_time,
        random() < $left AS leaves, -ln(1 - random()) AS drawn_time,
        CASE WHEN random() < $offline THEN 3600 * $late_hours * random() ELSE 0 END AS late_s
    FROM range($sessions) AS r(i)),
acted AS (
    SELECT *, create_time + to_seconds(60 * drawn_time * CASE WHEN leaves THEN $minutes_left ELSE $minutes END)
        AS act_time, act_time + to_seconds(late_s) AS known_time,
        $start::TIMESTAMP + to_seconds($hours * 3600) AS last_seen FROM drawn)
SELECT session_id, 'app' AS client_id, create_time,
    CASE WHEN NOT leaves AND known_time <= last_seen THEN act_time END AS in_progress_time,
    NULL::TIMESTAMP AS awaiting_approval_time, NULL::TIMESTAMP AS completed_time,
    CASE WHEN NOT leaves AND known_time <= last_seen THEN 2 ELSE 1 END AS reached,
    (leaves OR late_s > 0) AND act_time + to_seconds(1800) <= last_seen AS ended,
    act_time + to_seconds(1800) AS end_time, known_time
FROM acted"""
_ENDS = """CREATE OR REPLACE TABLE sessions AS SELECT session_id AS id, client_id, create_time, end_time AS stage_time,
    'site_visit' AS flow, 1 AS flow_version
FROM v_session_stages"""
_RECORDS = "CREATE TABLE IF NOT EXISTS recommendations (session_id VARCHAR, expire_time TIMESTAMP)"
_EVENTS = """CREATE OR REPLACE TABLE events AS SELECT session_id, 'b' AS name, NULL::VARCHAR AS stage,
    in_progress_time AS device_time, in_progress_time AS event_time, known_time AS server_time
FROM v_session_stages WHERE reached = 2"""
_STEPS = Steps(("a", "b"), "(SELECT *, [create_time, in_progress_time] AS step_times FROM v_session_stages)")
_KNOWN = (
    "SELECT count(*) FILTER (reached > 1) AS went_on, count(*) FILTER (ended AND reached = 1) FROM v_session_stages"
)
_IDLE_ONLY = "WHERE create_time <= $last_seen - to_seconds(1800)"


@dataclass(frozen=True, slots=True)
class Design:
    """One kind of data.

    Attributes:
        left: The true share that leaves.
        hours: For how long sessions are opened and watched.
        minutes: Mean time until a session goes on.
        minutes_left: Mean time until the last activity of one that leaves.
        offline: Share of the devices whose events arrive late.
        late_hours: By so much at most.
    """

    sessions: int
    left: float = 0.45
    hours: float = 24.0
    minutes: float = 6.0
    minutes_left: float = 6.0
    offline: float = 0.0
    late_hours: float = 24.0

    def draw(self, cursor: Cursor) -> datetime:
        """Draw the sessions of one run; returns the end of observation."""
        names = ("sessions", "left", "hours", "minutes", "minutes_left", "offline", "late_hours")
        cursor.execute(_SIMULATED, {name: getattr(self, name) for name in names} | {"start": START})
        cursor.execute(_ENDS)
        cursor.execute(_EVENTS)
        cursor.execute(_RECORDS)
        return START + timedelta(hours=self.hours)


DESIGNS = {
    "1,000 sessions in a day": Design(1000),
    "5,000 sessions in a day": Design(5000),
    "1,000 sessions in 4 hours": Design(1000, hours=4.0),
    "5,000 sessions in 4 hours, slow to go on": Design(5000, hours=4.0, minutes=15.0, minutes_left=3.0),
    "5,000 sessions in 4 hours, slow to leave": Design(5000, hours=4.0, minutes=3.0, minutes_left=15.0),
    "300 sessions in a day, 10 % leave": Design(300, left=0.10),
    "1,000 sessions in 90 days": Design(1000, hours=90 * 24.0),
    "5,000 sessions in 3 days, 20 % of devices up to 24 hours late": Design(5000, hours=72.0, offline=0.2),
    "5,000 sessions in 30 hours, 20 % of devices up to 24 hours late": Design(5000, hours=30.0, offline=0.2),
    "5,000 sessions in 30 days, 5 % of devices up to 7 days late": Design(
        5000, hours=720.0, offline=0.05, late_hours=168.0
    ),
    "5,000 sessions in 3 days, 1 % of devices up to 24 hours late": Design(5000, hours=72.0, offline=0.01),
}


def coverage(cursor: Cursor, design: Design, runs: int) -> dict[str, float]:
    """The share of runs whose interval holds the truth, for each way of counting."""
    held = dict.fromkeys(("all that is known", "idle time alone", "report"), 0)
    for _ in range(runs):
        last_seen = design.draw(cursor)
        known = cursor.execute(_KNOWN).fetchone() or (0, 0)
        matured = cursor.execute(f"{_KNOWN} {_IDLE_ONLY}", {"last_seen": last_seen}).fetchone() or (0, 0)
        step = count_steps(cursor, outcome_parameters(Selection(), last_seen, IDLE), _STEPS)[0]
        ways = (known, matured, (step.went_on, step.dropped))
        for way, (went_on, dropped) in zip(held, ways, strict=True):
            interval = wilson(dropped, went_on + dropped)
            held[way] += interval.low <= design.left <= interval.high
    return {way: hits / runs for way, hits in held.items()}


def main() -> None:
    """Print one line a design."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=2000)
    parser.add_argument("--design", help="Only designs whose name has this in it.", default="")
    given = parser.parse_args()
    with duckdb.connect() as cursor:
        cursor.execute("SET threads = 1")
        cursor.execute("SELECT setseed(0.14)")
        for name, design in DESIGNS.items():
            if given.design in name:
                found = coverage(cursor, design, given.runs)
                print(json.dumps({"design": name, "runs": given.runs, **found}), flush=True)


if __name__ == "__main__":
    main()
