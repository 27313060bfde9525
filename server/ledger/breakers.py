"""States of circuit breakers, so that they survive a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.ledger.columns import Cursor, aware_or_none, fetch_all, stored_time_or_none


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A breaker as it was last stored.

    Attributes:
        state: pybreaker's word: ``closed``, ``open`` or ``half-open``.
        failures: Failures in a row.
        opened_at: When it opened; None while it is closed.
    """

    name: str
    state: str
    failures: int
    opened_at: datetime | None = None


def load(cursor: Cursor, name: str) -> BreakerRow | None:
    """The stored state of one breaker, None when it never changed."""
    return next((row for row in load_all(cursor) if row.name == name), None)


def load_all(cursor: Cursor) -> list[BreakerRow]:
    """All stored states, by name."""
    return [
        BreakerRow(row["name"], row["state"], row["failures"], aware_or_none(row["opened_at"]))
        for row in fetch_all(cursor, "SELECT * FROM breakers ORDER BY name")
    ]


def store(cursor: Cursor, row: BreakerRow) -> None:
    """Store the state of one breaker."""
    cursor.execute(
        "INSERT OR REPLACE INTO breakers (name, state, failures, opened_at) VALUES (?, ?, ?, ?)",
        [row.name, row.state, row.failures, stored_time_or_none(row.opened_at)],
    )
