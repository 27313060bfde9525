"""Declared properties of apps' events as features: the first value of a session.

Numbers and booleans are JSON's own. A text counts where its client declared it as an enumeration; other text is free.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.funnel.features import Kind, column_name
from server.ledger.columns import Cursor, fetch_all

MOST: Final = 30
"""The most properties that are looked at; those of the most sessions are."""
LEAST_SHARE: Final = 0.01
"""A property of a smaller share of the sessions is left out, as is a later stage that adds fewer values."""
_SAMPLE: Final = 50_000

_FOUND = """SELECT key, any_value(kind) AS kind FROM (
    SELECT session_id, key, CASE json_type(properties, '$.' || key)
        WHEN 'BOOLEAN' THEN 'flag' WHEN 'VARCHAR' THEN
            CASE WHEN json_extract_string(properties_meta, '$.' || key || '.kind') = 'enumeration' THEN 'text' END
        WHEN 'UBIGINT' THEN 'number' WHEN 'BIGINT' THEN 'number' WHEN 'DOUBLE' THEN 'number' END AS kind
    FROM (SELECT session_id, properties, properties_meta, unnest(json_keys(properties)) AS key FROM (
        SELECT e.session_id, e.properties, e.properties_meta FROM events AS e JOIN s ON s.id = e.session_id
        WHERE e.device_time IS NOT NULL AND e.properties <> '{}' LIMIT $sample)))
WHERE kind IS NOT NULL AND regexp_full_match(key, '[a-z][a-z0-9_]{0,63}')
GROUP BY key HAVING count(DISTINCT kind) = 1 ORDER BY count(DISTINCT session_id) DESC, key LIMIT $most"""


@dataclass(frozen=True, slots=True)
class AppProperty:
    """A property that is looked at."""

    key: str
    kind: Kind

    @property
    def name(self) -> str:
        """Its column in SQL, and the feature."""
        return f"app.{self.key}"

    @property
    def stage(self) -> str:
        """The column of the stage in which the first value came."""
        return f"{self.name}.stage"

    def value(self, place: int) -> str:
        """Its value in SQL, from the list of texts of an event."""
        text = f"p[{place}]"
        return {"number": f"TRY_CAST({text} AS DOUBLE)", "flag": f"TRY_CAST({text} AS BOOLEAN)"}.get(self.kind, text)

    def columns(self, data: dict[str, Any]) -> Iterator[tuple[int, str, npt.NDArray[Any]]]:
        """Stage, name and values of each column that holds enough values."""
        values, stages = np.ma.getdata(data[self.name]), np.ma.filled(data[self.stage], 0)
        seen, first = 0.0, 0
        for stage in (1, 2, 3):
            there = (stages > 0) & (stages <= stage)
            share = float(there.mean())
            if share - seen >= LEAST_SHARE:
                first = first or stage
                yield stage, column_name(self.name, stage, first), np.ma.masked_array(values, mask=~there)
                seen = share


def found(cursor: Cursor, parameters: dict[str, Any], sessions: str) -> list[AppProperty]:
    """The properties of the chosen sessions, by a sample of their events.

    Args:
        cursor: Of a read.
        parameters: Those of ``sessions``.
        sessions: The common table expression ``s`` of the sessions.
    """
    given = {k: v for k, v in parameters.items() if k not in {"observed_until", "idle_ms"}}
    rows = fetch_all(cursor, f"WITH {sessions} {_FOUND}", given | {"sample": _SAMPLE, "most": MOST})
    return [AppProperty(row["key"], row["kind"]) for row in rows]


def table(given: list[AppProperty], events: str) -> str:
    """SQL with a row for a session and, of each property, the first value and the stage in which it came.

    Args:
        given: At least one property.
        events: The events of apps, with ``stage_number``, as SQL.
    """
    paths = ", ".join(f"'$.{found.key}'" for found in given)
    values = ", ".join(f"{found.value(place)} AS v{place}" for place, found in enumerate(given, start=1))
    firsts = ", ".join(
        f'''arg_min(v{place}, event_time) FILTER (v{place} IS NOT NULL) AS "{found.name}",
        arg_min(stage_number, event_time) FILTER (v{place} IS NOT NULL) AS "{found.stage}"'''
        for place, found in enumerate(given, start=1)
    )
    listed = (
        f"SELECT session_id, event_time, stage_number, json_extract_string(properties, [{paths}]) AS p FROM ({events})"  # noqa: S608 - keys are machine words
    )
    typed = f"SELECT session_id, event_time, stage_number, {values} FROM ({listed})"  # noqa: S608 - the same
    return f"SELECT session_id, {firsts} FROM ({typed}) GROUP BY session_id"  # noqa: S608 - the same
