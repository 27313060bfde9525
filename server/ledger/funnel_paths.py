"""The SQL of ordered funnels with optional steps, excluded events, windows by step and a choice of the attempt.

**Order.** That of ``event_order``, applied to the events of the steps and the excluded ones; an event that does not
fit the condition of its step is left out. Events of one place tie: a
tie counts as in order, and an excluded event that ties with a step does not count as between two steps.

**Chains.** A chain takes one event of each required step, in order, none more than the window of its step after the
required step before, none more than the window of the funnel after the first, and no excluded event between two of
them. It may begin at each event of the first step; such an event is an attempt. Any event of a step may be taken, not
only the next one. What counts is the deepest chain of the attempts that are looked at; of several, the one that begins
first, and from there the one whose events come first.

**Optional steps** change nothing about the others. They are looked for in the chain that counts. One counts when an
event of it lies after the required step before it, and before the next one if the chain has that; within its window and
the funnel's. So it counts for a session that left after it, too.

How it is counted:

1. Forward, from the first step to the last: for each event of a step, the latest start of a chain that leads to the
   event. The last required step that a chain leads to tells how deep the session came.
2. Backward, from that step to the first: for each event, the earliest end of a chain that leads on from the event to
   that step. An event of the first step that has such an end begins a deepest chain.
3. Of these chains, the one that begins first is followed.

An event of a step is a struct with its place ``p``, its time ``t`` in microseconds and the place ``x`` of the last
excluded event before it; 1 adds the start ``b``, and 2 the end ``g``. The work in a session grows with the square of
its events, not with the cube.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.ledger.event_order import ORDER_TIME


@dataclass(frozen=True, slots=True)
class StepTerms:
    """SQL about one step.

    Attributes:
        name: Its name.
        optional: Whether it may be left out.
        window_us: Longest time from the required step before in microseconds; NULL for no bound.
        fits: Condition on ``properties`` of its events.
        excluded: Condition on ``step``, the name of an event or stage: whether it may not come between the required
            step before and this one.
    """

    name: str
    optional: str = "false"
    window_us: str = "NULL"
    fits: str = "true"
    excluded: str = "false"


def chains(steps: Sequence[StepTerms], within_us: str, attempt: str, compared: str) -> str:
    """SQL with a row for a session that made the first step: ``session_id, reached, step_times, attempts``.

    ``reached`` is the position of the last required step of its chain. ``step_times`` has a time for each step, NULL
    where it was not made.

    Args:
        steps: The first is required.
        within_us: Longest time from the first step to each other in microseconds; NULL for no bound.
        attempt: ``'deepest'``, ``'first'`` or ``'last'``, as SQL.
        compared: Condition on ``v_events``: which are looked at.
    """
    ctes = [
        f"compared AS ({_compared(compared, steps)})",
        f"found AS ({_lists(steps)})",
        f"""begun AS (SELECT *, list_transform(CASE {attempt} WHEN 'first' THEN [list_min(l1)]
            WHEN 'last' THEN [list_max(l1)] ELSE l1 END, lambda e: {{'p': e.p, 't': e.t, 'x': e.x, 'b': e.t}}) AS f1
            FROM found WHERE l1 IS NOT NULL)""",
    ]
    last, count = "begun", len(steps)
    for i in range(2, count + 1):
        ctes.append(f"f{i}s AS (SELECT *, {_forward(i, steps[i - 1], within_us)} AS f{i} FROM {last})")
        last = f"f{i}s"
    deepest = " ".join(f"WHEN NOT {steps[i - 1].optional} AND len(f{i}) > 0 THEN {i}" for i in range(count, 1, -1))
    ctes.append(f"deep AS (SELECT *, {f'CASE {deepest} ELSE 1 END' if deepest else '1'} AS reached FROM {last})")
    last = "deep"
    for i in range(count, 0, -1):
        ctes.append(f"n{i}s AS (SELECT *, {_backward(i, steps[i - 1], last=i == count)} AS n{i} FROM {last})")
        last = f"n{i}s"
    ctes.append(f"""c1s AS (SELECT *, list_min(list_filter(n1, lambda s: {_within("s.g - s.t", within_us)})) AS c1
        FROM {last})""")
    last = "c1s"
    for i in range(2, count + 1):
        ctes.append(f"c{i}s AS (SELECT *, {_followed(i, steps[i - 1], within_us)} AS c{i} FROM {last})")
        last = f"c{i}s"
    for i in range(count, 0, -1):
        ctes.append(f"d{i}s AS (SELECT *, {_next_made(i, steps)} AS d{i} FROM {last})")
        last = f"d{i}s"
    times = ", ".join(f"make_timestamp({_time(i, step, within_us)})" for i, step in enumerate(steps, start=1))
    return f"""WITH {", ".join(ctes)} SELECT session_id, reached, [{times}] AS step_times, len(l1) AS attempts
        FROM {last}"""


def _compared(condition: str, steps: Sequence[StepTerms]) -> str:
    """The events with their place in the session, and their time. One of a step that does not fit is none of it."""
    fit = "".join(f" AND (step <> {s.name} OR coalesce({s.fits}, false))" for s in steps if s.fits != "true")
    counted = "PARTITION BY session_id"
    mixed = f"bool_or(sequence > 0) OVER ({counted}) AND NOT bool_and(sequence > 0) OVER ({counted})"
    return f"""SELECT session_id, step, properties, epoch_us(event_time) AS t,
            rank() OVER (PARTITION BY session_id ORDER BY order_time, sequence, event_time) AS p
        FROM (SELECT *, CASE WHEN {mixed} THEN {ORDER_TIME} END AS order_time
            FROM (SELECT session_id, coalesce(stage, name) AS step, properties, event_time, sequence, server_time,
                event_id AS id FROM v_events WHERE {condition})
            WHERE true{fit})"""


def _lists(steps: Sequence[StepTerms]) -> str:
    lists = ", ".join(
        f"""list({{'p': p, 't': t}}) FILTER (step = {step.name}) AS e{i},
            list(p) FILTER ({step.excluded}) AS x{i}"""
        for i, step in enumerate(steps, start=1)
    )
    nodes = ", ".join(
        f"""list_transform(e{i}, lambda e: {{'p': e.p, 't': e.t,
            'x': coalesce(list_max(list_filter(x{i}, lambda x: x < e.p)), 0)}}) AS l{i}"""
        for i in range(1, len(steps) + 1)
    )
    return f"SELECT session_id, {nodes} FROM (SELECT session_id, {lists} FROM compared GROUP BY session_id)"


def _within(took: str, limit_us: str) -> str:
    return f"coalesce({took} <= {limit_us}, true)"


def _forward(i: int, step: StepTerms, within_us: str) -> str:
    before = (
        f"""list_filter(f{i - 1}, lambda c: c.p <= e.p AND c.p >= e.x AND {_within("e.t - c.t", step.window_us)})"""
    )
    return f"""CASE WHEN {step.optional} THEN f{i - 1} ELSE list_filter(list_transform(l{i}, lambda e:
        {{'p': e.p, 't': e.t, 'x': e.x, 'b': list_max(list_transform({before}, lambda c: c.b))}}),
        lambda s: s.b IS NOT NULL AND {_within("s.t - s.b", within_us)}) END"""


def _backward(i: int, step: StepTerms, *, last: bool) -> str:
    window = f"({step.window_us})::BIGINT"
    end = f"list_transform(f{i}, lambda e: {{'p': e.p, 't': e.t, 'x': e.x, 'w': {window}, 'g': e.t}})"
    if last:
        return f"CASE WHEN reached = {i} THEN {end} END"
    after = f"list_filter(n{i + 1}, lambda q: q.p >= e.p AND e.p >= q.x AND {_within('q.t - e.t', 'q.w')})"
    return f"""CASE WHEN {step.optional} THEN n{i + 1} WHEN reached = {i} THEN {end}
        WHEN reached > {i} THEN list_transform(list_filter(list_transform(f{i}, lambda e:
            {{'p': e.p, 't': e.t, 'x': e.x, 'm': list_min(list_transform({after}, lambda q: q.g))}}),
            lambda s: s.m IS NOT NULL),
            lambda s: {{'p': s.p, 't': s.t, 'x': s.x, 'w': {window}, 'g': greatest(s.t, s.m)}}) END"""


def _after(node: str, i: int, step: StepTerms) -> str:
    """Whether an event can follow the required step before."""
    before = f"c{i - 1}"
    took = _within(f"{node}.t - {before}.t", step.window_us)
    return f"{node}.p >= {before}.p AND {before}.p >= {node}.x AND {took}"


def _followed(i: int, step: StepTerms, within_us: str) -> str:
    return f"""CASE WHEN {step.optional} THEN c{i - 1} WHEN reached >= {i} THEN list_min(list_filter(n{i},
        lambda q: {_after("q", i, step)} AND {_within("q.g - c1.t", within_us)})) END"""


def _next_made(i: int, steps: Sequence[StepTerms]) -> str:
    if i == len(steps):
        return "NULL::BIGINT"
    return f"CASE WHEN {steps[i].optional} THEN d{i + 1} ELSE c{i + 1}.p END"


def _time(i: int, step: StepTerms, within_us: str) -> str:
    if i == 1:
        return "c1.t"
    return f"""CASE WHEN {step.optional} THEN list_min(list_filter(l{i}, lambda q: {_after("q", i, step)}
        AND {_within("q.t - c1.t", within_us)} AND coalesce(q.p <= d{i}, true))).t ELSE c{i}.t END"""
