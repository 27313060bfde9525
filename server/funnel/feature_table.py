"""Reads the features of sessions from the ledger: each table is passed over once."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from server.funnel import properties
from server.funnel.breaker_times import open_while
from server.funnel.features import BREAKER_OPEN, NAMES, PATHS, Feature, Kind, column_name, features_of
from server.funnel.selection import CHOSEN
from server.funnel.step_counts import StepCount
from server.funnel.step_ends import ends_of_steps, number_of_step
from server.funnel.steps import STAGES, Steps
from server.funnel.types import Column, Flags, SessionTable
from server.ledger.columns import DuckDb, used_in
from server.ledger.views import session_stages

_Kind = Kind | Literal["told"]
MOST_SESSIONS: Final = 200_000
"""The search for causes reads at most so many sessions, drawn by a hash of their ids: the same ones each time."""


def _drawn(session_id: str) -> str:
    """Whether a session is among those drawn. Before a join it spares most rows a look for their session."""
    return f"($share >= 1 OR hash({session_id}) < ($share * 18446744073709551615)::UBIGINT)"


_HAPPENED_AT = "coalesce(e.event_time, e.server_time)"

# The stages of the sessions that are looked at. Who reached a later stage without an earlier one was there for no time.
# What happened after a session went idle, such as a late reply, happened to nobody who could still leave.
_STAGE_TIMES = """sessions.create_time AS enter_1,
        coalesce(in_progress_time, awaiting_approval_time, completed_time) AS enter_2,
        coalesce(awaiting_approval_time, completed_time) AS enter_3, completed_time AS enter_4,
        CASE WHEN idle.session_id IS NOT NULL THEN sessions.stage_time - to_milliseconds($idle_ms) END AS gone_time,
        coalesce(gone_time, sessions.stage_time) AS left_at"""
_IDLE = """LEFT JOIN (SELECT DISTINCT session_id FROM events
        WHERE stage = 'ABANDONED' AND (properties->>'reason') = 'idle') AS idle ON idle.session_id = v.session_id"""


def _sessions(steps: Steps) -> str:
    """Common table expressions that end in ``s``: the sessions, when they entered each step, and when they left."""
    entered = ", ".join(f"step_times[{k}] AS enter_{k}" for k in range(1, len(steps.names) + 1))
    name, times, idle = ("s", _STAGE_TIMES, _IDLE) if steps.of_stages else ("chosen", entered, "")
    stages = session_stages(events=f"stage IS NOT NULL AND {_drawn('session_id')}")
    chosen = f"""{name} AS MATERIALIZED (
    SELECT sessions.id, hash(coalesce(nullif(sessions.subject_hash, ''), sessions.id::VARCHAR)) AS person,
        sessions.client_id, sessions.variant, sessions.language, sessions.create_time,
        sessions.state, sessions.stage_time, v.reached, v.ended, {times}
    FROM {steps.sessions or f"({stages})"} AS v
    JOIN (FROM sessions AS s WHERE {CHOSEN} AND {_drawn("s.id")}) AS sessions ON sessions.id = v.session_id
    {idle})"""  # noqa: S608 - literals of ours, and steps that were checked
    return chosen if steps.of_stages else f"{chosen}, {ends_of_steps(steps)}"


def _events(number: str) -> str:
    return f"""e AS (
    SELECT e.session_id, e.name, e.took_s, e.stage, {_HAPPENED_AT} AS event_time,
        CASE WHEN e.properties <> '{{}}'
            THEN json_extract_string(e.properties, [{", ".join(f"'$.{path}'" for path in PATHS)}]) END AS p,
        {number.format(time=_HAPPENED_AT)} AS stage_number
    FROM events AS e JOIN s ON s.id = e.session_id
    WHERE {_drawn("e.session_id")} AND e.device_time IS NULL
        AND e.name IN ({", ".join(f"'{name}'" for name in NAMES)}))"""  # noqa: S608 - the same


def _app_events(number: str) -> str:
    return f"""SELECT e.session_id, e.properties, e.properties_meta, {_HAPPENED_AT} AS event_time,
        {number.format(time=_HAPPENED_AT)} AS stage_number
    FROM events AS e JOIN s ON s.id = e.session_id
    WHERE {_drawn("e.session_id")} AND e.device_time IS NOT NULL AND e.properties <> '{{}}'"""  # noqa: S608 - the same


def _turns(number: str) -> str:
    return f"""t AS (
    SELECT t.session_id, t.text_safe, t.start_s, t.end_s, {number.format(time="t.create_time")} AS stage_number
    FROM turns AS t JOIN s ON s.id = t.session_id WHERE {_drawn("t.session_id")})"""  # noqa: S608 - the same


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


def read_table(
    cursor: DuckDb,
    parameters: dict[str, Any],
    counts: tuple[StepCount, ...],
    steps: Steps = STAGES,
    only: Collection[str] | None = None,
) -> SessionTable | None:
    """One row a session, with the step that it reached and what was known of it; None where there is no session.

    A session counts for a step here as it does in the drop-offs: where its end would not be known yet, it is taken for
    under way.

    Args:
        cursor: Of a read.
        parameters: From ``step_counts.outcome_parameters``.
        counts: The drop-offs of the same sessions.
        steps: Which funnel.
        only: Names of features, without the number of a step. Only these are read, and the ids of the sessions. None
            reads all of them, and no ids.
    """
    entered = max(1, counts[0].entered)
    # The sample has the least hashes, which are all among those of a share of twice as many sessions.
    sampled = parameters | {"share": min(1.0, 2 * properties.SAMPLE / entered)}
    given = _properties(cursor, sampled, steps, only)
    parameters = parameters | {"share": min(1.0, MOST_SESSIONS / entered)}
    own = [read for read in _columns(features_of(steps)) if only is None or read.feature.name in only]
    statement = _sql(own, given, steps, ids=only is not None)
    data = cursor.execute(statement, used_in(statement, parameters)).fetchnumpy()
    reached = np.asarray(data["reached"], dtype=np.int64)
    if not len(reached):
        return None
    made = _Columns()
    for read in own if steps.of_stages else _different(own, data):
        made.put(read.name, read.stage, read.feature.kind, data[read.name])
    for read_property in given:
        for stage, name, column in read_property.columns(data):
            told = read_property.kind == "flag" and properties.is_told(column, reached >= stage)
            made.put(name, stage, "told" if told else read_property.kind, column)
    if only is None or BREAKER_OPEN.name in only:
        for stage, flags in open_while(cursor, _visits(data, len(counts))):
            made.put(column_name(BREAKER_OPEN.name, stage, BREAKER_OPEN.known_at), stage, "flag", flags)
    counted, ended = _counted(data, reached, counts)
    return SessionTable(
        made.features,
        counted,
        ended,
        steps.names,
        made.known_at,
        _persons(data["person"]),
        made.gaps,
        frozenset(made.happens),
        data["id"] if only is not None else None,
    )


def _properties(
    cursor: DuckDb, parameters: dict[str, Any], steps: Steps, only: Collection[str] | None
) -> list[properties.AppProperty]:
    """The properties of apps' events that are looked at; of ``only`` those in it."""
    if only is not None and not any(name.startswith(properties.PREFIX) for name in only):
        return []
    found = properties.found(cursor, parameters, _sessions(steps), len(steps.names) - 1)
    return [given for given in found if only is None or given.name in only]


def _sql(own: list[_Read], given: list[properties.AppProperty], steps: Steps, *, ids: bool) -> str:
    of = {source: [c.sql for c in own if c.feature.source == source] for source in ("session", "events", "turns")}
    names = [f'"{c.name}"' for c in own if c.feature.source != "session"]
    entered = [f"enter_{k}" for k in range(1, len(steps.names) + 1)]
    fields = [*(["s.id"] if ids else []), *entered, "left_at", *of["session"], *names]
    fields += [f'"{p.name}", "{p.stage}"' for p in given]
    number = number_of_step(len(steps.names))
    parts, joins = [_sessions(steps)], []
    # A table that no feature needs is not read.
    if of["events"]:
        parts += [_events(number), f"ef AS (SELECT session_id, {', '.join(of['events'])} FROM e GROUP BY session_id)"]  # noqa: S608 - the same
        joins.append("LEFT JOIN ef ON ef.session_id = s.id")
    if of["turns"]:
        parts += [_turns(number), f"tf AS (SELECT session_id, {', '.join(of['turns'])} FROM t GROUP BY session_id)"]  # noqa: S608 - the same
        joins.append("LEFT JOIN tf ON tf.session_id = s.id")
    if given:
        parts.append(f"a AS ({properties.table(given, _app_events(number))})")
        joins.append("LEFT JOIN a ON a.session_id = s.id")
    return f"""WITH {", ".join(parts)} SELECT s.person, s.reached, s.ended, {", ".join(fields)}
    FROM s {" ".join(joins)}"""  # noqa: S608 - the same


def _different(own: list[_Read], data: dict[str, Any]) -> Iterator[_Read]:
    """Of the columns of a feature the first, and each later one in which enough sessions have another value."""
    last: dict[str, npt.NDArray[Any]] = {}
    for read in own:
        values = data[read.name]
        missing, plain = np.ma.getmaskarray(values), np.ma.getdata(values)
        if read.feature.name in last:
            before = last[read.feature.name]
            was_missing = np.ma.getmaskarray(before)
            other = (missing != was_missing) | (~missing & ~was_missing & (plain != np.ma.getdata(before)))
            if other.mean() < properties.LEAST_SHARE:
                continue
        last[read.feature.name] = values
        yield read


@dataclass
class _Columns:
    """The columns of a table as the search wants them: flags without gaps, the others with the rows that have none."""

    features: dict[str, Column] = field(default_factory=dict)
    known_at: dict[str, int] = field(default_factory=dict)
    gaps: dict[str, Flags] = field(default_factory=dict)
    happens: set[str] = field(default_factory=set)

    def put(self, name: str, stage: int, kind: _Kind, column: npt.NDArray[Any]) -> None:
        """Add a column, unless it has no value at all.

        Args:
            name: Of the column.
            stage: The stage in which the value is known.
            kind: A flag is of a thing that happened or did not, so it has no gaps; a boolean that was told may have.
            column: As it was read.
        """
        plain, missing = np.ma.getdata(column), np.ma.getmaskarray(column)
        if kind == "flag":
            self.features[name] = np.asarray(plain, dtype=bool) & ~missing
            self.happens.add(name)
        else:
            values = np.array(plain, dtype={"told": bool, "number": np.float64}.get(kind, object))
            if kind == "number":
                missing = missing | ~np.isfinite(values)
            if missing.all():
                return
            if missing.any():
                values[missing] = {"told": False, "number": np.nan}.get(kind)
                self.gaps[name] = missing
            self.features[name] = values
        self.known_at[name] = stage


def _persons(hashes: npt.NDArray[Any]) -> npt.NDArray[np.int64] | None:
    """A number for each session, the same for those of one person; None where nobody has two."""
    distinct, whose = np.unique(np.ma.getdata(hashes), return_inverse=True)
    return whose.astype(np.int64) if len(distinct) < len(hashes) else None


def _visits(data: dict[str, Any], steps: int) -> Iterator[tuple[int, npt.NDArray[Any], npt.NDArray[Any]]]:
    """For each step, when each session entered it, and when it went on or left."""
    reached = np.asarray(data["reached"])
    left_at = np.ma.getdata(data["left_at"])
    for stage in range(1, steps + 1):
        enter, following = (np.ma.getdata(data[f"enter_{k}"]) for k in (stage, stage + 1))
        outcome = np.where(reached > stage, following, left_at)
        never = np.datetime64("NaT")
        yield stage, np.where(reached >= stage, enter, never), np.where(reached >= stage, outcome, never)


def _counted(
    data: dict[str, Any], reached: npt.NDArray[np.int64], counts: tuple[StepCount, ...]
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.bool_]]:
    """How far each session is known to have come, and whether it is known to have ended there."""
    reached, ended = reached.copy(), np.asarray(data["ended"], dtype=bool).copy()
    for count in reversed(counts):
        if count.entered_until is not None:
            late = np.ma.getdata(data[f"enter_{count.step}"]) > np.datetime64(count.entered_until)
            late &= reached >= count.step
            reached[late] = count.step
            ended[late] = False
    return reached, ended
