"""The SQL of what the sessions of a funnel are asked for: a value of a property, or another that divides them.

One text for analysts and for the report. Of several values of a property the first in time counts, the last, or that of
the event that made a step. At the same time the lower sequence comes first, then the lower id.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

DIMENSIONS = ("property", "variant", "client", "language", "event")
ATTRIBUTIONS = ("first", "last", "step")


def values_of(sessions: str, steps: str, by: str, key: str, attribution: str, position: str) -> str:
    """SQL with a row for a session that has a value: ``session_id``, ``value`` as text.

    Args:
        sessions: The relation of the funnel's sessions, with the columns of ``funnel_sessions``.
        steps: SQL of the list of its steps.
        by: SQL of one of ``DIMENSIONS``. DuckDB reads nothing for the others.
        key: SQL of the key of the property, or of the name of the event or stage.
        attribution: SQL of one of ``ATTRIBUTIONS``.
        position: SQL of the step whose event has the value, for ``step``.
    """
    made_step = f"e.name = {steps}[{position}] AND e.event_time = f.step_times[{position}]"
    has_event = f"""SELECT session_id FROM v_events WHERE stage IS NULL AND name = {key}
        UNION ALL SELECT session_id FROM v_events WHERE stage = {key}"""
    of_session = "SELECT session_id, {} FROM " + sessions + " WHERE {} = '{}'"
    return f"""SELECT session_id,
            CASE WHEN {attribution} = 'last' THEN arg_max(given, came) ELSE arg_min(given, came) END AS value
        FROM (SELECT e.session_id, (e.event_time, e.sequence, e.event_id) AS came,
                {text_of("e.properties", key)} AS given
            FROM v_events AS e JOIN {sessions} AS f USING (session_id)
            WHERE {by} = 'property' AND e.device_time IS NOT NULL AND ({attribution} <> 'step' OR ({made_step})))
        WHERE given IS NOT NULL GROUP BY session_id
        UNION ALL {of_session.format("variant", by, "variant")} AND variant <> ''
        UNION ALL {of_session.format("client_id", by, "client")}
        UNION ALL SELECT session_id, language FROM {sessions} JOIN v_sessions USING (session_id)
            WHERE {by} = 'language' AND language <> ''
        UNION ALL SELECT session_id, (session_id IN ({has_event}))::VARCHAR FROM {sessions} WHERE {by} = 'event'"""


def text_of(properties: str, key: str) -> str:
    """SQL of a property as text. Equal numbers have the same text: of 5, 5.0 and 5e0 it is ``5``.

    DuckDB writes a whole number that has a fraction or an exponent as ``5.0``. A text such as ``2.0`` stays.
    """
    given = f"({properties} ->> {key})"
    return f"""CASE WHEN suffix({given}, '.0') AND json_type({properties} -> {key}) = 'DOUBLE'
        THEN CASE {given} WHEN '-0.0' THEN '0' ELSE left({given}, -2) END ELSE {given} END"""


def number_of(value: str) -> str:
    """SQL of a text as a number; NULL for one that is none."""
    return f"CASE WHEN isfinite(TRY_CAST({value} AS DOUBLE)) THEN TRY_CAST({value} AS DOUBLE) END"
