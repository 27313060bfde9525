"""States of past sessions at moments like those at which apps ask, with what became of the session.

An app asks when something has happened, or when nothing has for a while. So each moment at which the server learnt
something is drawn equally often, and some time is waited from then, from one second up to the idle time, each
order of magnitude equally often. Whether a moment is drawn depends on nothing that comes later: drawing one moment from
each session would draw the early moments of short sessions more often than those of long ones, which is a bias.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from server.ledger.types import SessionState
from server.risk.features import FEATURES, STAGES, Known, Row, in_order
from server.risk.properties import LastValues, Value

ENDED: Final = frozenset({SessionState.COMPLETED, SessionState.REJECTED, SessionState.ABANDONED})
SHORTEST_WAIT_S: Final = 1.0
MOST_OF_ONE: Final = 4
"""Where there are few times, up to so many moments are drawn after each."""

Columns = Mapping[str, npt.NDArray[Any]]


@dataclass(slots=True)
class StageStates:
    """Moments in one stage, ordered by when their session was opened.

    Attributes:
        session: Place of the session.
        person: A number, the same for sessions of one person.
        abandoned: Whether it was abandoned in the end.
        features: Values by name.
        properties: Last values of properties, by the names of their features.
        open: Sessions that reached the stage and have not ended; they have no moments.
        reached: Sessions that reached the stage.
    """

    session: list[int] = field(default_factory=list)
    person: list[int] = field(default_factory=list)
    abandoned: list[bool] = field(default_factory=list)
    features: dict[str, list[Value]] = field(default_factory=lambda: {name: [] for name in FEATURES})
    properties: list[Mapping[str, Value]] = field(default_factory=list)
    open: int = 0
    reached: int = 0

    def add(self, session: int, person: int, abandoned: bool, known: Mapping[str, Value]) -> None:
        """Add a moment."""
        self.session.append(session)
        self.person.append(person)
        self.abandoned.append(abandoned)
        for name, values in self.features.items():
            values.append(known[name])
        self.properties.append({name: value for name, value in known.items() if name not in self.features})

    def known(self, row: int) -> dict[str, Value]:
        """What was known at a moment."""
        return {name: values[row] for name, values in self.features.items()} | dict(self.properties[row])


def draw_states(
    sessions: Columns, events: Columns, idle_s: float, most: int, seed: int = 0
) -> dict[SessionState, StageStates]:
    """Draw moments and say what was known at each.

    Args:
        sessions: See ``PastSessions``.
        events: The same.
        idle_s: Idle time after which the server ends a session.
        most: About so many moments are drawn at most.
        seed: Of the draws.
    """
    found = {stage: StageStates() for stage in STAGES}
    random = np.random.default_rng(seed)
    each = min(MOST_OF_ONE, most / max(1, len(events["session"])))
    for place, rows in _by_session(events):
        state, end_s = SessionState(sessions["state"][place]), float(sessions["state_s"][place])
        entered = {row[3] for row in rows}
        for stage in STAGES:
            found[stage].reached += stage in entered
            found[stage].open += stage in entered and state not in ENDED
        if state in ENDED:
            moments = _moments(rows, end_s, each, idle_s, random)
            person, known = int(sessions["person"][place]), _known(sessions, place)
            for stage, then in _known_at(rows, moments, known):
                if stage in found:
                    found[stage].add(place, person, state is SessionState.ABANDONED, then)
    return found


def _known(sessions: Columns, place: int) -> Known:
    return Known(str(sessions["language"][place]), LastValues(str(sessions["client_id"][place])))


def _by_session(events: Columns) -> Iterator[tuple[int, list[Row]]]:
    rows: dict[int, list[Row]] = defaultdict(list)
    columns = (events[name].tolist() for name in ("session", *Row._fields))
    for session, at_s, name, own, stage, took_s, *given in zip(*columns, strict=True):
        known_took = None if took_s is None or np.isnan(took_s) else took_s
        rows[session].append(Row(at_s, name, own, stage or None, known_took, *given))
    for session in sorted(rows):
        yield session, in_order(rows[session])


def _moments(rows: list[Row], end_s: float, each: float, idle_s: float, random: np.random.Generator) -> list[float]:
    """Moments before the end of a session, in order."""
    times = np.unique([row[0] for row in rows])
    drawn = np.repeat(times, math.floor(each) + (random.random(len(times)) < each % 1))
    longest = max(idle_s, SHORTEST_WAIT_S)
    moments = drawn + SHORTEST_WAIT_S * (longest / SHORTEST_WAIT_S) ** random.random(len(drawn))
    return sorted(moments[moments < end_s].tolist())


def _known_at(rows: list[Row], moments: list[float], known: Known) -> Iterator[tuple[SessionState, dict[str, Value]]]:
    """The stage and what was known, for each moment."""
    place = 0
    for moment in moments:
        while place < len(rows) and rows[place][0] <= moment:
            known.add(rows[place])
            place += 1
        if known.stage:
            yield SessionState(known.stage), known.at(moment)
