"""The sessions of a funnel that its rates count; see ``step_cohorts``."""

# ruff: noqa: S608 - all SQL here is made of literals of ours and words that were checked

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from server.analytics.funnel import FunnelChoice
from server.funnel.step_counts import end_of_observation
from server.ledger.columns import Cursor, Row
from server.ledger.step_cohorts import StepTimes, lateness
from server.ledger.views import session_stages


@dataclass(frozen=True, slots=True)
class Watched:
    """How sessions are watched.

    Attributes:
        now: The time, if the server runs; None for the ledger of a stopped one, which has seen nothing since.
        idle: Idle time after which the server ends a session.
    """

    now: datetime | None = None
    idle: timedelta = timedelta(minutes=30)

    def parameters(self, cursor: Cursor) -> Row:
        """The values of ``waits_of``."""
        idle_ms = self.idle // timedelta(milliseconds=1)
        return {"observed_until": end_of_observation(cursor, self.now), "idle_ms": idle_ms}


UNTIL_NOW: Final = Watched()
"""To the last thing that the ledger knows of."""


def chosen_sessions(choice: FunnelChoice) -> str:
    """SQL of the sessions of a funnel, with the times of their steps and when they ended."""
    times = "[create_time, in_progress_time, awaiting_approval_time, completed_time] AS step_times"
    sessions = choice.sessions(f"({session_stages('s.stage_time AS end_time')})")
    if choice.steps:
        times = "step_times"
        sessions += " JOIN (SELECT id AS session_id, stage_time AS end_time FROM sessions) USING (session_id)"
    return f"""SELECT session_id, client_id, variant, create_time, reached, ended, {times},
            create_time AS open_time, end_time, expire_time
        FROM {sessions}
            LEFT JOIN (SELECT session_id, max(expire_time) AS expire_time FROM recommendations GROUP BY session_id)
            USING (session_id)"""


def waits_of(choice: FunnelChoice) -> str:
    """Common table expressions that end in ``waits``, which has one row, from ``chosen``."""
    watch = "watch AS (SELECT $observed_until::TIMESTAMP AS observed_until, $idle_ms::BIGINT AS idle_ms)"
    late = ", ".join(f"{_late_of(choice, n)} AS late_{n}" for n in range(2, len(choice.names()) + 1))
    until = [
        f"{_times(choice, n).entered_until('max(observed_until)')} AS entered_until_{n}"
        for n in range(2, len(choice.names()) + 1)
    ]
    arrivals = lateness("events", "chosen", str([str(name) for name in choice.steps]))
    parts = [watch]
    parts += [f"arrivals AS ({arrivals})", f"late AS (SELECT {late} FROM arrivals)"] if choice.steps and late else []
    parts.append(
        f"waits AS (SELECT {', '.join(until) or 'max(idle_ms)'} FROM watch LEFT JOIN chosen ON true"
        f"{' CROSS JOIN late' if choice.steps and late else ''})"
    )
    return ", ".join(parts)


def counts(choice: FunnelChoice, position: int) -> str:
    """The condition on ``chosen`` and ``waits``: whether the rate of a stage or step counts the session.

    For an optional step that is the share that makes it, for others the share that drops off.
    """
    before = choice.shape.before(position)
    if not before:
        return "false"
    return f"(reached >= {before} AND {_times(choice, position).counts(f'entered_until_{position}')})"


def _times(choice: FunnelChoice, position: int) -> StepTimes:
    before = choice.shape.before(position)
    enter = f"step_times[{before}]"
    if not choice.steps:  # who reached a later stage counts for the earlier ones, whose time is that of the one before
        enter = f"coalesce({', '.join(f'step_times[{n}]' for n in range(before, 0, -1))})"
    times = StepTimes(
        enter=f"CASE WHEN reached >= {before} THEN {enter} END",
        following=f"step_times[{position}]",
        went_on=f"reached >= {position}",
        late_ms=f"late_{position}" if choice.steps else "0",
        idle_ms="idle_ms",
        ended=f"(ended OR reached < {before})",
    )
    return _passed_by(times, choice, position) if choice.shape.optional(position) else times


def _passed_by(times: StepTimes, choice: FunnelChoice, position: int) -> StepTimes:
    """Who leaves an optional step out has not made it. That is known when they make the next required step."""
    following = next(n for n in range(position + 1, len(choice.names()) + 1) if not choice.shape.optional(n))
    passed = f"reached > {position}"
    return replace(
        times,
        went_on=f"(step_times[{position}] IS NOT NULL)",
        ended=f"({times.ended} OR {passed})",
        end=f"CASE WHEN {passed} THEN step_times[{following}] ELSE end_time END",
        expire=f"CASE WHEN NOT {passed} THEN expire_time END",
    )


def _late_of(choice: FunnelChoice, position: int) -> str:
    """Where any order counts, a step is made by any event."""
    if choice.ordering == "any":
        return "max(late_ms)"
    return f"max(late_ms) FILTER (position = {position})" if choice.steps else "0"
