"""A simulated shop in a ledger: an app records the steps cart, pay and done, and causes are planted between them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from server.ledger.columns import Cursor
from server.ledger.types import SessionState as S
from tests.unit.funnel.stored import bulk, event_row, session_row

STEPS = ("cart", "pay", "done")
BEGIN = datetime(2026, 1, 1)
IDLE_S = 1800.0

Drawn = Mapping[str, Any]
Cause = Callable[[Drawn], float]


@dataclass(frozen=True)
class Shop:
    """What is simulated. Who does not pay, or does not finish, stays for a while and does something else.

    Attributes:
        causes: By step that is left, from 1, what adds to the log-odds of leaving.
        base: Log-odds of leaving the first two steps.
        error_at: When an error comes, as a share of the time in the step.
    """

    sessions: int = 3000
    seed: int = 1
    causes: Mapping[int, Cause] = field(default_factory=dict)
    base: tuple[float, float] = (-1.0, -1.4)
    error_at: float = 0.05

    def store(self, cursor: Cursor) -> None:
        """Draw it and write it into a ledger."""
        random = np.random.default_rng(self.seed)
        sessions, events = [], []
        for number in range(self.sessions):
            key, drawn = f"{self.seed}-{number}", _drawn(random)
            happened = list(self._happened(drawn, random))
            last = drawn["at"] + timedelta(seconds=max(at for at, _, _ in happened))
            ended = last + timedelta(seconds=IDLE_S)
            sessions.append(session_row(key, S.ABANDONED, opened=drawn["at"], ended=ended))
            events += [
                _row(key, k, drawn["at"] + timedelta(seconds=at), *what) for k, (at, *what) in enumerate(happened)
            ]
            events.append(_row(key, "end", ended, "", {}))
        bulk(cursor, "sessions", sessions)
        bulk(cursor, "events", events)

    def _happened(self, drawn: Drawn, random: np.random.Generator) -> Any:
        yield 1.0, "opened", {"network": drawn["network"], "battery": drawn["battery"]}
        time = 5.0
        for number, step in enumerate(STEPS, start=1):
            yield time, step, {"amount": drawn["amount"]} if number == 1 else {}
            after_s, went_at = float(random.exponential(30.0)), time
            if number < 3 and drawn[f"error_{number}"]:
                yield time + self.error_at * after_s, "failed", {"card_error" if number == 1 else "slow": True}
            time += after_s
            odds = self.base[number - 1] + self.causes.get(number, _nothing)(drawn) if number < 3 else np.inf
            if random.random() < 1 / (1 + np.exp(-odds)):
                break
        # Something that happens at any time, as often to all, and what only those do that left.
        for at in np.cumsum(random.exponential(400.0, 3)).tolist():
            if at < time + 600.0:
                yield at, "moved", {"scrolled": True}
        if number < 3:
            yield went_at + 240.0 + float(random.exponential(60.0)), "survey", {"annoyed": True, "mood": "bad"}


def _nothing(_: Drawn) -> float:
    return 0.0


def _drawn(random: np.random.Generator) -> dict[str, Any]:
    return {
        "at": BEGIN + timedelta(days=float(random.uniform(0, 60))),
        "network": str(random.choice(["wifi", "4g", "3g"], p=[0.55, 0.30, 0.15])),
        "battery": float(random.uniform(5, 100)),
        "amount": float(random.lognormal(3, 0.7)),
        "error_1": bool(random.random() < 0.15),
        "error_2": bool(random.random() < 0.15),
    }


def _row(key: str, number: object, time: datetime, name: str, properties: Mapping[str, Any]) -> dict[str, Any]:
    """An event of the app; one without a name is the end of the session."""
    meta = {k: {"kind": "enumeration"} for k, value in properties.items() if isinstance(value, str)}
    row: dict[str, Any] = event_row(
        key, number, name or "stage_entered", time, stage=None if name else S.ABANDONED, event_time=time
    )
    return row | {
        "device_time": time if name else None,
        "took_s": None,
        "properties": json.dumps(properties if name else {"reason": "idle"}),
        "properties_meta": json.dumps(meta),
    }
