"""Which sessions a drop-off rate counts: those whose end would be known by now. One text for analysts and reports.

Going on is known at once; leaving is known when the session ends, which the server does after an idle time. So among
the newest sessions those that went on are known and those that left are still missing: a rate of all known ends is too
low. An app that was offline sends its events late, so that those that went on may be missing, too.

**The rule.** A session counts when it entered the step so long ago that either outcome would be known. That is the sum
of three times: the idle time, what the step took with nearly all others, and what the events of the next step took to
arrive. A session whose record can still be approved is not idle. So at a step that sessions with a record left or stand
at, it is the idle time after that record expires. Newer ones, and those that have not ended, wait: they are not lost.
Where every session of a step has ended or gone on, and events arrive within the idle time, none can be missing, and all
count.

How long an event of an app took to arrive is the time from when it happened, or from the opening of its session if that
was later, until the server learnt of it. So a log that an app imports after the fact is not late.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_OTHERS: Final = 0.99
"""So many of the others were as quick."""


@dataclass(frozen=True, slots=True)
class StepTimes:
    """SQL about the sessions that entered a step, in each row of one.

    Attributes:
        enter: When it entered the step.
        following: When it made the next one; NULL where it did not.
        went_on: Whether it made the next one.
        late_ms: How long the events of the next step take to arrive, the same in every row; NULL where they are of the
            server.
        idle_ms: Idle time after which the server ends a session.
        ended: Whether the session has ended.
        end: When it entered its last stage.
        expire: When its record can no longer be approved; NULL where it has none.
    """

    enter: str
    following: str
    went_on: str
    late_ms: str
    idle_ms: str
    ended: str = "ended"
    end: str = "end_time"
    expire: str = "expire_time"

    def entered_until(self, until: str) -> str:
        """Aggregate: when a session must have entered the step at the latest, as a TIMESTAMP.

        NULL where no session can be missing, so that all count.

        Args:
            until: Until when the sessions were watched, as a TIMESTAMP.
        """
        idle, late = f"max({self.idle_ms})", f"max(coalesce({self.late_ms}, 0))"
        return f"""CASE WHEN NOT (bool_and({self.went_on} OR {self.ended}) AND {late} <= {idle})
            THEN {until} - to_milliseconds(greatest({idle},
                {idle} + {self._took(self.following)} FILTER ({self.went_on}),
                {self._took(self.end)} FILTER ({self.ended} AND NOT {self.went_on}),
                {idle} + {self._took(self.expire)} FILTER (NOT {self.went_on})) + {late}) END"""

    def counts(self, entered_until: str) -> str:
        """Condition on a row: whether its session counts.

        Args:
            entered_until: What the aggregate of that name gave.
        """
        known = f"({self.went_on} OR {self.ended})"
        return f"{known} AND ({entered_until} IS NULL OR {self.enter} <= {entered_until})"

    def _took(self, end: str) -> str:
        return f"quantile_disc(date_diff('ms', {self.enter}, {end}), {_OTHERS})"


def lateness(events: str, sessions: str, steps: str) -> str:
    """SQL with a row for each step whose events came from apps: its ``position`` from 1, and ``late_ms``.

    Args:
        events: The table or view of events.
        sessions: A relation with ``session_id`` and ``open_time``.
        steps: SQL of the list of the names of the steps.
    """
    return f"""SELECT list_position({steps}, name) AS position, quantile_disc(greatest(0,
            date_diff('ms', greatest(event_time, open_time), server_time)), {_OTHERS}) AS late_ms
        FROM {events} JOIN (SELECT session_id, open_time FROM {sessions}) USING (session_id)
        WHERE device_time IS NOT NULL AND stage IS NULL AND list_contains({steps}, name)
        GROUP BY name"""  # noqa: S608 - literals of ours


def last_seen(sessions: str, events: str) -> str:
    """SQL of the last thing that the ledger knows of. A server that was stopped has seen nothing since.

    Args:
        sessions: The table or view of sessions.
        events: That of events.
    """
    return f"greatest((SELECT max(update_time) FROM {sessions}), (SELECT max(server_time) FROM {events}))"  # noqa: S608
