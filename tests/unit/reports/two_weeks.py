"""Two simulated weeks in a ledger: who came, and how many of them left."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from server.funnel.optimizer import FunnelOptimizer
from server.funnel.texts import load_texts
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionState as S
from server.reports.week import Week
from server.reports.weekly import LedgerReportMaker
from tests.unit.funnel.stored import STAGES, bulk, event_row, session_row

WEEK = Week(2026, 10)
"""2 to 8 March 2026."""
MONDAY = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
"""8 o'clock in Berlin on the Monday after it."""
BERLIN = ZoneInfo("Europe/Berlin")
NETWORKS = {"wifi": 0.6, "4g": 0.3, "3g": 0.1}
BASE = (0.20, 0.25, 0.10)
"""Chances of leaving before each of the three stages."""

Drawn = Mapping[str, Any]
Chance = Callable[[Drawn], float]


@dataclass(frozen=True)
class SimulatedWeek:
    """What is simulated.

    Attributes:
        mix: By property of the app the shares of its values.
        more: By step, from 1, what adds to the chance of leaving.
        unheard: Chance of NO_SPEECH in a session.
    """

    week: Week
    sessions: int = 3000
    seed: int = 1
    mix: Mapping[str, Mapping[str, float]] = field(default_factory=lambda: {"network": NETWORKS})
    more: Mapping[int, Chance] = field(default_factory=dict)
    unheard: float = 0.05

    def store(self, cursor: Cursor) -> None:
        """Draw it and write it into a ledger."""
        random = np.random.default_rng([self.seed, self.week.number])
        begin, end = (moment.replace(tzinfo=None) for moment in self.week.bounds(BERLIN))
        sessions: list[Any] = []
        events: list[Any] = []
        for number in range(self.sessions):
            drawn: dict[str, Any] = {name: _choose(random, of) for name, of in self.mix.items()}
            at = begin + float(random.random()) * (end - begin - timedelta(minutes=5))
            drawn |= {"no_speech": bool(random.random() < self.unheard), "at": at}
            left = next((step for step in (1, 2, 3) if random.random() < self._chance(step, drawn)), 4)
            key = f"{self.week.name}-{self.seed}-{number}"
            ended = at + timedelta(minutes=left if left == 4 else 30 + left)
            sessions.append(session_row(key, S.COMPLETED if left == 4 else S.ABANDONED, opened=at, ended=ended))
            events += self._events(key, at, left, drawn)
        bulk(cursor, "sessions", sessions)
        bulk(cursor, "events", events)

    def _chance(self, step: int, drawn: Drawn) -> float:
        return BASE[step - 1] + (self.more[step](drawn) if step in self.more else 0.0)

    def _events(self, key: str, at: datetime, left: int, drawn: Drawn) -> list[Any]:
        plain = {"device_time": None, "event_time": None}
        rows = [
            event_row(key, stage, "stage_entered", at + timedelta(minutes=k), stage=stage) | plain
            for k, stage in enumerate(STAGES[:left])
        ]
        given = {name: drawn[name] for name in self.mix}
        meta = {name: {"kind": "enumeration"} for name in given}
        opened = at + timedelta(seconds=1)
        times = {"device_time": opened, "event_time": opened}
        properties = {"properties": json.dumps(given), "properties_meta": json.dumps(meta)}
        rows.append(event_row(key, "app", "opened", opened, stage=None) | times | properties)
        if drawn["no_speech"]:
            rows.append(event_row(key, "ns", "no_speech", at + timedelta(seconds=5), stage=None) | plain)
        return rows


def _choose(random: np.random.Generator, of: Mapping[str, float]) -> str:
    return str(random.choice(list(of), p=list(of.values())))


def breaker(cursor: Cursor, subject: str, begin: datetime, length: timedelta) -> None:
    """A breaker that was open for a time."""
    rows = [
        {"id": f"{subject}{state}", "time": time, "name": "breaker_changed", "subject": subject,
         "properties": json.dumps({"old": "x", "new": state})}
        for state, time in (("open", begin), ("closed", begin + length))
    ]  # fmt: skip
    bulk(cursor, "server_events", rows)


def maker(ledger: EmbeddedLedger, now: datetime = MONDAY, language: str = "en") -> LedgerReportMaker:
    texts = load_texts(language=language)
    optimizer = FunnelOptimizer(texts=texts)
    return LedgerReportMaker(ledger, optimizer, texts, timedelta(minutes=30), BERLIN, "Europe/Berlin", lambda: now)
