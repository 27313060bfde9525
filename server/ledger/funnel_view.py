"""The view of the funnel.

Its text is made by ``step_cohorts``, which others use, too. A ledger keeps the text that it has until a migration makes
the view again, so a change there needs one. A test holds the text of all views.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from typing import Final

from server.ledger.step_cohorts import StepTimes, last_seen
from server.ledger.table_schema import SqlView

_STAGES: Final = ("STARTED", "IN_PROGRESS", "AWAITING_APPROVAL", "COMPLETED")
_MADE: Final = ("create_time", "in_progress_time", "awaiting_approval_time", "completed_time")
_ENTERED: Final = (
    "create_time",
    "coalesce(in_progress_time, create_time)",
    "coalesce(awaiting_approval_time, in_progress_time, create_time)",
)
"""Who reached a later stage counts for the earlier ones, whose time is that of the one before."""
_IDLE_MS: Final = "1800000"
_TIMES: Final = StepTimes("enter_time", "next_time", "went_on", "0", _IDLE_MS)
_COUNTS: Final = _TIMES.counts("entered_until")

_NUMBERS = " UNION ALL ".join(
    f"""SELECT {n} AS position, '{stage}' AS stage, count(*) FILTER (reached >= {n}) AS sessions,
            count(*) FILTER (reached = {n} AND NOT ended) AS under_way,
            {f"count(*) FILTER (reached = {n - 1} AND ended)" if n > 1 else "0"} AS dropped,
            {f"median(epoch({_MADE[n - 1]} - {_MADE[n - 2]}))" if n > 1 else "NULL"} AS median_s FROM stages"""
    for n, stage in enumerate(_STAGES, start=1)
)
_OUTCOMES = " UNION ALL ".join(
    f"""SELECT {n + 1} AS position, {_ENTERED[n - 1]} AS enter_time, {_MADE[n]} AS next_time, reached > {n} AS went_on,
            ended, end_time, expire_time FROM stages WHERE reached >= {n}"""
    for n in range(1, len(_STAGES))
)

V_FUNNEL_BY_COHORTS = SqlView(
    "v_funnel",
    "The funnel over all sessions, one row a stage, in order.",
    {
        "position": "1 for the first stage.",
        "stage": "Name of the stage.",
        "sessions": "Sessions that reached it.",
        "under_way": "Sessions that got no further so far and have not ended.",
        "dropped": "Sessions of the stage before that ended without reaching it; 0 for the first.",
        "drop_off_rate": "Share of counted that ended without reaching it, 0 to 1; 0 for the first, null where none "
        "counts.",
        "median_s": "Median seconds from the stage before; null where nobody made the step.",
        "counted": "Sessions that the rate is of: they reached the stage before so long ago that it would be known by "
        "now whether they left, if the server ends sessions after 30 idle minutes. For another time "
        "(VESTIBULE_IDLE_SESSION_S) ask the macro drop_offs. Null for the first.",
    },
    f"""WITH stages AS (
        SELECT v.*, s.stage_time AS end_time, expire_time
        FROM v_session_stages AS v JOIN sessions AS s ON s.id = v.session_id
            LEFT JOIN (SELECT session_id, max(expire_time) AS expire_time FROM recommendations GROUP BY session_id)
            USING (session_id)),
    numbers AS ({_NUMBERS}),
    outcomes AS ({_OUTCOMES}),
    watched AS (SELECT {last_seen("sessions", "events")} AS observed_until),
    waits AS (SELECT position, {_TIMES.entered_until("(FROM watched)")} AS entered_until
        FROM outcomes GROUP BY position),
    rates AS (SELECT position, count(*) FILTER ({_COUNTS}) AS counted,
            count(*) FILTER ({_COUNTS} AND NOT went_on) AS counted_dropped
        FROM outcomes JOIN waits USING (position) GROUP BY position)
    SELECT position, stage, sessions, under_way, dropped,
        CASE WHEN position = 1 THEN 0.0 WHEN counted > 0 THEN counted_dropped / counted END AS drop_off_rate, median_s,
        CASE WHEN position > 1 THEN coalesce(counted, 0) END AS counted
    FROM numbers LEFT JOIN rates USING (position) ORDER BY position""",
)
