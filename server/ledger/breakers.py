"""States of circuit breakers, so that they survive a restart."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from server.ledger.columns import Cursor, aware_or_none, fetch_one, stored_time_or_none


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A breaker at its last change of state.

    Attributes:
        state: pybreaker's word: ``closed``, ``open`` or ``half-open``.
        failures: Failures in a row that led to the state.
        opened_at: When it opened; None in the other states.
    """

    name: str
    state: str
    failures: int
    opened_at: datetime | None = None


def load(cursor: Cursor, name: str) -> BreakerRow | None:
    """The stored state of one breaker; None when it has never changed."""
    row = fetch_one(cursor, "SELECT * FROM breakers WHERE name = ?", [name])
    if row is None:
        return None
    return BreakerRow(row["name"], row["state"], row["failures"], aware_or_none(row["opened_at"]))


def store(cursor: Cursor, row: BreakerRow) -> None:
    """Store the state of one breaker."""
    cursor.execute(
        "INSERT OR REPLACE INTO breakers (name, state, failures, opened_at) VALUES (?, ?, ?, ?)",
        [row.name, row.state, row.failures, stored_time_or_none(row.opened_at)],
    )
