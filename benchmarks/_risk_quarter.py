"""Sessions for benchmarks of the risk, by the ledger's own functions: a simulated quarter, and a real loan log."""

from __future__ import annotations

import csv
import gzip
import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from server.ledger import events, sessions
from server.ledger.columns import Cursor
from server.ledger.event_properties import TypedValue, properties_columns
from server.ledger.types import EventRow, SessionRow, SessionState
from server.risk.reading import PastSessions

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
DAYS = 90
IDLE_S = 1800.0
LOAN_IDLE_S = 7 * 86_400.0
LOAN_STAGES = {
    "A_PREACCEPTED": SessionState.IN_PROGRESS,
    "O_SENT": SessionState.AWAITING_APPROVAL,
    "A_ACTIVATED": SessionState.COMPLETED,
    "A_APPROVED": SessionState.COMPLETED,
    "A_REGISTERED": SessionState.COMPLETED,
    "A_CANCELLED": SessionState.ABANDONED,
    "A_DECLINED": SessionState.ABANDONED,
}
"""A loan that was declined or cancelled is taken for abandoned: it never came to its end."""


@dataclass(frozen=True)
class Design:
    """What makes people leave, as log-odds after each thing that happens.

    Attributes:
        base: Of leaving after anything.
        no_speech: More for each utterance without text.
        refused: More for each refused upload.
        wait: More for each second of the last wait above 4, up to 20 seconds.
        both: More where an utterance had no text and the wait was long: an interaction.
        patience: Spread between people, which nobody sees.
        drift: More for everybody in the second half of the quarter.
    """

    base: float = -3.2
    no_speech: float = 0.0
    refused: float = 0.0
    wait: float = 0.0
    both: float = 0.0
    patience: float = 0.5
    drift: float = 0.0


DESIGNS = {
    "plain": Design(no_speech=1.0, refused=1.2, wait=0.12),
    "interaction": Design(no_speech=0.3, refused=0.8, wait=0.03, both=2.0),
    "drift": Design(no_speech=1.0, refused=1.2, wait=0.12, drift=0.5),
    "nothing": Design(base=-2.5),
}


@dataclass
class _Life:
    """One session as it is simulated."""

    design: Design
    random: np.random.Generator
    opened: datetime
    late: bool
    at_s: float = 0.0
    silent: int = 0
    refused: int = 0
    wait_s: float = 0.0
    gone: bool = False
    rows: list[EventRow] = field(default_factory=list)
    moves: list[tuple[SessionState, float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.id = str(uuid.UUID(bytes=self.random.bytes(16)))
        self.patience = float(self.random.normal(0, self.design.patience))
        self.language = str(self.random.choice(["en", "es", "hi"], p=[0.6, 0.25, 0.15]))

    def live(self) -> None:
        """What happens, until the person leaves or the record is decided."""
        self._happens(2, "opened", app=True)
        while not self.gone and self.random.random() < 0.15 + 0.15 * (self.language == "hi"):
            self.silent += 1
            self._happens(9, "no_speech")
        if not self.gone:
            self.moves.append((SessionState.IN_PROGRESS, self.at_s + 5, ""))
            self._talk()
        if not self.gone:
            self.moves.append((SessionState.AWAITING_APPROVAL, self.at_s + 1, ""))
            self._happens(1, "record_proposed", leaves=False, origin="MODEL")
            self._happens(60, "record_shown", app=True)
        if self.gone:
            says_so = self.random.random() < 0.3
            self.at_s += self.random.exponential(20) if says_so else IDLE_S
            self.moves.append((SessionState.ABANDONED, self.at_s, "app" if says_so else "idle"))
        else:
            rejected = self.random.random() < 0.1
            self.at_s += self.random.exponential(900)
            self.moves.append((SessionState.REJECTED if rejected else SessionState.COMPLETED, self.at_s, ""))

    def _talk(self) -> None:
        for _ in range(int(self.random.integers(2, 5))):
            if self.gone:
                return
            delay_s = float(self.random.lognormal(-0.5, 0.6))
            said: dict[str, Any] = {
                "source": "speech",
                "confidence_percent": int(100 * self.random.beta(8, 2)),
                "entities": 1,
            }
            self._happens(12, "turn_finished", spoken_ms=4000, delay_ms=int(1000 * delay_s), **said)
            if not self.gone:
                self.wait_s = float(self.random.lognormal(0.9 + 1.2 * (self.random.random() < 0.15), 0.5))
                self._happens(self.wait_s, "replied", took_s=self.wait_s, origin="MODEL")
        while not self.gone and self.random.random() < 0.2:
            self.refused += 1
            self._happens(15, "upload_refused", reason="picture_too_small", kind="meter")
        if not self.gone:
            self._happens(15, "upload_accepted", kind="meter")
        if not self.gone:
            self._happens(6, "upload_read", took_s=6.0)

    def _happens(
        self,
        after_s: float,
        name: str,
        *,
        app: bool = False,
        leaves: bool = True,
        took_s: float | None = None,
        **given: Any,
    ) -> None:
        self.at_s += max(0.5, float(self.random.gamma(2, after_s / 2)))
        at = self.opened + timedelta(seconds=self.at_s)
        self.rows.append(_event(self.id, name, at, app, took_s, given))
        long = min(max(self.wait_s - 4, 0), 20)
        odds = self.design.base + self.patience + self.design.no_speech * self.silent
        odds += self.design.refused * self.refused + self.design.wait * long + self.design.drift * self.late
        odds += self.design.both * (self.silent > 0 and long > 0)
        self.gone = leaves and self.random.random() < 1 / (1 + np.exp(-odds))


def store_quarter(cursor: Cursor, design: Design, number: int, seed: int) -> None:
    """Simulate a quarter and write it as the server would have."""
    random = np.random.default_rng(seed)
    for day in np.sort(random.uniform(0, DAYS, number)):
        life = _Life(design, random, BEGIN + timedelta(days=float(day)), bool(day > DAYS / 2))
        life.live()
        _store(cursor, life.id, life.language, life.opened, life.moves, life.rows)


def past_quarter(design: Design, number: int, seed: int) -> PastSessions:
    """The same quarter as the server would read it, without a ledger; it takes a tenth of the time."""
    random, lives = np.random.default_rng(seed), []
    for day in np.sort(random.uniform(0, DAYS, number)):
        lives.append(_Life(design, random, BEGIN + timedelta(days=float(day)), bool(day > DAYS / 2)))
        lives[-1].live()
    sessions_found: dict[str, list[Any]] = {name: [] for name in _SESSION_COLUMNS}
    events_found: dict[str, list[Any]] = {name: [] for name in _EVENT_COLUMNS}
    for place, life in enumerate(lives):
        opened_s = life.opened.timestamp()
        state, ended_s, _ = life.moves[-1]
        session = (str(state), opened_s, opened_s + ended_s, life.language, "app", place)
        for name, value in zip(_SESSION_COLUMNS, session, strict=True):
            sessions_found[name].append(value)
        entered = [(SessionState.STARTED, 0.0, ""), *life.moves]
        rows = [(opened_s + at, "stage_entered", True, str(to), np.nan, "{}", "{}") for to, at, _ in entered]
        rows += [_row(event) for event in life.rows]
        for row in sorted(rows, key=lambda row: row[0]):
            for name, value in zip(_EVENT_COLUMNS, (place, *row), strict=True):
                events_found[name].append(value)
    return PastSessions(BEGIN, BEGIN + timedelta(days=DAYS), _arrays(sessions_found), _arrays(events_found))


_SESSION_COLUMNS = ("state", "opened_s", "state_s", "language", "client_id", "person")
_EVENT_COLUMNS = ("session", "at_s", "name", "own", "stage", "took_s", "properties", "properties_meta")


def _row(event: EventRow) -> tuple[float, str, bool, str, float, str, str]:
    given, own = properties_columns(event.properties), event.device_time is None
    meta = "{}" if own else given["properties_meta"]
    took_s = np.nan if event.took_s is None else event.took_s
    return event.server_time.timestamp(), event.name, own, "", took_s, given["properties"], meta


def _arrays(columns: Mapping[str, list[Any]]) -> dict[str, npt.NDArray[Any]]:
    return {
        name: np.array(values, dtype=object if isinstance(values[0], str) else None) for name, values in columns.items()
    }


def store_loans(cursor: Cursor, file: Path) -> datetime:
    """Write the loan log: each case is a session, its stages are moves, everything else an event of an app.

    Returns:
        When the log ends.
    """
    last = BEGIN.replace(year=2000)
    with gzip.open(file, "rt", encoding="utf-8", newline="") as text:
        for place, (_, rows) in enumerate(groupby(csv.DictReader(text), key=lambda row: row["case_id"])):
            last = max(last, _store_loan(cursor, str(uuid.UUID(int=place)), list(rows)))
    return last


def _store_loan(cursor: Cursor, session_id: str, rows: list[dict[str, str]]) -> datetime:
    times = [datetime.fromisoformat(row["timestamp"]).astimezone(UTC) for row in rows]
    opened, reached, moves, found = times[0], SessionState.STARTED, [], []
    for row, at in zip(rows, times, strict=True):
        to = LOAN_STAGES.get(row["activity"])
        if reached.ended:
            continue
        if to in sessions.ALLOWED[reached] and row["lifecycle"] == "COMPLETE":
            assert to is not None
            moves.append((to, (at - opened).total_seconds(), ""))
            reached = to
        else:
            name = "".join(c if c.isalnum() else "_" for c in row["activity"].lower())
            found.append(_event(session_id, name, at, True, None, {}))
    _store(cursor, session_id, "", opened, moves, found)
    return times[-1]


def _event(
    session_id: str, name: str, at: datetime, app: bool, took_s: float | None, given: Mapping[str, Any]
) -> EventRow:
    properties = {
        key: TypedValue(str(value)) if isinstance(value, int) else TypedValue(value, "code")
        for key, value in given.items()
    }
    return EventRow(
        id=str(uuid.uuid4()),
        session_id=session_id,
        client_id="app",
        name=name,
        server_time=at,
        device_time=at if app else None,
        took_s=took_s,
        properties=properties,
    )


def _store(
    cursor: Cursor,
    session_id: str,
    language: str,
    opened: datetime,
    moves: Iterable[tuple[SessionState, float, str]],
    rows: list[EventRow],
) -> None:
    row = SessionRow(session_id, "app", session_id, SessionState.STARTED, opened, opened, language, "", "")
    session, _ = sessions.insert_or_get(cursor, row)
    for state, at_s, reason in moves:
        session = sessions.move(cursor, session, state, opened + timedelta(seconds=at_s), reason)
    events.insert_many(cursor, rows)
