"""Alerts for tests. Their letters have a mark wherever something could leak."""

from __future__ import annotations

from collections import Counter

from server.alerts.types import Alert
from server.ledger.types import DeadLetterRow
from tests.unit.ledger.makers import NOW, new_id

HIDDEN = "Maria"


def letter(kind: str = "read_picture", reason: str = "WORKER_LOST") -> DeadLetterRow:
    return DeadLetterRow(
        new_id(), f"{HIDDEN}-job", kind, f"{HIDDEN}-session", reason, f"{HIDDEN} said so.", 6, "network", NOW,
        correlation_id=f"{HIDDEN}-call", build="1.2.3",
    )  # fmt: skip


def alert(number: int = 2) -> Alert:
    letters = tuple(letter() for _ in range(number))
    return Alert(Counter({("read_picture", "WORKER_LOST"): number}), letters)
