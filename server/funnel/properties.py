"""Declared properties of apps' events as features: the first value of a session.

Numbers and booleans are JSON's own. A text counts where its client declared it as an enumeration and the value
is one of the declared ones. Other text is free, and becomes no feature.

Clients may give a key values of several kinds. The kind that the most sessions have is that of the feature, and a value
of another kind is unknown.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.funnel.features import Kind, column_name
from server.ledger.columns import Cursor, fetch_all, used_in

PREFIX: Final = "app."
"""Of the names of these features."""
MOST: Final = 30
"""The most properties that are looked at; those of the most sessions are."""
LEAST_SHARE: Final = 0.01
"""A property of a smaller share of the sessions is left out, as is a later stage that adds fewer values."""
_TOLD: Final = 0.5
"""A boolean that comes as true and as false in more than this share of the sessions is told of each session."""
SAMPLE: Final = 20_000
"""Sessions in which properties are looked for, drawn by a hash of their ids: old and new ones alike."""

_KINDS: Final = {"BOOLEAN": "flag", "UBIGINT": "number", "BIGINT": "number", "DOUBLE": "number"}
"""Kinds of values that are JSON's own, by the type that JSON gives them."""
_FOUND = f"""SELECT key, kind FROM (
    SELECT session_id, key, CASE json_type(properties, '$.' || key) WHEN 'VARCHAR' THEN
            CASE WHEN json_extract_string(properties_meta, '$.' || key || '.kind') = 'enumeration' THEN 'text' END
        {" ".join(f"WHEN '{given}' THEN '{kind}'" for given, kind in _KINDS.items())} END AS kind
    FROM (SELECT session_id, properties, properties_meta, unnest(json_keys(properties)) AS key FROM (
        SELECT e.session_id, e.properties, e.properties_meta
        FROM events AS e JOIN (SELECT id FROM s ORDER BY hash(id) LIMIT $sample) AS drawn ON drawn.id = e.session_id
        WHERE e.device_time IS NOT NULL AND e.properties <> '{{}}')))
WHERE kind IS NOT NULL AND regexp_full_match(key, '[a-z][a-z0-9_]{{0,63}}')
GROUP BY key, kind QUALIFY row_number() OVER (PARTITION BY key ORDER BY count(DISTINCT session_id) DESC, kind) = 1
ORDER BY count(DISTINCT session_id) DESC, key LIMIT $most"""  # noqa: S608 - literals of ours


@dataclass(frozen=True, slots=True)
class AppProperty:
    """A property that is looked at, at so many steps."""

    key: str
    kind: Kind
    steps: int

    @property
    def name(self) -> str:
        """Its column in SQL, and the feature."""
        return f"{PREFIX}{self.key}"

    @property
    def stage(self) -> str:
        """The column of the stage in which the first value came."""
        return f"{self.name}.stage"

    def value(self, place: int) -> str:
        """Its value in SQL, from the lists of an event: NULL where the value in this event is of another kind.

        Another client may give the same key another kind, and a value that did not fit is stored as free text.
        """
        if self.kind == "text":
            return f"CASE WHEN types[{place}] = 'VARCHAR' AND kinds[{place}] = 'enumeration' THEN texts[{place}] END"
        fits = ", ".join(f"'{given}'" for given, kind in _KINDS.items() if kind == self.kind)
        cast = {"number": "DOUBLE", "flag": "BOOLEAN"}[self.kind]
        return f"CASE WHEN types[{place}] IN ({fits}) THEN TRY_CAST(texts[{place}] AS {cast}) END"

    def columns(self, data: dict[str, Any]) -> Iterator[tuple[int, str, npt.NDArray[Any]]]:
        """Stage, name and values of each column that holds enough values."""
        values, stages = np.ma.getdata(data[self.name]), np.ma.filled(data[self.stage], 0)
        seen, first = 0.0, 0
        for stage in range(1, self.steps + 1):
            there = (stages > 0) & (stages <= stage)
            share = float(there.mean())
            if share - seen >= LEAST_SHARE:
                first = first or stage
                yield stage, column_name(self.name, stage, first), np.ma.masked_array(values, mask=~there)
                seen = share


def is_told(column: npt.NDArray[Any], arrived: npt.NDArray[np.bool_]) -> bool:
    """Whether an app says of each session if a boolean is true or false, and not only that something happened.

    Args:
        column: The values, masked where there is none.
        arrived: The sessions of the stage.
    """
    there = ~np.ma.getmaskarray(column) & arrived
    false = there & ~np.ma.getdata(column).astype(bool)
    return bool(there.sum() > _TOLD * arrived.sum() and false.sum() > LEAST_SHARE * there.sum())


def found(cursor: Cursor, parameters: dict[str, Any], sessions: str, steps: int) -> list[AppProperty]:
    """The properties of the chosen sessions, by the events of a sample of them.

    Args:
        cursor: Of a read.
        parameters: Those of ``sessions``.
        sessions: Common table expressions that end in ``s``, the sessions.
        steps: How many steps lead out of a stage or step into the next.
    """
    statement = f"WITH {sessions} {_FOUND}"
    given = used_in(statement, parameters | {"sample": SAMPLE, "most": MOST})
    rows = fetch_all(cursor, statement, given)
    return [AppProperty(row["key"], row["kind"], steps) for row in rows]


def table(given: list[AppProperty], events: str) -> str:
    """SQL with a row for a session and, of each property, the first value and the stage in which it came.

    Args:
        given: At least one property.
        events: The events of apps, with their properties, what is known of these, and ``stage_number``, as SQL.
    """
    paths = ", ".join(f"'$.{found.key}'" for found in given)
    kinds = ", ".join(f"'$.{found.key}.kind'" for found in given)
    values = ", ".join(f"{found.value(place)} AS v{place}" for place, found in enumerate(given, start=1))
    firsts = ", ".join(
        f'''arg_min(v{place}, event_time) FILTER (v{place} IS NOT NULL) AS "{found.name}",
        arg_min(stage_number, event_time) FILTER (v{place} IS NOT NULL) AS "{found.stage}"'''
        for place, found in enumerate(given, start=1)
    )
    listed = f"""SELECT session_id, event_time, stage_number, json_extract_string(properties, [{paths}]) AS texts,
        json_type(properties, [{paths}]) AS types, json_extract_string(properties_meta, [{kinds}]) AS kinds
        FROM ({events})"""  # noqa: S608 - keys are machine words
    typed = f"SELECT session_id, event_time, stage_number, {values} FROM ({listed})"  # noqa: S608 - the same
    return f"SELECT session_id, {firsts} FROM ({typed}) GROUP BY session_id"  # noqa: S608 - the same
