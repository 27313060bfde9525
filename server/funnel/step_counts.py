"""How many sessions made each step, counted on those only whose end would be known by now; see ``step_cohorts``."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any, Final

from server.funnel.selection import CHOSEN, Selection
from server.funnel.steps import STAGES, Steps
from server.ledger.columns import Cursor, aware, fetch_all, stored_time_or_none
from server.ledger.step_cohorts import StepTimes, last_seen, lateness
from server.ledger.views import session_stages

_COUNTED: Final = ("step", "entered", "went_on", "dropped", "under_way", "median_s", "entered_until")

_LAST_SEEN = f"SELECT {last_seen('sessions', 'events')} AS last_seen"

_STAGE_TIMES = (
    "s.create_time",
    "coalesce(in_progress_time, s.create_time)",
    "coalesce(awaiting_approval_time, in_progress_time, s.create_time)",
    "completed_time",
)


_TIMES: Final = StepTimes("enter_time", "next_time", "went_on", "late_ms", "$idle_ms")


def _outcomes(steps: Steps) -> str:
    """Common table expressions that end in ``known``: a row for a session and a step that it could make."""
    numbers = range(1, len(steps.names) + 1)
    times = _STAGE_TIMES if steps.of_stages else [f"step_times[{k}]" for k in numbers]
    named = ", ".join(f"{time} AS time_{k}" for k, time in zip(numbers, times, strict=True))
    each = " UNION ALL ".join(
        f"""SELECT session_id, open_time, {k} AS step, time_{k} AS enter_time, time_{k + 1} AS next_time,
            reached > {k} AS went_on, ended, end_time, expire_time FROM stages WHERE reached >= {k}"""  # noqa: S608 - literals of ours
        for k in numbers[:-1]
    )
    names = str([str(name) for name in steps.names])
    sessions = f"{steps.sessions} AS v JOIN sessions AS s ON s.id = v.session_id"
    if steps.of_stages:
        sessions = f"({session_stages('s.stage_time, s.flow, s.flow_version')}) AS s"
    late = "SELECT NULL::BIGINT AS position, NULL::BIGINT AS late_ms" if steps.of_stages else None
    return f"""stages AS (
        SELECT session_id, reached, ended, s.stage_time AS end_time, s.create_time AS open_time, {named}, expire_time
        FROM {sessions}
            LEFT JOIN (SELECT session_id, max(expire_time) AS expire_time FROM recommendations GROUP BY session_id)
            USING (session_id)
        WHERE {CHOSEN}),
    outcomes AS ({each}),
    late AS ({late or lateness("events", "stages", names)}),
    waits AS (SELECT step, {_TIMES.entered_until("$observed_until::TIMESTAMP")} AS entered_until
        FROM outcomes LEFT JOIN late ON late.position = step + 1 GROUP BY step),
    known AS (SELECT outcomes.*, entered_until, {_TIMES.counts("entered_until")} AS counts
        FROM outcomes JOIN waits USING (step))"""  # noqa: S608 - literals of ours, and steps that were checked


def _counts(steps: Steps) -> str:
    return f"""WITH {_outcomes(steps)}
    SELECT step, date_trunc('week', open_time)::TIMESTAMP AS week, date_trunc('month', open_time)::TIMESTAMP AS month,
        grouping(week) = 0 AS of_week, grouping(month) = 0 AS of_month,
        min(open_time) AS first, max(open_time) AS last,
        count(*) AS entered, count(*) FILTER (counts AND went_on) AS went_on,
        count(*) FILTER (counts AND NOT went_on) AS dropped, count(*) FILTER (NOT went_on AND NOT ended) AS under_way,
        median(epoch(next_time - enter_time)) FILTER (went_on) AS median_s,
        any_value(entered_until) AS entered_until
    FROM known GROUP BY GROUPING SETS ((step), (step, week), (step, month)) ORDER BY week, month, step"""  # noqa: S608 - the same


@dataclass(frozen=True, slots=True)
class StepCount:
    """The sessions at one step.

    Attributes:
        step: From 1; it leads from ``names[step - 1]`` into ``names[step]``.
        entered: Sessions that entered the stage, or reached the step, before.
        went_on: Those of them that count and made the step.
        dropped: Those of them that count and ended without making it.
        under_way: Those that have neither ended nor made the step; they never count.
        median_s: Median time of the step in seconds; None when nobody made it.
        entered_until: Sessions that entered later do not count, UTC without zone; None where all count.
        names: The steps of the funnel.
    """

    step: int
    entered: int
    went_on: int
    dropped: int
    under_way: int = 0
    median_s: float | None = None
    entered_until: datetime | None = field(default=None, compare=False)
    names: tuple[str, ...] = STAGES.names

    @property
    def counted(self) -> int:
        """Sessions that count."""
        return self.went_on + self.dropped

    @property
    def waiting(self) -> int:
        """Sessions that do not count yet: under way, or so new that those that left are not known."""
        return self.entered - self.counted

    @property
    def from_stage(self) -> str:
        """The stage or step that is left."""
        return self.names[self.step - 1]

    @property
    def to_stage(self) -> str:
        """The stage or step that is entered."""
        return self.names[self.step]


def end_of_observation(cursor: Cursor, now: datetime | None) -> datetime | None:
    """Until when the sessions were watched, UTC without zone.

    Args:
        cursor: Of a read.
        now: The time, if the server runs; None takes the last thing that the ledger knows of.
    """
    if now is not None:
        return stored_time_or_none(now)
    (row,) = fetch_all(cursor, _LAST_SEEN)
    last_seen: datetime | None = row["last_seen"]
    return last_seen


def outcome_parameters(selection: Selection, observed_until: datetime | None, idle: timedelta) -> dict[str, Any]:
    """The named parameters of the queries of a report.

    Args:
        selection: The sessions.
        observed_until: From ``end_of_observation``.
        idle: Idle time after which the server ends a session.
    """
    idle_ms = int(idle.total_seconds() * 1000)
    return selection.parameters | {"observed_until": observed_until, "idle_ms": idle_ms}


@dataclass(frozen=True, slots=True)
class Period:
    """The steps of the sessions that were opened in a week or a month.

    Attributes:
        start: Its first day, midnight UTC.
        steps: As in the whole, by the same rule of which sessions count.
    """

    start: datetime
    steps: tuple[StepCount, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """The steps of a funnel, in order, and the same by time.

    Attributes:
        first: When the first of its sessions was opened; None where there is none.
        last: When the last of them was.
        weeks: Those in which sessions were opened, in order.
        months: The same.
    """

    steps: tuple[StepCount, ...]
    first: datetime | None = None
    last: datetime | None = None
    weeks: tuple[Period, ...] = ()
    months: tuple[Period, ...] = ()


def count_steps(cursor: Cursor, parameters: dict[str, Any], steps: Steps = STAGES) -> tuple[StepCount, ...]:
    """Count the steps of a funnel, in order; see ``count_by_time``."""
    return count_by_time(cursor, parameters, steps).steps


def count_by_time(cursor: Cursor, parameters: dict[str, Any], steps: Steps = STAGES) -> Counts:
    """Count the steps of a funnel: of all sessions, and of those that were opened in each week and month.

    Args:
        cursor: Of a read.
        parameters: From ``outcome_parameters``.
        steps: Which funnel.
    """
    rows = fetch_all(cursor, _counts(steps), parameters)
    whole = [row for row in rows if not row["of_week"] and not row["of_month"]]
    return Counts(
        steps=_in_order(whole, steps),
        first=min((aware(row["first"]) for row in whole), default=None),
        last=max((aware(row["last"]) for row in whole), default=None),
        weeks=_periods([row for row in rows if row["of_week"]], "week", steps),
        months=_periods([row for row in rows if row["of_month"]], "month", steps),
    )


def _periods(rows: list[dict[str, Any]], unit: str, steps: Steps) -> tuple[Period, ...]:
    by_start = groupby(rows, key=lambda row: row[unit])
    return tuple(Period(aware(start), _in_order(list(group), steps)) for start, group in by_start)


def _in_order(rows: list[dict[str, Any]], steps: Steps) -> tuple[StepCount, ...]:
    known = {row["step"]: StepCount(**{name: row[name] for name in _COUNTED}, names=steps.names) for row in rows}
    numbers = range(1, len(steps.names))
    return tuple(known.get(step) or StepCount(step, 0, 0, 0, names=steps.names) for step in numbers)
