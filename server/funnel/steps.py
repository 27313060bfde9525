"""The steps of a funnel: the four stages of a session, or events and stages of one's own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from server.ledger.types import SessionState

FUNNEL = (SessionState.STARTED, SessionState.IN_PROGRESS, SessionState.AWAITING_APPROVAL, SessionState.COMPLETED)
"""The stages of the default funnel. Step 1 leads out of the first into the second."""

_WORD: Final = re.compile("[A-Za-z][A-Za-z0-9_]{0,63}")


def check_words(names: Sequence[str]) -> None:
    """Whether names can stand in SQL.

    Raises:
        ValueError: One is no machine word.
    """
    if not all(map(_WORD.fullmatch, names)):
        raise ValueError("A step is no machine word.")


def funnel_sessions(names: Sequence[str], within: timedelta | None = None, ordering: str = "ordered") -> str:
    """SQL of the sessions of a funnel, with the number of steps that each reached and the times of these.

    The arguments are literals, because DuckDB plans by their values.

    Args:
        names: Names of events, or stages.
        within: Longest time from the first step to each later one; None for no bound.
        ordering: ordered, strict or any.

    Raises:
        ValueError: A step is no machine word.
    """
    check_words(names)
    window = "NULL" if within is None else f"to_microseconds({within // timedelta(microseconds=1)})"
    return f"funnel_sessions({[str(name) for name in names]}, within := {window}, ordering := '{ordering}')"


@dataclass(frozen=True, slots=True)
class Steps:
    """A funnel that causes are looked for in.

    Attributes:
        names: The steps in order, 2 or more.
        sessions: SQL with a row for each session that reached the first of them: ``session_id``, ``reached``,
            ``ended``, and the times of the steps that it reached as ``step_times``. Empty for the stages.
    """

    names: tuple[str, ...] = tuple(map(str, FUNNEL))
    sessions: str = ""

    @classmethod
    def of(cls, names: Sequence[str], within: timedelta | None = None) -> Steps:
        """Ordered steps, which are names of events or stages; the stages where there are none.

        Args:
            names: 2 to 12 different ones, or none.
            within: Longest time from the first step to each later one; None for no bound.
        """
        return cls(tuple(names), funnel_sessions(names, within)) if names else STAGES

    @property
    def of_stages(self) -> bool:
        """Whether these are the four stages, of which the server knows more than of other steps."""
        return not self.sessions


STAGES: Final = Steps()
"""The default funnel."""
