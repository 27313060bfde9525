"""A simulated quarter in a ledger: sessions with everything that the server records, and causes that were planted."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from server.ledger.columns import Cursor
from server.ledger.types import SessionState as S
from tests.unit.funnel.stored import STAGES, bulk, event_row, session_row

BEGIN = datetime(2026, 1, 1)
DAYS = 90
BASE = (-1.6, -1.3, -1.7)
"""Log-odds of leaving each of the first three stages."""
OUTAGES = tuple(BEGIN + timedelta(days=day, hours=9) for day in range(3, DAYS, 6))
OUTAGE = timedelta(hours=8)

Drawn = Mapping[str, Any]
Cause = Callable[[Drawn], float]


@dataclass(frozen=True)
class Quarter:
    """What is simulated.

    Attributes:
        causes: By stage that is left, what adds to the log-odds of leaving.
    """

    sessions: int = 5000
    seed: int = 1
    causes: Mapping[int, Cause] = field(default_factory=dict)
    base: tuple[float, float, float] = BASE

    def store(self, cursor: Cursor) -> None:
        """Draw it and write it into a ledger."""
        random = np.random.default_rng(self.seed)
        tables: dict[str, list[Any]] = {"sessions": [], "events": [], "turns": []}
        for number in range(self.sessions):
            drawn = _drawn(random)
            left = next((k for k in (1, 2, 3) if random.random() < self._chance(k, drawn)), 4)
            _Session(f"{self.seed}-{number}", drawn, left, tables).store()
        for table, rows in tables.items():
            bulk(cursor, table, rows)
        bulk(cursor, "server_events", [row for at in OUTAGES for row in _outage(at)])

    def _chance(self, stage: int, drawn: Drawn) -> float:
        odds = self.base[stage - 1] + (self.causes[stage](drawn) if stage in self.causes else 0.0)
        return float(1 / (1 + np.exp(-odds)))


def _drawn(random: np.random.Generator) -> dict[str, Any]:
    at = BEGIN + timedelta(days=float(random.uniform(0, DAYS)))
    network = str(random.choice(["wifi", "4g", "3g"], p=[0.55, 0.35, 0.10]))
    return {
        "at": at,
        "client": str(random.choice(["app", "site"], p=[0.8, 0.2])),
        "language": str(random.choice(["en", "es", "hi"], p=[0.6, 0.25, 0.15])),
        "network": network,
        "font_large": bool(random.random() < 0.15),
        "battery": float(random.uniform(5, 100)),
        "no_speech": bool(random.random() < 0.08),
        "refused": bool(random.random() < 0.10),
        "document": str(random.choice(["meter", "id", "receipt"], p=[0.5, 0.3, 0.2])),
        "delay_s": float(random.lognormal(-0.7, 0.5)) * (1.6 if network == "3g" else 1.0),
        "confidence": int(100 * random.beta(8, 2)),
        "breaker_open": any(
            o <= at + timedelta(seconds=60) and at + timedelta(seconds=30) <= o + OUTAGE for o in OUTAGES
        ),
        "talk_s": float(random.lognormal(3, 0.5)),
        "turns": int(random.integers(1, 4)),
        "patience": float(random.random()),
        "late": bool(random.random() < 0.2),
    }


class _Session:
    """Writes one session: 30 s in STARTED, a minute in IN_PROGRESS, an hour until the decision.

    Who leaves a stage does so at any moment of it, and nothing that needs the person happens later. The server ends the
    session half an hour after that, and some work of its own ends in between.
    """

    def __init__(self, key: str, drawn: Drawn, left: int, tables: dict[str, list[Any]]) -> None:
        self._key, self._drawn, self._left, self._tables = key, drawn, left, tables
        self._number = 0
        begin, end = ((0.0, 30.0), (31.0, 90.0), (90.0, 3690.0), (3690.0, 3690.0))[left - 1]
        self._gone_s = begin + drawn["patience"] * (end - begin)

    def _event(
        self,
        after_s: float,
        name: str,
        stage: S | None = None,
        *,
        device: bool = False,
        late: bool = False,
        **properties: Any,
    ) -> None:
        if after_s > self._gone_s and not late:
            return
        self._number += 1
        time = self._drawn["at"] + timedelta(seconds=after_s)
        meta = {k: {"kind": "enumeration"} for k, v in properties.items() if device and isinstance(v, str)}
        row = event_row(self._key, self._number, name, time, stage=stage, event_time=time)
        row |= {
            "client_id": self._drawn["client"],
            "device_time": time if device else None,
            "took_s": properties.pop("took_s", None),
            "properties": properties if device else {k: str(v) for k, v in properties.items()},
            "properties_meta": meta,
        }
        self._tables["events"].append(row)

    def store(self) -> None:
        drawn = self._drawn
        self._event(0, "stage_entered", STAGES[0])
        self._event(1, "opened", device=True, **{k: drawn[k] for k in ("network", "font_large", "battery")})
        if drawn["no_speech"]:
            self._event(10, "no_speech", utterance=0)
        if self._left > 1:
            self._in_progress()
        if self._left > 2:
            self._event(90, "stage_entered", STAGES[2])
            self._event(90, "record_proposed", origin="MODEL")
        if self._left > 3:
            self._event(3690, "stage_entered", STAGES[3])
        state = {3: S.REJECTED, 4: S.COMPLETED}.get(self._left, S.ABANDONED)
        ended_s = self._gone_s
        if state is S.ABANDONED:
            ended_s += 1800.0
            if drawn["late"]:
                self._event(self._gone_s + 600, "replied_late", late=True, origin="MODEL")
            self._event(ended_s, "stage_entered", S.ABANDONED, late=True, reason="idle")
        end = drawn["at"] + timedelta(seconds=ended_s)
        if state is S.ABANDONED:
            self._event(ended_s, "stage_entered", S.ABANDONED, reason="idle")
        row = session_row(self._key, state, opened=drawn["at"], ended=end, client_id=drawn["client"])
        self._tables["sessions"].append(row | {"language": drawn["language"]})

    def _in_progress(self) -> None:
        drawn = self._drawn
        self._event(30, "stage_entered", STAGES[1])
        if drawn["refused"]:
            self._event(40, "upload_refused", reason="picture_too_small", kind=drawn["document"])
        for turn in range(drawn["turns"]):
            at = 31.0 + 10 * turn
            said = {"source": "speech", "confidence_percent": drawn["confidence"], "language": drawn["language"]}
            self._event(at, "turn_finished", took_s=drawn["delay_s"], entities=turn, **said)
            self._event(at + 2, "replied", origin="MODEL")
            if at <= self._gone_s:
                self._turn(turn, at)
        if self._left > 2:
            self._event(80, "upload_accepted", kind=drawn["document"])

    def _turn(self, turn: int, at: float) -> None:
        self._tables["turns"].append(
            {
                "id": f"{self._key}/{turn}",
                "session_id": self._key,
                "stream_id": self._key,
                "utterance": turn,
                "source": "speech",
                "text": "",
                "text_counts": "{}",
                "text_safe": True,
                "create_time": self._drawn["at"] + timedelta(seconds=at),
                "confidence": self._drawn["confidence"] / 100,
                "language": self._drawn["language"],
                "start_s": 0.0,
                "end_s": self._drawn["talk_s"] / self._drawn["turns"],
                "compute_s": self._drawn["delay_s"],
            }
        )


def _outage(at: datetime) -> list[dict[str, Any]]:
    return [
        {
            "id": f"{at}-{new}",
            "time": time,
            "name": "breaker_changed",
            "subject": "llm_api",
            "properties": json.dumps({"old": "closed", "new": new}),
        }
        for new, time in (("open", at), ("closed", at + OUTAGE))
    ]
