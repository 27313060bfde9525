"""Reads the features of sessions from the ledger: each table is passed over once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.funnel import properties
from server.funnel.breaker_times import open_while
from server.funnel.features import (
    BREAKER_OPEN,
    EVENT_FEATURES,
    NAMES,
    PATHS,
    SESSION_FEATURES,
    TURN_FEATURES,
    Feature,
    column_name,
    filled,
)
from server.funnel.selection import CHOSEN
from server.funnel.step_counts import FUNNEL, StepCount
from server.funnel.types import Column, SessionTable
from server.ledger.columns import Cursor

MOST_SESSIONS: Final = 200_000
"""The search for causes reads at most so many sessions, drawn by a hash of their ids: the same ones each time."""


def _drawn(session_id: str) -> str:
    """Whether a session is among those drawn. Before a join it spares most rows a look for their session."""
    return f"($share >= 1 OR hash({session_id}) < ($share * 18446744073709551615)::UBIGINT)"


# What happened after a session went idle, such as a late reply, happened to nobody who could still leave: stage 9.
_STAGE_OF_EVENT = """CASE WHEN {time} > idle_since THEN 9
    WHEN NOT {time} >= in_progress_time OR in_progress_time IS NULL THEN 1
    WHEN NOT {time} >= awaiting_approval_time OR awaiting_approval_time IS NULL THEN 2
    WHEN NOT {time} >= completed_time OR completed_time IS NULL THEN 3 ELSE 4 END"""
_HAPPENED_AT = "coalesce(e.event_time, e.server_time)"

# The stages of the sessions that are looked at. Who reached a later stage without an earlier one was there for no time.
_SESSIONS = f"""s AS MATERIALIZED (
    SELECT sessions.id, hash(coalesce(nullif(sessions.subject_hash, ''), sessions.id::VARCHAR)) AS person,
        sessions.client_id, sessions.variant, sessions.language, sessions.create_time,
        sessions.state, sessions.stage_time, v.reached, v.ended, completed_time,
        coalesce(awaiting_approval_time, completed_time) AS awaiting_approval_time,
        coalesce(in_progress_time, awaiting_approval_time, completed_time) AS in_progress_time,
        CASE WHEN idle.session_id IS NOT NULL THEN sessions.stage_time - to_milliseconds($idle_ms) END AS idle_since
    FROM v_session_stages AS v JOIN (FROM sessions AS s WHERE {CHOSEN} AND {_drawn("s.id")}) AS sessions
        ON sessions.id = v.session_id
    LEFT JOIN (SELECT DISTINCT session_id FROM events WHERE stage = 'ABANDONED' AND (properties->>'reason') = 'idle')
        AS idle ON idle.session_id = v.session_id)"""  # noqa: S608 - literals of ours
_EVENTS = f"""e AS (
    SELECT e.session_id, e.name, e.took_s, e.stage, {_HAPPENED_AT} AS event_time,
        json_extract_string(e.properties, [{", ".join(f"'$.{path}'" for path in PATHS)}]) AS p,
        {_STAGE_OF_EVENT.format(time=_HAPPENED_AT)} AS stage_number
    FROM events AS e JOIN s ON s.id = e.session_id
    WHERE {_drawn("e.session_id")} AND e.device_time IS NULL
        AND e.name IN ({", ".join(f"'{name}'" for name in NAMES)}))"""  # noqa: S608 - the same
_APP_EVENTS = f"""SELECT e.session_id, e.properties, e.properties_meta, {_HAPPENED_AT} AS event_time,
        {_STAGE_OF_EVENT.format(time=_HAPPENED_AT)} AS stage_number
    FROM events AS e JOIN s ON s.id = e.session_id
    WHERE {_drawn("e.session_id")} AND e.device_time IS NOT NULL AND e.properties <> '{{}}'"""  # noqa: S608 - the same
_TURNS = f"""t AS (
    SELECT t.session_id, t.text_safe, t.start_s, t.end_s, {_STAGE_OF_EVENT.format(time="t.create_time")} AS stage_number
    FROM turns AS t JOIN s ON s.id = t.session_id WHERE {_drawn("t.session_id")})"""  # noqa: S608 - the same
_LEFT_AT = "coalesce(s.idle_since, s.stage_time)"


@dataclass(frozen=True, slots=True)
class _Read:
    """A column as it was read: the feature, the stage until whose end it counts, and what it is called in SQL."""

    feature: Feature
    stage: int

    @property
    def name(self) -> str:
        return column_name(self.feature.name, self.stage, self.feature.known_at)

    @property
    def sql(self) -> str:
        return f'{self.feature.sql.format(k=self.stage)} AS "{self.name}"'


def _columns(features: Iterable[Feature]) -> list[_Read]:
    return [_Read(feature, stage) for feature in features for stage in (feature.known_at, *feature.until)]


def read_table(cursor: Cursor, parameters: dict[str, Any], steps: tuple[StepCount, ...]) -> SessionTable | None:
    """One row a session, with the stage that it reached and what was known of it; None where there is no session.

    A session counts for a step here as it does in the drop-offs: where its end would not be known yet, it is taken for
    under way.

    Args:
        cursor: Of a read.
        parameters: From ``step_counts.outcome_parameters``.
        steps: The drop-offs of the same sessions.
    """
    share = min(1.0, MOST_SESSIONS / max(1, steps[0].entered))
    parameters = parameters | {"share": share}
    own = [*_columns(SESSION_FEATURES), *_columns(EVENT_FEATURES), *_columns(TURN_FEATURES)]
    given = properties.found(cursor, parameters, _SESSIONS)
    data = cursor.execute(_sql(own, given), {k: v for k, v in parameters.items() if k not in _UNUSED}).fetchnumpy()
    reached = np.asarray(data["reached"], dtype=np.int64)
    if not len(reached):
        return None
    features: dict[str, Column] = {}
    known_at: dict[str, int] = {}
    for read in own:
        _put(features, known_at, read.name, read.stage, _typed(read.feature.kind, data[read.name], len(features)))
    for read_property in given:
        for stage, name, column in read_property.columns(data):
            _put(features, known_at, name, stage, _typed(read_property.kind, column, len(features)))
    for stage, flags in open_while(cursor, _visits(data)):
        _put(features, known_at, column_name(BREAKER_OPEN.name, stage, BREAKER_OPEN.known_at), stage, flags)
    counted, ended = _counted(data, reached, steps)
    return SessionTable(features, counted, ended, tuple(map(str, FUNNEL)), known_at, _persons(data["person"]))


_UNUSED = frozenset({"observed_until"})


def _sql(own: list[_Read], given: list[properties.AppProperty]) -> str:
    of = {source: [c.sql for c in own if c.feature.source == source] for source in ("session", "events", "turns")}
    names = [f'"{c.name}"' for c in own if c.feature.source != "session"]
    fields = ", ".join([*of["session"], *names, *(f'"{p.name}", "{p.stage}"' for p in given)])
    app = f", a AS ({properties.table(given, _APP_EVENTS)})" if given else ""
    joined = "LEFT JOIN a ON a.session_id = s.id" if given else ""
    return f"""WITH {_SESSIONS}, {_EVENTS}, {_TURNS},
        ef AS (SELECT session_id, {", ".join(of["events"])} FROM e GROUP BY session_id),
        tf AS (SELECT session_id, {", ".join(of["turns"])} FROM t GROUP BY session_id){app}
    SELECT s.person, s.reached, s.ended, s.create_time AS enter_1, s.in_progress_time AS enter_2,
        s.awaiting_approval_time AS enter_3, s.completed_time AS enter_4,
        {_LEFT_AT} AS left_at, {fields}
    FROM s LEFT JOIN ef ON ef.session_id = s.id LEFT JOIN tf ON tf.session_id = s.id {joined}"""  # noqa: S608 - the same


def _put(features: dict[str, Column], known_at: dict[str, int], name: str, stage: int, column: Column | None) -> None:
    if column is not None:
        features[name] = column
        known_at[name] = stage


def _typed(kind: str, column: npt.NDArray[Any], seed: int) -> Column | None:
    """A column as the search wants it: flags without gaps, the others with drawn values in theirs."""
    missing = np.ma.getmaskarray(column) if isinstance(column, np.ma.MaskedArray) else np.zeros(len(column), dtype=bool)
    plain = np.ma.getdata(column)
    if kind == "flag":
        flags: npt.NDArray[np.bool_] = np.asarray(plain, dtype=bool) & ~missing
        return flags
    if kind == "number":
        numbers = np.asarray(plain, dtype=np.float64)
        return filled(numbers, missing | ~np.isfinite(numbers), seed)
    return filled(np.asarray(plain, dtype=object), missing, seed)


def _persons(hashes: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """A number for each session, the same for those of one person; None where nobody has two."""
    distinct, whose = np.unique(np.ma.getdata(hashes), return_inverse=True)
    return whose.astype(np.int64) if len(distinct) < len(hashes) else None


def _visits(data: dict[str, Any]) -> Iterator[tuple[int, npt.NDArray[Any], npt.NDArray[Any]]]:
    """For each stage, when each session entered it, and when it went on or left."""
    reached = np.asarray(data["reached"])
    left_at = np.ma.getdata(data["left_at"])
    for stage in range(1, len(FUNNEL)):
        enter, following = (np.ma.getdata(data[f"enter_{k}"]) for k in (stage, stage + 1))
        outcome = np.where(reached > stage, following, left_at)
        never = np.datetime64("NaT")
        yield stage, np.where(reached >= stage, enter, never), np.where(reached >= stage, outcome, never)


def _counted(
    data: dict[str, Any], reached: npt.NDArray[np.int64], steps: tuple[StepCount, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """How far each session is known to have come, and whether it is known to have ended there."""
    reached, ended = reached.copy(), np.asarray(data["ended"], dtype=bool).copy()
    for count in reversed(steps):
        if count.entered_until is not None:
            late = np.ma.getdata(data[f"enter_{count.step}"]) > np.datetime64(count.entered_until)
            late &= reached >= count.step
            reached[late] = count.step
            ended[late] = False
    return reached, ended
