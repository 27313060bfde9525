"""The SQL of funnels over any events: how far each session came. One text for analysts and for the report.

**Order.** That of ``event_order``, applied to the events that are compared: those of the steps, and in a strict funnel
all that the app recorded. If the app counted all of them, that is the order of their sequence, then of their time.
Events of one place tie. In an ordered funnel a tie counts as in order. In a strict one, tied events take the order of
the steps, and events that are no step come before them.

**Chains.** A funnel starts again at every event of its first step. What counts is the deepest chain from any of them.
The window is measured by the event time, from the first step of a chain to each later one.

A place is one integer: ``sequence * 2**60 + microseconds``, the latter shifted so that it is positive in all years. In
a session where the app counted only some of the events, the rank of the event takes the place of the sequence.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from typing import Final

MOST_STEPS: Final = 12
"""A macro has no loops, so the steps are written out. Those that a funnel does not have cost nothing."""

_SHIFT = 1 << 59
_TIME = 1 << 60
_SEQUENCES = 1 << 63
_NUMBERED = 16
"""In a strict funnel a place ends with the number of the step, which is 0 for other events."""

_STEPS = range(1, MOST_STEPS + 1)
_LIMIT = "epoch_us(within::INTERVAL)"
_MIXED = "bool_or(sequence > 0) AND NOT bool_and(sequence > 0) AS mixed"


_STEP = "CASE WHEN stage IS NULL THEN list_position(steps, name) ELSE list_position(steps, stage) END"
"""The number of a step; null for an event that is none.

DuckDB calls a function of one column once for each different value of a block of rows, but compares texts row by row.
After a condition on this number it also finds the groups of the different sessions of a block, not of each row.
"""


def _place(sequence: str) -> str:
    return f"{sequence}::HUGEINT * {_TIME} + (epoch_us(event_time) + {_SHIFT})"


def _time_of(place: str, unit: int = 1) -> str:
    whole = f"{place} // {unit}" if unit > 1 else place
    return f"make_timestamp((({whole}) & {_TIME - 1}::HUGEINT)::BIGINT - {_SHIFT})"


def _in_window(place: str, start: str, unit: int = 1) -> str:
    kind = "BIGINT" if unit == 1 else "HUGEINT"  # the time alone fits the first, which is faster
    time, began = (f"({x} & {_TIME * unit - 1}::HUGEINT)::{kind}" for x in (place, start))
    return f"(within IS NULL OR {time} - {began} < ({_LIMIT} + 1) * {unit})"


def _number(place: str) -> str:
    return f"{place} & {_NUMBERED - 1}::HUGEINT"


def _step_events(ordering: str, columns: str) -> str:
    """The events that are steps. DuckDB sees that nothing is read for the other two orders."""
    return f"""SELECT session_id, step, {columns} FROM (SELECT *, {_STEP} AS step FROM v_events)
            WHERE ordering = '{ordering}' AND step > 0"""


def _lists(value: str) -> str:
    """The values of each step. DuckDB sees that a funnel does not have the others."""
    return ", ".join(f"list({value}) FILTER (len(steps) >= {i} AND step = {i}) AS l{i}" for i in _STEPS)


def _order_keys(unit: int) -> str:
    """The order of the events in ``places`` of a session where some are counted: the order time, then the sequence."""
    counted = f"{_TIME * unit}::HUGEINT"
    time = f"(y // {unit} & {_TIME - 1}::HUGEINT)"
    order_time = f"list_max(list_transform(list_filter(places, lambda y: y BETWEEN {counted} AND x), lambda y: {time}))"
    return f"""CASE WHEN mixed THEN list_transform(places, lambda x: {_SEQUENCES} * CASE WHEN x < {counted}
            THEN {time.replace("y", "x")} ELSE {order_time} END + x // {counted}) END AS keys"""


def _ranked(places: str, unit: int) -> str:
    return f"""CASE WHEN mixed THEN list_transform({places}, lambda x:
            len(list_filter(keys, lambda key: key < keys[list_position(places, x)])) * {_TIME * unit}::HUGEINT
            + (x & {_TIME * unit - 1}::HUGEINT)) ELSE {places} END AS {places}"""


def _reached() -> str:
    """The number of the last step of the deepest chain: there are times of it, or of the step before."""
    deeper = " ".join(
        f"WHEN t{i} IS NOT NULL THEN {i - 1} + (list_min(t{i}) IS NOT NULL)::INTEGER" for i in reversed(_STEPS[1:])
    )
    return f"CASE {deeper} ELSE 1 END AS reached"


def _best_chain(unit: int) -> str:
    """The times of the deepest chain; of several, of the one that starts first."""
    deepest = " ".join(f"WHEN {i} THEN t{i}" for i in _STEPS)
    times = ", ".join(_time_of(f"t{i}[best]", unit) for i in _STEPS)
    return f"""SELECT session_id, reached, list_filter([{times}], lambda x: x IS NOT NULL) AS step_times
        FROM (SELECT *, list_position(t1, list_min(list_filter(t1, lambda x, i:
            (CASE reached {deepest} END)[i] IS NOT NULL))) AS best FROM deep)"""


def _ordered() -> str:
    ranked = ", ".join(_ranked(f"l{i}", 1) for i in _STEPS)
    places = f"flatten([{', '.join(f'coalesce(l{i}, [])' for i in _STEPS)}])"
    chains = "".join(
        f""",
        chains{i} AS (SELECT *, CASE WHEN len(steps) >= {i} AND l{i} IS NOT NULL AND list_min(t{i - 1}) IS NOT NULL THEN
            list_transform(t{i - 1}, lambda y, i: list_min(list_filter(l{i}, lambda x:
                x >= y AND {_in_window("x", "l1[i]")}))) END AS t{i} FROM chains{i - 1})"""
        for i in _STEPS[1:]
    )
    return f"""WITH found AS (SELECT session_id, {_MIXED}, {_lists("place")}
            FROM ({_step_events("ordered", f"sequence, {_place('sequence')} AS place")})
            GROUP BY session_id),
        listed AS (SELECT *, CASE WHEN mixed THEN {places} END AS places FROM found WHERE l1 IS NOT NULL),
        keyed AS (SELECT *, {_order_keys(1)} FROM listed),
        placed AS (SELECT session_id, {ranked} FROM keyed),
        chains1 AS (SELECT *, l1 AS t1 FROM placed){chains},
        deep AS (SELECT *, {_reached()} FROM chains{MOST_STEPS})
        {_best_chain(1)}"""


def _strict() -> str:
    chains = "".join(
        f""",
        chains{i} AS (SELECT *, CASE WHEN len(steps) >= {i} AND list_min(t{i - 1}) IS NOT NULL THEN list_transform(
            list_transform(t{i - 1}, lambda y: list_min(list_filter(places, lambda x: x > y))), lambda x, i:
            CASE WHEN {_number("x")} = {i} AND {_in_window("x", "t1[i]", _NUMBERED)} THEN x END) END AS t{i}
            FROM chains{i - 1})"""
        for i in _STEPS[1:]
    )
    return f"""WITH found AS (SELECT session_id, {_MIXED}, list(place) AS places
            FROM (SELECT session_id, sequence, ({_place("sequence")}) * {_NUMBERED} + coalesce(step, 0) AS place
                FROM (SELECT *, {_STEP} AS step FROM v_events)
                WHERE ordering = 'strict' AND (source = 'app' OR step > 0))
            GROUP BY session_id),
        keyed AS (SELECT *, {_order_keys(_NUMBERED)} FROM found),
        placed AS (SELECT session_id, {_ranked("places", _NUMBERED)} FROM keyed),
        chains1 AS (SELECT *, list_filter(places, lambda x: {_number("x")} = 1) AS t1 FROM placed){chains},
        deep AS (SELECT *, {_reached()} FROM chains{MOST_STEPS} WHERE len(t1) > 0)
        {_best_chain(_NUMBERED)}"""


def _any() -> str:
    in_reach = f"x >= b AND (within IS NULL OR x - b <= {_LIMIT})"
    seen = " + ".join(
        f"CASE WHEN len(steps) >= {i} AND len(list_filter(l{i}, lambda x: {in_reach})) > 0 THEN 1 ELSE 0 END"
        for i in _STEPS
    )
    all_lists = ", ".join(f"coalesce(l{i}, [])" for i in _STEPS)
    all_seen = " + ".join(f"(l{i} IS NOT NULL)::INTEGER" for i in _STEPS)
    firsts = ", ".join(f"list_min(list_filter(l{i}, lambda x: {in_reach}))" for i in _STEPS)
    return f"""WITH found AS (SELECT session_id, min(moment) AS first_moment, max(moment) AS last_moment,
                {_lists("moment")}
            FROM ({_step_events("any", "epoch_us(event_time) AS moment")})
            GROUP BY session_id),
        deep AS (SELECT *, CASE WHEN within IS NULL OR last_moment - first_moment <= {_LIMIT}
            THEN [{{'n': -({all_seen}), 'b': first_moment}}]
            ELSE list_transform(flatten([{all_lists}]), lambda b: {{'n': -({seen}), 'b': b}}) END AS starts FROM found),
        best AS (SELECT *, list_min(starts) AS start FROM deep),
        begun AS (SELECT *, [start.b] AS one FROM best)
        SELECT session_id, -start.n AS reached, list_transform(list_sort(list_filter(
            list_transform(one, lambda b: [{firsts}])[1], lambda x: x IS NOT NULL)), lambda x: make_timestamp(x))
            AS step_times FROM begun"""


_CHAINS = f"""
    WITH ordered_chains AS ({_ordered()}),
    strict_chains AS ({_strict()}),
    any_chains AS ({_any()}),
    reached_sessions AS (FROM ordered_chains UNION ALL FROM strict_chains UNION ALL FROM any_chains)"""
_CHOSEN = """(since IS NULL OR create_time >= since::TIMESTAMP) AND (until IS NULL OR create_time < until::TIMESTAMP)
        AND (client IS NULL OR client_id = client)"""
UNKNOWN: Final = f"""CASE WHEN ordering NOT IN ('ordered', 'strict', 'any')
            THEN error('The ordering is ordered, strict or any.')
        WHEN len(steps) NOT BETWEEN 1 AND {MOST_STEPS} OR len(list_distinct(steps)) < len(steps)
            THEN error('A funnel has 1 to {MOST_STEPS} different steps.') END"""
"""NULL for a funnel that can be counted; fails for any other."""

SESSIONS: Final = f"""{_CHAINS}
    SELECT session_id, s.client_id, s.variant, s.create_time, r.reached,
        s.state IN ('COMPLETED', 'REJECTED', 'ABANDONED') AS ended, r.step_times
    FROM reached_sessions AS r JOIN (FROM v_sessions WHERE {_CHOSEN}) AS s USING (session_id)
    WHERE {UNKNOWN} IS NULL"""
"""The body of the macro ``funnel_sessions``."""

REACHED: Final = f"""{_CHAINS},
    chosen AS (SELECT session_id FROM v_sessions
        WHERE NOT (since IS NULL AND until IS NULL AND client IS NULL) AND {_CHOSEN}),
    reached_counts AS (SELECT r.reached, count(*) AS n FROM reached_sessions AS r LEFT JOIN chosen USING (session_id)
        WHERE (since IS NULL AND until IS NULL AND client IS NULL) OR chosen.session_id IS NOT NULL GROUP BY r.reached)
"""
"""Common table expressions that end in ``reached_counts``. Without a choice of sessions no session is looked up."""
