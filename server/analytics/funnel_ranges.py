"""The groups of a property: one for each value, or ranges of a number that has more values than groups are shown.

A property is a number if all its values in the events of the funnel's sessions are. Its ranges hold about equally many
sessions. A range has the name of its least and its greatest value, such as ``1 to 12``, or of its only value. Of
several texts of one number, such as integers that are one double, the first text is the least value, and the last the
greatest.
"""

# ruff: noqa: S608 - all SQL here is made of literals of ours and a key that was checked

from __future__ import annotations

import re
from typing import Final

from server.ledger.funnel_values import number_of

MOST_RANGES: Final = 4
_NUMBER: Final = r"-?[0-9]+(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?"
_RANGE: Final = re.compile(f"({_NUMBER})(?: to ({_NUMBER}))?")


def bounds_of(name: str) -> tuple[str, str] | None:
    """The least and the greatest value of the range that has this name; None for a name that no range can have."""
    found = _RANGE.fullmatch(name)
    return (found[1], found[2] or found[1]) if found else None


def ranged(values: str, sessions: str, key: str, most: int) -> str:
    """SQL of the name of the group of each session.

    Args:
        values: The relation with ``session_id`` and ``value`` of the sessions that have one.
        sessions: The relation of the sessions of the funnel.
        key: Of the property, a machine word.
        most: Groups that are shown at most.

    Returns:
        SQL with ``session_id``, ``value``, which is the name, and, where the groups are ranges, ``number`` and the
        position ``range`` of the session's range, from 0.
    """
    count = min(MOST_RANGES, most)
    shares = [n / count for n in range(1, count)] or [1.0]
    given = f"json_extract(properties, '$.{key}')"
    return f"""WITH numbered AS (SELECT session_id, value, {number_of("value")} AS number FROM {values}),
        cut AS (SELECT quantile_disc(number, {shares}) AS bounds FROM numbered
            HAVING count(DISTINCT value) > {most} AND bool_and(number IS NOT NULL) AND NOT EXISTS (
                SELECT 1 FROM events JOIN {sessions} USING (session_id)
                WHERE device_time IS NOT NULL AND json_type({given}) NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'NULL'))),
        in_range AS (SELECT session_id, value, CASE WHEN bounds IS NOT NULL THEN number END AS number,
                CASE WHEN bounds IS NOT NULL THEN len(list_filter(bounds[:{count - 1}], lambda b: b < number)) END
                    AS range
            FROM numbered LEFT JOIN cut ON true),
        ends AS (SELECT range, min({{'number': number, 'value': value}}) AS least,
                max({{'number': number, 'value': value}}) AS greatest
            FROM in_range WHERE range IS NOT NULL GROUP BY range),
        names AS (SELECT range, CASE WHEN least.number = greatest.number THEN least.value
                ELSE concat(least.value, ' to ', greatest.value) END AS name FROM ends)
    SELECT session_id, coalesce(name, value) AS value, number, range FROM in_range LEFT JOIN names USING (range)"""
