"""The table macros for funnels with a shape, and for the groups of a funnel. Frozen once released."""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from server.ledger.funnel_paths import StepTerms, chains
from server.ledger.funnel_steps import MOST_STEPS
from server.ledger.funnel_values import ATTRIBUTIONS, DIMENSIONS, text_of, values_of
from server.ledger.macros import FUNNEL_CALL, FUNNEL_PARAMETERS, FUNNEL_SESSIONS
from server.ledger.table_schema import SqlMacro

_EVERY = range(1, MOST_STEPS + 1)
_STEPS, _WITHIN, _, *_CHOICE = FUNNEL_PARAMETERS
_SHAPE = (
    _STEPS,
    ("optional", "[]", "Steps that may be left out; not the first, nor the last."),
    ("windows", "NULL", "For each step the longest time from the required step before it, an INTERVAL or NULL."),
    (
        "conditions",
        "NULL",
        'For each step what the properties of its events must have, as JSON such as \'{"channel": "web"}\', or NULL.',
    ),
    ("excluded", "[]", "Events and stages that end an attempt where they come between two steps. None is a step."),
    ("attempt", "'deepest'", "Which attempt of a session counts: 'deepest', 'first' or 'last'."),
    _WITHIN,
    *_CHOICE,
)
_SHAPE_CALL = ", ".join(name if name == "steps" else f"{name} := {name}" for name, _, _ in _SHAPE)
_IS_OPTIONAL = "list_contains(optional::VARCHAR[], {})"
_UNKNOWN = f"""CASE WHEN len(steps) NOT BETWEEN 1 AND {MOST_STEPS} OR len(list_distinct(steps)) < len(steps)
            THEN error('A funnel has 1 to {MOST_STEPS} different steps.')
        WHEN attempt NOT IN ('deepest', 'first', 'last') THEN error('The attempt is deepest, first or last.')
        WHEN {_IS_OPTIONAL.format("steps[1]")} OR {_IS_OPTIONAL.format("steps[len(steps)]")}
            THEN error('The first and the last step cannot be optional.')
        WHEN len(list_intersect(steps, excluded::VARCHAR[])) > 0 THEN error('No step can be excluded.') END"""


def _has(condition: str) -> str:
    """Whether ``properties`` have all that an object says; NULL says nothing.

    Numbers are compared by value: 5 and 5.0 are equal. JSON that says no number costs no more than ``json_contains``.
    """
    number = "json_type({0} -> k) IN ('UBIGINT', 'BIGINT', 'DOUBLE')"
    same_number = " AND ".join(
        (
            number.format("properties"),
            number.format(condition),
            f"{text_of('properties', 'k')} = {text_of(condition, 'k')}",
        )
    )
    return f"""CASE WHEN {condition} IS NULL OR json_contains(properties, {condition}) THEN true
        WHEN regexp_matches({condition}::VARCHAR, ':\\s*-?[0-9]') THEN list_bool_and(list_transform(
            json_keys({condition}), lambda k: coalesce(json_contains(properties -> k, {condition} -> k), false)
                OR coalesce({same_number}, false))) ELSE false END"""


def _terms(i: int) -> StepTerms:
    condition = f"((conditions::VARCHAR[])[{i}])::VARCHAR"
    return StepTerms(
        name=f"steps[{i}]",
        optional=f"coalesce({_IS_OPTIONAL.format(f'steps[{i}]')}, false)",
        window_us=f"epoch_us(((windows::INTERVAL[])[{i}])::INTERVAL)",
        fits=_has(f"{condition}::JSON"),
        excluded="list_contains(excluded::VARCHAR[], step)",
    )


def _compared(column: str) -> str:
    steps = " OR ".join(f"{column} = steps[{i}]" for i in _EVERY)
    return f"({steps} OR list_contains(excluded::VARCHAR[], {column}))"


_CHAINS = chains(
    [_terms(i) for i in _EVERY],
    "epoch_us(within::INTERVAL)",
    "attempt",
    f"((stage IS NULL AND {_compared('name')}) OR {_compared('stage')})",
)

FUNNEL_PATHS = SqlMacro(
    "funnel_paths",
    "One row for a session of an ordered funnel with optional steps, excluded events, and windows and conditions by "
    "step. The lists behind the numbers of funnel_with.",
    _SHAPE,
    {
        **{name: text for name, text in FUNNEL_SESSIONS.columns.items() if name not in ("reached", "step_times")},
        "reached": "Position of the last required step that it made. With ended false it is under way there.",
        "step_times": "When it made each step, UTC; NULL for one that it did not make.",
        "attempts": "Events of the first step: how often it began.",
    },
    f"""SELECT session_id, s.client_id, s.variant, s.create_time,
        s.state IN ('COMPLETED', 'REJECTED', 'ABANDONED') AS ended, reached,
        list_slice(step_times, 1, len(steps)) AS step_times, attempts
    FROM ({_CHAINS}) JOIN v_sessions AS s USING (session_id)
    WHERE (since IS NULL OR create_time >= since::TIMESTAMP) AND (until IS NULL OR create_time < until::TIMESTAMP)
        AND (client IS NULL OR client_id = client) AND {_UNKNOWN} IS NULL""",
)

FUNNEL_WITH = SqlMacro(
    "funnel_with",
    "An ordered funnel with optional steps, excluded events, and windows and conditions by step: one row a step.",
    _SHAPE,
    {
        "position": "1 for the first step.",
        "step": "Name of the step.",
        "is_optional": "Whether it may be left out.",
        "sessions": "Sessions that reached it; of an optional step those that made it in passing.",
        "dropped": "Those that ended after the required step before; 0 for the first step and for an optional one.",
        "under_way": "Those that stand at it and have not ended; 0 for an optional one.",
        "of_first": "Share of sessions in those of the first step, 0 to 1; null when there are none.",
    },
    f"""
    WITH positions AS (SELECT position, coalesce({_IS_OPTIONAL.format("steps[position]")}, false) AS is_optional
        FROM (SELECT unnest(range(1, greatest(1, len(steps)) + 1)) AS position) WHERE {_UNKNOWN} IS NULL),
    linked AS (SELECT *, max(CASE WHEN NOT is_optional THEN position END) OVER (ORDER BY position
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS before FROM positions),
    counted AS (SELECT position, is_optional,
            count(session_id) FILTER (CASE WHEN is_optional THEN step_times[position] IS NOT NULL
                ELSE reached >= position END) AS sessions,
            count(session_id) FILTER (NOT is_optional AND reached = before AND ended) AS dropped,
            count(session_id) FILTER (NOT is_optional AND reached = position AND NOT ended) AS under_way
        FROM linked LEFT JOIN funnel_paths({_SHAPE_CALL}) ON true GROUP BY position, is_optional)
    SELECT position, steps[position] AS step, is_optional, sessions, dropped, under_way,
        sessions / nullif(first_value(sessions) OVER (ORDER BY position), 0) AS of_first
    FROM counted ORDER BY position""",
)

_NO_GROUP = f"""CASE WHEN kind NOT IN {DIMENSIONS}
            THEN error('The sessions are divided by one of {", ".join(DIMENSIONS)}.')
        WHEN attribution NOT IN {ATTRIBUTIONS} THEN error('The attribution is first, last or step.')
        WHEN attribution = 'step' AND (ordering = 'any' OR at_step NOT BETWEEN 1 AND len(steps))
            THEN error('The value at a step needs a step, and an order.') END"""

FUNNEL_SEGMENTS = SqlMacro(
    "funnel_segments",
    "The sessions of a funnel over any events with a value each, by which to divide them, or which to add up.",
    (
        _STEPS,
        ("key", "", "Key of a property of the app's events; or the name of the event or stage; '' for the others."),
        (
            "kind",
            "'property'",
            "'property', 'variant', 'client', 'language', or 'event': whether the session has it, 'true' or 'false'.",
        ),
        (
            "attribution",
            "'first'",
            "Which value of a property counts: the 'first' or 'last' in time, or that of the event of a 'step'.",
        ),
        ("at_step", "1", "The step for 'step', 1 for the first."),
        *FUNNEL_PARAMETERS[1:],
    ),
    {**FUNNEL_SESSIONS.columns, "value": "The value as text; null for a session without one."},
    f"""
    WITH counted AS MATERIALIZED (FROM funnel_sessions({FUNNEL_CALL})),
    given_values AS ({values_of("counted", "steps", "kind", "key", "attribution", "at_step")})
    SELECT counted.*, value FROM counted LEFT JOIN given_values USING (session_id) WHERE {_NO_GROUP} IS NULL""",
)

SHAPE_MACROS = (FUNNEL_PATHS, FUNNEL_WITH, FUNNEL_SEGMENTS)
