"""Who comes back: the view of the sessions of a person, and the macro that counts. Frozen once released.

A session knows its person only by ``subject_hash``, which the app may give. Analysts do not see the hash. They see the
UUID of the person's first session in its place, which tells the same and cannot be looked up elsewhere.
"""

from __future__ import annotations

from server.ledger.table_schema import SqlMacro, SqlView

V_PERSON_SESSIONS = SqlView(
    "v_person_sessions",
    "One row for a session whose app said whose it is, with subject_hash: which person, and which visit of the person.",
    {
        "session_id": "UUID of the session.",
        "client_id": "App or site that opened it.",
        "person": "UUID of the first session of this person that is stored; the same for all sessions of the person.",
        "visit": "1 for the first session of the person, 2 for the next one, and so on.",
        "create_time": "When the session was opened, UTC.",
    },
    """SELECT id AS session_id, client_id,
        first_value(id) OVER (PARTITION BY subject_hash ORDER BY create_time, id) AS person,
        row_number() OVER (PARTITION BY subject_hash ORDER BY create_time, id) AS visit, create_time
    FROM sessions WHERE subject_hash <> ''""",
)

_NOW = "coalesce(as_of::TIMESTAMP, make_timestamp(epoch_us(get_current_timestamp())))"
_UNKNOWN = """CASE WHEN unit NOT IN ('day', 'week', 'month') THEN error('The unit is day, week or month.')
        WHEN actor NOT IN ('person', 'client') THEN error('The actor is person or client.')
        WHEN periods NOT BETWEEN 1 AND 400 THEN error('There are 1 to 400 periods.') END"""
_BEGINS = """cohort + CASE unit WHEN 'day' THEN to_days({n}) WHEN 'week' THEN to_days(7 * ({n}))
        ELSE to_months({n}) END"""


def _happened(event: str) -> str:
    """The times that count: those of an event or a stage, or of opening a session where none is named."""
    return f"""(SELECT actor_id, create_time AS time FROM visits WHERE {event} IS NULL
        UNION ALL SELECT actor_id, event_time FROM visits JOIN v_events USING (session_id)
            WHERE {event} IS NOT NULL AND (stage = {event} OR (stage IS NULL AND name = {event})))"""  # noqa: S608 - ours


RETENTION = SqlMacro(
    "retention",
    "Who comes back: of those who were first seen in a day, week or month, how many came again in each later one that "
    "is over.",
    (
        ("unit", "'week'", "'day', 'week' (from Monday) or 'month', by the calendar in UTC."),
        ("first_event", "NULL", "Event or stage by which somebody is first seen; NULL for opening a session."),
        ("return_event", "NULL", "Event or stage that counts as coming back; NULL for opening a session."),
        (
            "actor",
            "'person'",
            "Who comes back: 'person', in sessions whose app gave subject_hash, or 'client', an app or a site.",
        ),
        ("since", "NULL", "Only those first seen at or after this time, UTC."),
        ("until", "NULL", "Only those first seen before this time, UTC."),
        ("client", "NULL", "Only sessions of this client."),
        ("periods", "12", "How many periods after the first one, up to 400."),
        ("as_of", "NULL", "The time up to which is counted, UTC; NULL for now."),
    ),
    {
        "cohort": "First day of the period in which they were first seen.",
        "actors": "How many were first seen in it.",
        "period": "0 for that period, 1 for the next one, and so on.",
        "returned": "How many came in this period; of period 0 all.",
        "rate": "returned / actors, 0 to 1.",
        "low": "Lower end of the 95 % interval of the rate (Wilson); null for period 0.",
        "high": "Upper end of that interval; null for period 0.",
    },
    f"""
    WITH visits AS (
        SELECT session_id, person AS actor_id, create_time FROM v_person_sessions
            WHERE actor = 'person' AND (client IS NULL OR client_id = client)
        UNION ALL SELECT session_id, client_id, create_time FROM v_sessions
            WHERE actor = 'client' AND (client IS NULL OR client_id = client)),
    firsts AS (SELECT actor_id, min(time) AS first_time FROM {_happened("first_event")} WHERE time < {_NOW}
        GROUP BY actor_id),
    cohorts AS (SELECT actor_id, first_time, date_trunc(unit, first_time)::DATE AS cohort FROM firsts
        WHERE (since IS NULL OR first_time >= since::TIMESTAMP) AND (until IS NULL OR first_time < until::TIMESTAMP)),
    sizes AS (SELECT cohort, count(*) AS actors FROM cohorts GROUP BY cohort),
    came AS (SELECT cohort, date_diff(unit, cohort, time) AS period, count(DISTINCT actor_id) AS n
        FROM cohorts JOIN {_happened("return_event")} USING (actor_id) WHERE time > first_time GROUP BY ALL),
    filled AS (SELECT cohort, actors, period,
            CASE WHEN period = 0 THEN actors ELSE coalesce(n, 0) END::BIGINT AS returned
        FROM sizes CROSS JOIN (SELECT unnest(range(0, periods + 1)) AS period WHERE {_UNKNOWN} IS NULL)
        LEFT JOIN came USING (cohort, period)
        WHERE {_BEGINS.format(n="period::INTEGER + 1")} <= {_NOW}),
    rated AS (SELECT *, returned / actors AS rate, 3.841458820694124 / actors AS z FROM filled)
    SELECT cohort, actors, period, returned, rate,
        CASE WHEN period > 0 THEN greatest(0, (rate + z / 2 - reach) / (1 + z)) END AS low,
        CASE WHEN period > 0 THEN least(1, (rate + z / 2 + reach) / (1 + z)) END AS high
    FROM (SELECT *, sqrt(z * (rate * (1 - rate) + z / 4)) AS reach FROM rated) ORDER BY cohort, period""",  # noqa: S608
)
