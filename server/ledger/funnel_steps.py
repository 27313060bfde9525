"""The SQL of funnels over any events: how far each session came. One text for analysts and for the report.

**Order.** That of ``event_order``, applied to the events that are compared: those of the steps, and in a strict funnel
all that the app recorded. If the app counted all of them, that is the order of their sequence, then of their time.
Events of one place tie. In an ordered funnel a tie counts as in order. In a strict one, tied events take the order of
the steps, and events that are no step come before them.

**Chains.** A funnel starts again at every event of its first step. What counts is the deepest chain from any of them.
The window is measured by the event time, from the first step of a chain to each later one.

**Integers.** A *mark* is the time and the step of an event: microseconds from 2020 on, times 16, plus the number of the
step, which is 0 for other events. A *place* is a mark together with the sequence, in 64 bits, so that a session keeps a
short list of integers. An event whose place needs more bits is kept as a struct. Of a session with such an event, or
where the app counted only some of the events, the marks are sorted, and the position in the sorted list stands for the
place. That is slower, and seldom needed.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from typing import Final

MOST_STEPS: Final = 12
"""A macro has no loops, so the steps are written out. Those that a funnel does not have cost nothing."""

_STEP_BITS, _TIME_BITS, _SEQUENCE_BITS = 4, 50, 10
"""Of a place: 15 steps, 35 years of microseconds, sequences below 1,024."""
_BEGIN = 1_577_836_800_000_000
"""2020, in microseconds since 1970."""
_NUMBERS, _SEQUENCES, _MARKS = 1 << _STEP_BITS, 1 << _SEQUENCE_BITS, 1 << (_TIME_BITS + _STEP_BITS)
_UNCOUNTED = _SEQUENCES // 2
"""What is taken from a sequence, because half of all integers are negative."""

_STEPS = range(1, MOST_STEPS + 1)
_LIMIT = f"least(epoch_us(within::INTERVAL), {1 << 58})"
"""No window is longer than 9,000 years, so that no number overflows."""

_STEP = "CASE WHEN stage IS NULL THEN list_position(steps, name) ELSE list_position(steps, stage) END"
"""The number of a step; null for an event that is none.

DuckDB calls a function of one column once for each different value of a block of rows, but compares texts row by row.
After a condition on this number it also finds the groups of the different sessions of a block, not of each row.
"""
_FITS = f"mark >= 0 AND mark < {_MARKS} AND sequence < {_SEQUENCES}"


def _mark(place: str) -> str:
    return f"({place} & {_MARKS - 1})"


def _number(mark: str) -> str:
    return f"{mark} & {_NUMBERS - 1}"


def _time(mark: str) -> str:
    return f"make_timestamp(({mark} >> {_STEP_BITS}) + {_BEGIN})"


def _in_window(mark: str, start: str) -> str:
    """Whether a mark is in the window of a start, whose number is not above its own."""
    return f"(within IS NULL OR {mark} - {start} < ({_LIMIT} + 1) * {_NUMBERS})"


_COMPARED = f"""SELECT session_id, list(place) FILTER (place IS NOT NULL) AS places,
            list(wide) FILTER (wide IS NOT NULL) AS wides
        FROM (SELECT session_id, CASE WHEN {_FITS} THEN (sequence - {_UNCOUNTED}) * {_MARKS} + mark END AS place,
                CASE WHEN NOT ({_FITS}) THEN {{'q': sequence, 'm': mark}} END AS wide
            FROM (SELECT *, (epoch_us(event_time) - {_BEGIN}) * {_NUMBERS} + coalesce(step, 0) AS mark
                FROM (SELECT *, {_STEP} AS step FROM v_events)
                WHERE step > 0 OR (ordering = 'strict' AND source = 'app')))
        GROUP BY session_id"""
"""The events of a session that are compared. DuckDB knows the ordering when it plans, so it reads no more than needed.
"""

_FIRST_COUNTED = (1 - _UNCOUNTED) * _MARKS
_SEPARATE = f"""CASE WHEN ordering <> 'any' AND (wides IS NOT NULL
            OR (list_min(places) < {_FIRST_COUNTED} AND list_max(places) >= {_FIRST_COUNTED}))
        THEN list_concat(list_transform(places,
            lambda x: {{'q': (x >> {_TIME_BITS + _STEP_BITS}) + {_UNCOUNTED}, 'm': {_mark("x")}}}), wides) END"""
"""The events of a session, one by one, that must be sorted; null for any other session."""

_ORDER_TIME = f"""CASE WHEN e.q = 0 THEN e.m >> {_STEP_BITS} ELSE list_max(list_transform(list_filter(separate,
        lambda y: y.q > 0 AND (y.q < e.q OR (y.q = e.q AND y.m <= e.m))), lambda y: y.m >> {_STEP_BITS})) END"""
_IS_MIXED = """list_bool_or(list_transform(separate, lambda e: e.q = 0))
            AND list_bool_or(list_transform(separate, lambda e: e.q > 0))"""
_LINE = f"""list_transform(list_sort(list_distinct(list_transform(separate, lambda e:
        {{'o': CASE WHEN is_mixed THEN {_ORDER_TIME} ELSE 0 END, 'q': e.q, 'm': e.m}}))), lambda e: e.m)"""
"""Their marks in order. Events that tie in all are one."""

_FOLLOWS = f"""(CASE ordering WHEN 'ordered' THEN x > made[len(made)] ELSE x = made[len(made)] + 1 END)
        AND {_in_window("line[x]", "line[begin]")}"""
_CHAINS_OF_LINE = f"""list_transform(places_of_steps[1], lambda begin: list_reduce(places_of_steps,
        lambda made, those, i: CASE WHEN len(made) = i - 1
            THEN list_concat(made, list_filter(those, lambda x: {_FOLLOWS})[:1]) ELSE made END, [begin]))"""
"""For each event of the first step the positions in the line of its chain."""


def _chain(i: int) -> str:
    """For each event of the first step the place where its chain makes a step; null where it does not come so far."""
    in_window = _in_window(_mark("x"), _mark("l1[i]"))
    return f"""CASE WHEN len(steps) >= {i} AND list_min(t{i - 1}) IS NOT NULL THEN CASE ordering
        WHEN 'ordered' THEN list_transform(t{i - 1}, lambda y, i: list_min(list_filter(l{i}, lambda x:
            x >= y AND {in_window})))
        WHEN 'strict' THEN list_transform(list_transform(t{i - 1}, lambda y:
            list_min(list_filter(places, lambda x: x > y))), lambda x, i:
            CASE WHEN {_number("x")} = {i} AND {in_window} THEN x END) END END AS t{i}"""


def _reached() -> str:
    """The number of the last step of the deepest chain: there are times of it, or of the step before."""
    deeper = " ".join(
        f"WHEN t{i} IS NOT NULL THEN {i - 1} + (list_min(t{i}) IS NOT NULL)::INTEGER" for i in reversed(_STEPS[1:])
    )
    return f"CASE {deeper} WHEN len(t1) > 0 THEN 1 END"


def _best_chain() -> str:
    """The number of the deepest chain; of several, of the one that starts first. Most sessions have one."""
    deepest = " ".join(f"WHEN {i} THEN t{i}" for i in _STEPS)
    return f"""CASE WHEN len(t1) = 1 THEN 1 ELSE list_position(t1, list_min(list_filter(t1, lambda x, i:
        (CASE reached {deepest} END)[i] IS NOT NULL))) END"""


def _list(i: int) -> str:
    """The places of a step, or the marks where any order counts. DuckDB sees that a funnel does not have others."""
    asked = f"len(steps) >= {i} AND (ordering = 'any' OR len(l1) > 0)" if i > 1 else "true"
    return f"CASE WHEN {asked} THEN list_filter(listed, lambda x: {_number('x')} = {i}) END AS l{i}"


_IN_REACH = f"x >= b AND {_in_window('x', 'b')}"


def _any_starts() -> str:
    seen = " + ".join(
        f"CASE WHEN len(steps) >= {i} AND len(list_filter(l{i}, lambda x: {_IN_REACH})) > 0 THEN 1 ELSE 0 END"
        for i in _STEPS
    )
    all_seen = " + ".join(f"CASE WHEN len(steps) >= {i} THEN (len(l{i}) > 0)::INTEGER ELSE 0 END" for i in _STEPS)
    first = f"(list_min(listed) & -{_NUMBERS})"
    return f"""CASE WHEN within IS NULL OR list_max(listed) - {first} < ({_LIMIT} + 1) * {_NUMBERS}
            THEN [{{'n': -({all_seen}), 'b': {first}}}]
            ELSE list_transform(list_transform(listed, lambda x: x & -{_NUMBERS}), lambda b:
                {{'n': -({seen}), 'b': b}}) END"""


def _any_times() -> str:
    firsts = ", ".join(f"list_min(list_filter(l{i}, lambda x: {_IN_REACH}))" for i in _STEPS)
    return f"""list_transform(list_sort(list_filter(list_transform([start.b], lambda b: [{firsts}])[1],
            lambda x: x IS NOT NULL)), lambda x: {_time("x")})"""


_BEST_OF_LINE = "list_filter(line_chains, lambda c: len(c) = reached)[1]"


def _reached_sessions(*, times: bool) -> str:
    """Common table expressions that end in ``reached_sessions``: how far each session came, and when.

    Of a session without the first step it is null.
    """
    chains = "".join(f", chains{i} AS (SELECT *, {_chain(i)} FROM chains{i - 1})" for i in _STEPS[1:])
    step_times = f""", CASE WHEN ordering = 'any' THEN {_any_times()}
        WHEN line IS NOT NULL THEN list_transform({_BEST_OF_LINE}, lambda x: {_time("line[x]")})
        ELSE [{", ".join(_time(_mark(f"t{i}[best]")) for i in _STEPS)}][:reached] END AS step_times"""
    return f"""WITH compared AS ({_COMPARED}),
    separated AS (SELECT *, {_SEPARATE} AS separate FROM compared),
    lined AS (SELECT *, CASE WHEN separate IS NOT NULL THEN {_LINE} END AS line,
        CASE WHEN ordering = 'any' THEN list_concat(list_transform(places, lambda x: {_mark("x")}),
            list_transform(wides, lambda x: x.m)) WHEN separate IS NULL THEN places END AS listed
        FROM (SELECT *, {_IS_MIXED} AS is_mixed FROM separated)),
    begun AS (SELECT *, {_list(1)}, CASE WHEN line IS NOT NULL THEN list_transform(range(1, len(steps) + 1),
        lambda i: list_filter(range(1, len(line) + 1), lambda x: {_number("line[x]")} = i)) END AS places_of_steps
        FROM lined),
    by_step AS (SELECT *, {", ".join(map(_list, _STEPS[1:]))} FROM begun),
    chains1 AS (SELECT *, CASE WHEN ordering <> 'any' THEN l1 END AS t1,
        CASE WHEN line IS NOT NULL THEN {_CHAINS_OF_LINE} END AS line_chains,
        CASE WHEN ordering = 'any' THEN list_min({_any_starts()}) END AS start FROM by_step){chains},
    deep AS (SELECT *, CASE WHEN ordering = 'any' THEN -start.n WHEN line IS NOT NULL
        THEN list_max(list_transform(line_chains, lambda c: len(c))) ELSE {_reached()} END AS reached
        FROM chains{MOST_STEPS}),
    reached_sessions AS (SELECT session_id, reached{step_times if times else ""}
        FROM (SELECT *, {_best_chain()} AS best FROM deep))"""


_CHOSEN = """(since IS NULL OR create_time >= since::TIMESTAMP) AND (until IS NULL OR create_time < until::TIMESTAMP)
        AND (client IS NULL OR client_id = client)"""
UNKNOWN: Final = f"""CASE WHEN ordering NOT IN ('ordered', 'strict', 'any')
            THEN error('The ordering is ordered, strict or any.')
        WHEN len(steps) NOT BETWEEN 1 AND {MOST_STEPS} OR len(list_distinct(steps)) < len(steps)
            THEN error('A funnel has 1 to {MOST_STEPS} different steps.') END"""
"""NULL for a funnel that can be counted; fails for any other."""


def _sessions(columns: str) -> str:
    return f"""{_reached_sessions(times=True)}
    SELECT session_id, s.client_id, s.variant, s.create_time, r.reached,
        s.state IN ('COMPLETED', 'REJECTED', 'ABANDONED') AS ended, r.step_times{columns}
    FROM reached_sessions AS r JOIN (FROM v_sessions WHERE {_CHOSEN}) AS s USING (session_id)
    WHERE reached > 0 AND {UNKNOWN} IS NULL"""


SESSIONS: Final = _sessions("")
"""The body of the macro ``funnel_sessions``."""

SESSIONS_WITH_END: Final = _sessions(", s.stage_time AS end_time")
"""The same with the time at which each session entered its last stage, without a second look for it."""

REACHED: Final = f"""{_reached_sessions(times=False)},
    chosen AS (SELECT session_id FROM v_sessions
        WHERE NOT (since IS NULL AND until IS NULL AND client IS NULL) AND {_CHOSEN}),
    reached_counts AS (SELECT r.reached, count(*) AS n FROM reached_sessions AS r LEFT JOIN chosen USING (session_id)
        WHERE (since IS NULL AND until IS NULL AND client IS NULL) OR chosen.session_id IS NOT NULL GROUP BY r.reached)
"""
"""Common table expressions that end in ``reached_counts``. Without a choice of sessions no session is looked up."""
