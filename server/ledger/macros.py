"""The table macros that analysts call: name, comment, parameters, columns, SQL.

They read the views alone, so an argument can name nothing that analysts may not read. Frozen once released, as views
are.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from server.ledger.event_order import ORDER_BY, ORDER_TIME
from server.ledger.funnel_steps import MOST_STEPS, REACHED, SESSIONS, SESSIONS_WITH_END, UNKNOWN
from server.ledger.funnel_values import text_of
from server.ledger.step_cohorts import StepTimes, last_seen, lateness
from server.ledger.table_schema import SqlMacro

_STEPS = (
    "steps",
    "",
    f"List of 1 to {MOST_STEPS} different steps: names of events, or stages such as IN_PROGRESS.",
)
_WITHIN = ("within", "NULL", "Longest time from the first step to each later one, as an INTERVAL; NULL for no bound.")
_ORDERING = (
    "ordering",
    "'ordered'",
    "'ordered' (others may lie between), 'strict' (no other event of the app lies between) or 'any' (any order).",
)
_SESSIONS = (
    ("since", "NULL", "Only sessions opened at or after this time, UTC."),
    ("until", "NULL", "Only sessions opened before this time, UTC."),
    ("client", "NULL", "Only sessions of this client."),
)
FUNNEL_PARAMETERS = (_STEPS, _WITHIN, _ORDERING, *_SESSIONS)
FUNNEL_CALL = ", ".join(name if name == "steps" else f"{name} := {name}" for name, _, _ in FUNNEL_PARAMETERS)
_POSITION = "1 for the first step."
_STEP = "Name of the step; where any order counts, how many steps."


def _name_of_step(position: str) -> str:
    return f"""CASE WHEN ordering = 'any' THEN concat({position}, CASE {position} WHEN 1 THEN ' step' ELSE ' steps' END)
        ELSE steps[{position}] END"""


_NAME_OF_STEP = f"{_name_of_step('position')} AS step"
_POSITIONS = f"""(SELECT position FROM (SELECT unnest(range(1, greatest(1, len(steps)) + 1)) AS position)
        WHERE {UNKNOWN} IS NULL)"""

FUNNEL_SESSIONS = SqlMacro(
    "funnel_sessions",
    "One row for a session that is in a funnel over any events, with how far it got. The lists behind its numbers.",
    FUNNEL_PARAMETERS,
    {
        "session_id": "UUID of the session.",
        "client_id": "App or site that opened it.",
        "variant": "Experiment variant; empty when there is none.",
        "create_time": "When it was opened, UTC.",
        "reached": "Steps reached, from 1. With ended false it is under way, otherwise it left after this step.",
        "ended": "Whether the session is over: completed, rejected or abandoned.",
        "step_times": "When it made each step of its deepest chain, UTC; of several, of the one that began first.",
    },
    SESSIONS,
)

FUNNEL = SqlMacro(
    "funnel",
    "A funnel over any events: how many sessions reached each step, one row a step, in order.",
    FUNNEL_PARAMETERS,
    {
        "position": _POSITION,
        "step": _STEP,
        "sessions": "Sessions that reached it.",
        "of_first": "Their share of those of the first step, 0 to 1; null when there are none.",
        "of_previous": "Their share of those of the step before; null for the first step.",
    },
    f"""{REACHED},
    counted AS (SELECT position, coalesce(sum(n), 0)::BIGINT AS sessions
        FROM {_POSITIONS} LEFT JOIN reached_counts ON reached >= position GROUP BY position)
    SELECT position, {_NAME_OF_STEP}, sessions,
        sessions / nullif(first_value(sessions) OVER (ORDER BY position), 0) AS of_first,
        sessions / nullif(lag(sessions) OVER (ORDER BY position), 0) AS of_previous
    FROM counted ORDER BY position""",
)

_IDLE = ("idle", "INTERVAL 30 MINUTE", "Idle time after which the server ends a session, VESTIBULE_IDLE_SESSION_S.")
_TIMES = StepTimes("enter_time", "next_time", "went_on", "late_ms", "epoch_ms(idle::INTERVAL)")
_COUNTS = _TIMES.counts("entered_until")

DROP_OFFS = SqlMacro(
    "drop_offs",
    "Where sessions leave a funnel over any events, one row a step except the last.",
    (*FUNNEL_PARAMETERS, _IDLE),
    {
        "position": _POSITION,
        "step": _STEP,
        "next_step": "The step that follows.",
        "sessions": "Sessions that reached the step: went_on, dropped and under_way together.",
        "went_on": "Those that reached the next step.",
        "dropped": "Those that ended without reaching it.",
        "under_way": "Those that have not ended, so that nobody knows yet.",
        "drop_off_rate": "Share of counted that ended without reaching the next step, 0 to 1; null when none counts.",
        "low": "Lower end of the 95 % interval of the rate (Wilson).",
        "high": "Upper end of that interval.",
        "counted": "Those that the rate is of: they reached the step so long ago that it would be known by now whether "
        "they left. Going on is known before leaving, so a rate of all known ends would be too low.",
    },
    f"""
    WITH made AS MATERIALIZED (SELECT session_id, reached, ended, step_times, create_time AS open_time, end_time,
            expire_time
        FROM ({SESSIONS_WITH_END}) LEFT JOIN (SELECT session_id, max(expire_time) AS expire_time FROM v_records
            GROUP BY session_id) USING (session_id)),
    arrivals AS ({lateness("v_events", "made", "steps")}),
    late AS (SELECT position, CASE ordering WHEN 'any' THEN (SELECT max(late_ms) FROM arrivals) ELSE late_ms END
            AS late_ms
        FROM {_POSITIONS} LEFT JOIN (SELECT position - 1 AS position, late_ms FROM arrivals) USING (position)),
    outcomes AS (SELECT *, reached > position AS went_on FROM (SELECT unnest(range(1, reached + 1)) AS position,
            unnest(step_times) AS enter_time, unnest(step_times[2:]) AS next_time, reached, ended, end_time, expire_time
        FROM made)),
    watched AS (SELECT {last_seen("v_sessions", "v_events")} AS observed_until),
    waits AS (SELECT position, {_TIMES.entered_until("(FROM watched)")} AS entered_until
        FROM outcomes JOIN late USING (position) GROUP BY position),
    totals AS (SELECT position, count(*) AS sessions,
            count(*) FILTER (went_on) AS went_on,
            count(*) FILTER (ended AND NOT went_on) AS dropped,
            count(*) FILTER (NOT ended AND NOT went_on) AS under_way,
            count(*) FILTER ({_COUNTS}) AS counted,
            count(*) FILTER ({_COUNTS} AND NOT went_on) AS counted_dropped
        FROM outcomes JOIN waits USING (position) GROUP BY position),
    rated AS (SELECT *, counted_dropped / nullif(counted, 0) AS drop_off_rate,
        3.841458820694124 / nullif(counted, 0) AS z FROM totals)
    SELECT position, {_NAME_OF_STEP}, {_name_of_step("position + 1")} AS next_step,
        {", ".join(f"coalesce({number}, 0) AS {number}" for number in ("sessions", "went_on", "dropped", "under_way"))},
        drop_off_rate,
        CASE WHEN counted > 0 THEN greatest(0, (middle - reach) / (1 + z)) END AS low,
        CASE WHEN counted > 0 THEN least(1, (middle + reach) / (1 + z)) END AS high,
        coalesce(counted, 0) AS counted
    FROM {_POSITIONS} LEFT JOIN (SELECT *, drop_off_rate + z / 2 AS middle,
            sqrt(z * (drop_off_rate * (1 - drop_off_rate) + z / 4)) AS reach FROM rated) USING (position)
    WHERE position < len(steps) ORDER BY position""",
)

TIME_TO_CONVERT = SqlMacro(
    "time_to_convert",
    "How long sessions took to each step of a funnel from the step before, one row a step except the first.",
    FUNNEL_PARAMETERS,
    {
        "position": _POSITION,
        "step": _STEP,
        "sessions": "Sessions that reached it.",
        "p10_s": "10 % took at most this many seconds from the step before.",
        "p50_s": "Half took at most this many seconds from the step before.",
        "p90_s": "90 % took at most this many seconds from the step before.",
        "from_first_p50_s": "Half took at most this many seconds from the first step.",
    },
    f"""
    WITH timed AS (SELECT position,
            greatest(0, epoch(step_times[position] - step_times[position - 1])) AS took_s,
            greatest(0, epoch(step_times[position] - step_times[1])) AS from_first_s
        FROM {_POSITIONS} JOIN funnel_sessions({FUNNEL_CALL}) ON reached >= position WHERE position > 1),
    grouped AS (SELECT position, count(*) AS sessions, quantile_cont(took_s, [0.1, 0.5, 0.9]) AS took,
        median(from_first_s) AS from_first_p50_s FROM timed GROUP BY position)
    SELECT position, {_NAME_OF_STEP}, coalesce(sessions, 0) AS sessions, took[1] AS p10_s, took[2] AS p50_s,
        took[3] AS p90_s, from_first_p50_s
    FROM {_POSITIONS} LEFT JOIN grouped USING (position) WHERE position > 1 ORDER BY position""",
)

SESSION_TIMELINE = SqlMacro(
    "session_timeline",
    "Everything that happened in one session, in order: by time, and an event of the app never before one that the app "
    "counted before it.",
    (("session", "", "UUID of the session."),),
    {
        "position": "From 1.",
        "time": "When it happened, UTC; of an event of an app the event time.",
        "kind": "event, turn, upload, recommendation or dead_letter.",
        "name": "Name of the event, source of the turn, kind of the upload, and so on.",
        "detail": "Stage that was entered, or the state it is in now.",
        "took_s": "Seconds in the stage before, or of work.",
        "properties": "Properties of an event that are safe to read; null for the others.",
        "source": "app for an event that an app recorded, server for one of the server; empty for the others.",
    },
    f"""
    WITH happened AS (
        SELECT {ORDER_TIME} AS order_time, event_time AS time, 'event' AS kind, name, coalesce(stage, '') AS detail,
            took_s, properties, source, sequence, server_time, id
        FROM (SELECT *, event_id AS id FROM v_events WHERE session_id = session)
        UNION ALL SELECT time, time, kind, name, detail, took_s, NULL, '', 0, time, '' FROM v_session_timeline
            WHERE session_id = session AND kind <> 'event')
    SELECT row_number() OVER (ORDER BY {ORDER_BY}, kind, name) AS position,
        time, kind, name, detail, took_s, properties, source FROM happened ORDER BY position""",
)

FIRST_MACROS = (FUNNEL_SESSIONS, FUNNEL, DROP_OFFS, TIME_TO_CONVERT, SESSION_TIMELINE)

FUNNEL_BY = SqlMacro(
    "funnel_by",
    "A funnel over any events for each value of a property of events, or of the variant, client or week.",
    (
        _STEPS,
        (
            "property",
            "",
            "Key of a property of the app's events; or variant, client or week (the Monday of the session's opening).",
        ),
        ("attribution", "'first'", "'first' or 'last': which value counts where a session has several in time."),
        *FUNNEL_PARAMETERS[1:],
    ),
    {
        "value": "Value of the property; null for sessions without it.",
        "position": _POSITION,
        "step": _STEP,
        "sessions": "Sessions of this value that reached it.",
        "of_first": "Their share of those of this value at the first step, 0 to 1.",
    },
    f"""
    WITH given_values AS (
        SELECT session_id, CASE attribution WHEN 'first' THEN arg_min(given, (event_time, sequence, event_id))
            WHEN 'last' THEN arg_max(given, (event_time, sequence, event_id))
            ELSE error('The attribution is first or last.') END AS value
        FROM (SELECT session_id, event_time, sequence, event_id, {text_of("properties", "property")} AS given
            FROM v_events WHERE source = 'app' AND property NOT IN ('variant', 'client', 'week'))
        WHERE given IS NOT NULL GROUP BY session_id),
    valued AS (SELECT reached, CASE property WHEN 'variant' THEN variant WHEN 'client' THEN client_id
            WHEN 'week' THEN strftime(date_trunc('week', create_time), '%Y-%m-%d') ELSE value END AS value
        FROM funnel_sessions({FUNNEL_CALL}) LEFT JOIN given_values USING (session_id)),
    counted AS (SELECT value, position, count(*) FILTER (reached >= position) AS sessions
        FROM valued CROSS JOIN {_POSITIONS} GROUP BY value, position)
    SELECT value, position, {_NAME_OF_STEP}, sessions,
        sessions / nullif(first_value(sessions) OVER (PARTITION BY value ORDER BY position), 0) AS of_first
    FROM counted ORDER BY value, position""",
)

SECOND_MACROS = (FUNNEL_BY,)
