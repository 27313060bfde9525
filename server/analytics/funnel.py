"""Which funnel is counted, on which sessions, and the sessions behind its numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final, Literal

from models.errors import InvalidInput
from models.reasons import Reason
from server.analytics.funnel_shape import PLAIN, Shape
from server.funnel.steps import FUNNEL, STAGES, Steps, check_words, funnel_sessions
from server.ledger.columns import Cursor, Row, fetch_all, stored_time_or_none

Ordering = Literal["ordered", "strict", "any"]


Listed = tuple[datetime, str]
"""When a session was opened, as it is stored, and its id."""
After = tuple[datetime | None, str]
"""A session of a list after which others are asked for; without a time the first ones are."""
FROM_THE_FIRST: Final[After] = (None, "")
IS_AFTER: Final = "($after_time::TIMESTAMP IS NULL OR (create_time, session_id) < ($after_time::TIMESTAMP, $after_id))"
NEWEST_FIRST: Final = "ORDER BY create_time DESC, session_id DESC"


class Number(StrEnum):
    """A number of a stage, as the condition on the sessions behind it."""

    REACHED = "reached >= $position"
    DROPPED = "reached = $position - 1 AND ended"
    UNDER_WAY = "reached = $position AND NOT ended"


@dataclass(frozen=True, slots=True)
class FunnelChoice:
    """Which funnel is counted, on which sessions.

    Attributes:
        start: Sessions opened at or after this time; None for no bound.
        end: Sessions opened before this time; None for no bound.
        client_id: Only sessions of this client; empty means all.
        pseudonym: Under which the client's sessions are stored, if not under its id.
        visible_to: The client of the caller, whose sessions alone are counted; empty means every client.
        flow: Only sessions of this flow; empty means all.
        flow_version: Only those of this version of it; 0 means all.
        steps: Names of events, or stages; empty for the default funnel.
        within: Longest time from the first step to each later one; None for no bound.
        ordering: In which order the steps must come.
        shape: What the steps ask for beyond that; for ordered steps only.
    """

    start: datetime | None = None
    end: datetime | None = None
    client_id: str = ""
    pseudonym: str = ""
    visible_to: str = ""
    flow: str = ""
    flow_version: int = 0
    steps: tuple[str, ...] = ()
    within: timedelta | None = None
    ordering: Ordering = "ordered"
    shape: Shape = PLAIN

    def names(self) -> list[str]:
        """The names of the stages or steps, in order."""
        if self.steps and self.ordering == "any":
            return [f"{n} step{'s' if n > 1 else ''}" for n in range(1, len(self.steps) + 1)]
        return list(self.steps or FUNNEL)

    def sessions(self, stages: str = "v_session_stages") -> str:
        """The SQL of the sessions, with how many stages each reached, and whether it ended.

        Args:
            stages: The relation that is read for the stages.

        Raises:
            ValueError: A step is no machine word.
        """
        chosen = f"{_CHOSEN} AND {_OF_FLOW}" if self.flow else _CHOSEN
        return f"(FROM {self._of_steps() if self.steps else stages} WHERE {chosen})"

    def analyzed(self) -> Steps:
        """The same funnel for the search for causes. Its steps come in order, and none is optional.

        Raises:
            ValueError: A step is no machine word.
        """
        return Steps(self.steps, self._of_steps()) if self.steps else STAGES

    def _of_steps(self) -> str:
        if self.shape == PLAIN:
            return funnel_sessions(self.steps, self.within, self.ordering)
        check_words([*self.steps, *(exclusion.name for exclusion in self.shape.exclusions)])
        return self.shape.sessions(self.steps, self.within)

    def parameters(self) -> Row:
        """The values of ``sessions``."""
        of_flow = {"flow": self.flow, "flow_version": self.flow_version} if self.flow else {}
        return {
            "since": stored_time_or_none(self.start),
            "until": stored_time_or_none(self.end),
            "client": self.client_id,
            "pseudonym": self.pseudonym,
            "visible_to": self.visible_to,
            **of_flow,
        }


_CHOSEN = """($since::TIMESTAMP IS NULL OR create_time >= $since)
    AND ($until::TIMESTAMP IS NULL OR create_time < $until)
    AND ($client = '' OR client_id IN ($client, $pseudonym)) AND ($visible_to = '' OR client_id = $visible_to)"""
_OF_FLOW = """session_id IN (SELECT session_id FROM v_sessions
    WHERE flow = $flow AND ($flow_version = 0 OR flow_version = $flow_version))"""


def sessions_behind(
    cursor: Cursor, choice: FunnelChoice, position: int, number: Number, *, most: int, after: After = FROM_THE_FIRST
) -> list[Listed]:
    """The sessions behind a number of a report.

    Args:
        cursor: Of a read.
        choice: What is counted.
        position: Of the stage, from 1.
        number: Which of its numbers.
        most: Most sessions.
        after: The session before them.

    Returns:
        The newest first; of those that were opened at the same time the higher id.

    Raises:
        InvalidInput: The funnel has no such stage.
    """
    check_position(choice, position)
    # The first stage has no stage before it, so nobody was dropped before it.
    rows = fetch_all(
        cursor,
        f"""SELECT create_time, session_id FROM {choice.sessions()} WHERE {number} AND {IS_AFTER}
        AND ($position > 1 OR {number != Number.DROPPED}) {NEWEST_FIRST} LIMIT {most}""",  # noqa: S608
        {**choice.parameters(), "position": position, "after_time": after[0], "after_id": after[1]},
    )
    return [(row["create_time"], str(row["session_id"])) for row in rows]


def newest_first(cursor: Cursor, ids: Sequence[str], *, most: int, after: After = FROM_THE_FIRST) -> list[Listed]:
    """Some sessions in the order of a list; see ``sessions_behind``."""
    rows = fetch_all(
        cursor,
        f"""FROM (SELECT create_time, id AS session_id FROM sessions JOIN (SELECT unnest($ids) AS id) USING (id))
        WHERE {IS_AFTER} {NEWEST_FIRST} LIMIT {most}""",  # noqa: S608 - literals of ours
        {"ids": ids, "after_time": after[0], "after_id": after[1]},
    )
    return [(row["create_time"], row["session_id"]) for row in rows]


def check_position(choice: FunnelChoice, position: int) -> None:
    """Make sure that the funnel has a stage or step at this position, from 1.

    Raises:
        InvalidInput: FUNNEL_POSITION_UNKNOWN.
    """
    if position > len(choice.names()):
        raise InvalidInput(
            f"The funnel has {len(choice.names())} stages or steps.",
            reason=Reason.FUNNEL_POSITION_UNKNOWN,
        )
