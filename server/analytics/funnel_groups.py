"""A funnel counted by groups of sessions and by time, with quantiles of the times and the sum of a number."""

# ruff: noqa: S608 - all SQL here is made of literals of ours and words that were checked

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel import (
    FROM_THE_FIRST,
    IS_AFTER,
    NEWEST_FIRST,
    After,
    FunnelChoice,
    Listed,
    Number,
    check_position,
)
from server.analytics.funnel_cohorts import UNTIL_NOW, Watched, chosen_sessions, counts, waits_of
from server.analytics.funnel_details import (
    QUANTILES,
    Attribution,
    Breakdown,
    Details,
    Dimension,
    Group,
    NumberOf,
    Segment,
    StageAmount,
    StageDetails,
)
from server.analytics.funnel_ranges import bounds_of, ranged
from server.funnel.drop_offs import SeverityRules
from server.funnel.intervals import of_all_steps
from server.funnel.types import Interval
from server.ledger.columns import Cursor, Row, aware, fetch_all, stored_time_or_none
from server.ledger.funnel_values import number_of, values_of
from server.ledger.stage_report import StageReport

MOST_GROUPS: Final = 2000
"""Groups that a report may have: more would not fit in a message."""
LARGEST_AMOUNT: Final = 1e300
"""A larger number does not count: a sum of them would be infinite, or no number."""
_WORD = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}|")


def grouped_report(
    cursor: Cursor,
    choice: FunnelChoice,
    details: Details,
    rules: SeverityRules | None = None,
    watched: Watched = UNTIL_NOW,
) -> list[Group]:
    """Count a funnel by groups.

    A session that reached a later stage counts for the earlier ones. A session that has not ended does not count as
    dropped; the server ends sessions that are idle for long. Rates are of the sessions that had their time, by one rule
    for all groups; see ``step_cohorts``.

    Args:
        cursor: Of a read.
        choice: What is counted.
        details: By which groups, and what else is told.
        rules: What is severe; None takes the usual rules.
        watched: Until when the sessions were watched.

    Returns:
        All sessions first, then the groups of the breakdown. Groups with the most sessions come first, those with
        equally many by their text, ranges of a number in their order, and the rest last. The periods of each group
        follow it, in order of time.

    Raises:
        InvalidInput: FUNNEL_TOO_MANY_GROUPS.
    """
    rows = fetch_all(cursor, _counting(choice, details), choice.parameters() | watched.parameters(cursor))
    if len(rows) > MOST_GROUPS:
        raise InvalidInput(
            f"The report would have more than {MOST_GROUPS} groups.", reason=Reason.FUNNEL_TOO_MANY_GROUPS
        )
    return [
        Group(
            Segment(row["kind"], row["value"]) if row["of_segment"] else None,
            aware(row["period"]) if row["of_period"] else None,
            tuple(_stages(row, choice, details, rules or SeverityRules())),
        )
        for row in rows
    ]


def sessions_in_group(
    cursor: Cursor,
    choice: FunnelChoice,
    details: Details,
    behind: NumberOf,
    *,
    most: int,
    after: After = FROM_THE_FIRST,
) -> list[Listed]:
    """The sessions behind a number of a group.

    Args:
        cursor: Of a read.
        choice: What is counted.
        details: By which groups.
        behind: The number.
        most: Most sessions.
        after: The session before them.

    Returns:
        The newest first; of those that were opened at the same time the higher id.

    Raises:
        InvalidInput: The funnel has no such stage.
    """
    check_position(choice, behind.position)
    segment = behind.segment
    given: Row = {"after_time": after[0], "after_id": after[1], "start": stored_time_or_none(behind.start)}
    given |= {"kind": segment and segment.kind, "value": segment and segment.value}
    given["least"], given["greatest"] = bounds_of((segment and segment.value) or "") or (None, None)
    rows = fetch_all(
        cursor,
        f"""WITH {_placed(choice, details)} SELECT create_time, session_id FROM placed
        WHERE {counted_as(choice, behind.position, behind.number)} AND {IS_AFTER}
        AND ($kind IS NULL OR (kind = $kind AND (value IS NOT DISTINCT FROM $value
            OR coalesce(number BETWEEN TRY_CAST($least AS DOUBLE) AND TRY_CAST($greatest AS DOUBLE), false))))
        AND ($start::TIMESTAMP IS NULL OR period = $start) {NEWEST_FIRST} LIMIT {most}""",
        choice.parameters() | given,
    )
    return [(row["create_time"], str(row["session_id"])) for row in rows]


def _placed(choice: FunnelChoice, details: Details) -> str:
    """Common table expressions that end in ``placed``: a row for a session with its group, its time and its number."""
    breakdown, amount = details.breakdown, details.amount
    value, number = "NULL::VARCHAR", "NULL::DOUBLE"
    parts = [f"chosen AS MATERIALIZED ({chosen_sessions(choice)})"]
    joins = ""
    if breakdown is not None:
        parts.append(f"given AS ({_values(choice, breakdown.by, breakdown.key, breakdown.attribution)})")
        parts.append(f"divided AS MATERIALIZED ({_divided(breakdown)})")
        parts.append(f"""apart AS (SELECT value AS kept FROM divided JOIN chosen USING (session_id)
            GROUP BY value ORDER BY count(*) DESC, value LIMIT {breakdown.most})""")
        joins = " LEFT JOIN divided USING (session_id) LEFT JOIN apart ON kept = value"
        value = "divided.value"
    if amount is not None:
        parts.append(f"amounts AS ({_values(choice, 'property', amount.key, amount.attribution)})")
        joins += " LEFT JOIN amounts USING (session_id)"
        given = number_of("amounts.value")
        number = f"CASE WHEN abs({given}) <= {LARGEST_AMOUNT:g} THEN {given} END"
    kept, place = (
        ("kept", "divided.number, range") if breakdown is not None else (value, "NULL AS number, NULL AS range")
    )
    period = f"date_trunc('{details.period}', create_time)::TIMESTAMP" if details.period else "NULL::TIMESTAMP"
    return f"""{", ".join(parts)}, placed AS (
        SELECT chosen.*, {kept} AS value, {period} AS period, {number} AS amount, {place},
        CASE WHEN {value} IS NULL THEN 'none' WHEN {kept} IS NULL THEN 'other' ELSE 'value' END AS kind
        FROM chosen{joins})"""


def _divided(breakdown: Breakdown) -> str:
    """SQL of the group of each session that has a value."""
    if breakdown.by == "property":
        return ranged("given", "chosen", breakdown.key, breakdown.most)
    return "SELECT session_id, value, NULL::DOUBLE AS number, NULL::BIGINT AS range FROM given"


def _values(choice: FunnelChoice, by: Dimension, key: str, attribution: Attribution) -> str:
    """SQL of the value of each session.

    Raises:
        ValueError: The key is no machine word.
    """
    if not _WORD.fullmatch(key):
        raise ValueError("A key is no machine word.")
    steps = str([str(name) for name in choice.steps or choice.names()])
    return values_of(
        "chosen", steps, f"'{by}'", f"'{key}'", f"'{attribution.touch}'", str(max(1, attribution.position))
    )


def _counting(choice: FunnelChoice, details: Details) -> str:
    numbers = ", ".join(column for n in range(1, len(choice.names()) + 1) for column in _columns(n, choice, details))
    by, period = details.breakdown is not None, details.period is not None
    sets = ["()"] + ["(kind, value)"] * by + ["(period)"] * period + ["(kind, value, period)"] * (by and period)
    of_segment, segment = ("grouping(kind) = 0", "kind, value") if by else ("false", "NULL AS kind, NULL AS value")
    of_period, time = ("grouping(period) = 0", "period") if period else ("false", "NULL AS period")
    return f"""WITH {_placed(choice, details)}, {waits_of(choice)}, counted AS (
            SELECT {numbers}, count(*) AS n, {of_segment} AS of_segment,
                CASE WHEN of_segment THEN min(range) END AS range, {of_period} AS of_period, {segment}, {time}
            FROM placed CROSS JOIN waits GROUP BY GROUPING SETS ({", ".join(sets)})),
        sized AS (SELECT *, max(n) OVER (PARTITION BY of_segment, kind, value) AS size FROM counted)
        FROM sized ORDER BY of_segment, kind <> 'value', kind = 'none', range, size DESC, value, of_period, period
        LIMIT {MOST_GROUPS + 1}"""


def counted_as(choice: FunnelChoice, position: int, number: Number) -> str:
    """The condition on the sessions behind a number.

    Nobody is dropped before the first stage, nor before an optional step, and nobody stands at one.
    """
    optional, before = choice.shape.optional(position), choice.shape.before(position)
    if number is Number.REACHED:
        return f"step_times[{position}] IS NOT NULL" if optional else f"reached >= {position}"
    if optional or (number is Number.DROPPED and not before):
        return "false"
    return f"reached = {before} AND ended" if number is Number.DROPPED else f"reached = {position} AND NOT ended"


def _columns(n: int, choice: FunnelChoice, details: Details) -> Iterator[str]:
    """What is counted of a stage."""
    made, dropped, under_way = (counted_as(choice, n, number) for number in Number)
    yield f"count(*) FILTER ({made}) AS reached_{n}"
    yield f"count(*) FILTER ({dropped}) AS dropped_{n}"
    yield f"count(*) FILTER ({under_way}) AS under_way_{n}"
    yield f"count(*) FILTER ({counts(choice, n)}) AS counted_{n}"
    lost = f"NOT ({made})" if choice.shape.optional(n) else dropped
    yield f"count(*) FILTER ({counts(choice, n)} AND {lost}) AS counted_lost_{n}"
    if details.amount is not None:
        yield f"count(amount) FILTER ({made}) AS with_amount_{n}"
        yield f"fsum(amount) FILTER ({made}) AS amount_{n}"
        yield f"median(amount) FILTER ({made}) AS median_amount_{n}"
        yield f"fsum(amount) FILTER ({dropped}) AS dropped_amount_{n}"
    for name, before in (("times", choice.shape.before(n)), ("times_from_first", 1)):
        if n > 1 and (details.quantiles or name == "times"):
            took = f"epoch(step_times[{n}] - step_times[{before}])"
            took = f"CASE WHEN {took} < 0 THEN 0 ELSE {took} END" if choice.steps else took
            shares = list(QUANTILES) if details.quantiles else [0.5]
            yield f"quantile_cont({took}, {shares}) FILTER ({made}) AS {name}_{n}"


def _conversion(row: Row, choice: FunnelChoice, n: int) -> Interval | None:
    if not row["reached_1"]:
        return None
    steps = [position for position in range(2, n + 1) if position == n or not choice.shape.optional(position)]
    counted = [(row[f"counted_{position}"], row[f"counted_lost_{position}"]) for position in steps]
    return of_all_steps([(of - lost, of) for of, lost in counted])


def _stages(row: Row, choice: FunnelChoice, details: Details, rules: SeverityRules) -> Iterator[StageDetails]:
    for n, name in enumerate(choice.names(), start=1):
        times = row.get(f"times_{n}") or ()
        median_s = (times[QUANTILES.index(0.5)] if details.quantiles else times[0]) if times else None
        yield StageDetails(
            _stage(row, n, name, median_s, rules if n > 1 and not choice.shape.optional(n) else None),
            conversion=_conversion(row, choice, n),
            times_s=tuple(times) if details.quantiles else (),
            times_from_first_s=tuple(row.get(f"times_from_first_{n}") or ()),
            amount=_amount(row, n) if details.amount is not None else None,
            optional=choice.shape.optional(n),
        )


def _stage(row: Row, n: int, name: str, median_s: float | None, rules: SeverityRules | None) -> StageReport:
    # Nobody is dropped before an optional step, nor before the first.
    counted, dropped = (row[f"counted_{n}"], row[f"counted_lost_{n}"]) if rules else (0, 0)
    return StageReport(
        name=name,
        sessions=row[f"reached_{n}"],
        under_way=row[f"under_way_{n}"],
        dropped=row[f"dropped_{n}"],
        counted=counted,
        counted_dropped=dropped,
        median_s=median_s,
        severity=rules.severity(dropped, counted) if rules else "",
    )


def _amount(row: Row, n: int) -> StageAmount:
    return StageAmount(
        sessions=row[f"with_amount_{n}"],
        total=row[f"amount_{n}"] or 0.0,
        median=row[f"median_amount_{n}"],
        dropped_total=row[f"dropped_amount_{n}"] or 0.0,
    )
