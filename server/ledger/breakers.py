"""States of circuit breakers, so that they survive a restart."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    fetch_all,
    fetch_one,
    stored_time,
    stored_time_or_none,
)


@dataclass(frozen=True, slots=True)
class BreakerRow:
    """A breaker at its last change of state.

    Attributes:
        state: pybreaker's word: ``closed``, ``open`` or ``half-open``.
        failures: Failures in a row that led to the state.
        opened_at: When it opened; None in the other states.
        change_time: When it changed; None in a row of an older release.
        last_failure_time: When a call had failed last; None when none had.
    """

    name: str
    state: str
    failures: int
    opened_at: datetime | None = None
    change_time: datetime | None = None
    last_failure_time: datetime | None = None


def load(cursor: Cursor, name: str) -> BreakerRow | None:
    """The stored state of one breaker; None when it has never changed."""
    row = fetch_one(cursor, "SELECT * FROM breakers WHERE name = ?", [name])
    return None if row is None else _breaker(row)


def load_all(cursor: Cursor) -> list[BreakerRow]:
    """The stored states of all breakers that ever changed."""
    return [_breaker(row) for row in fetch_all(cursor, "SELECT * FROM breakers ORDER BY name")]


@dataclass(frozen=True, slots=True)
class BreakerChange:
    """A change of a breaker.

    Attributes:
        state: As of ``BreakerRow``.
        cause: Why, a machine word.
    """

    name: str
    state: str
    time: datetime
    cause: str


def changes_between(cursor: Cursor, start: datetime, end: datetime | None, most: int) -> list[BreakerChange]:
    """The first changes within a time, oldest first, after the last one of each breaker before it."""
    rows = fetch_all(
        cursor,
        """SELECT time, subject, properties FROM (
            SELECT time, subject, properties,
                max(time) FILTER (WHERE time < $start) OVER (PARTITION BY subject) AS last_before
            FROM server_events WHERE name = 'breaker_changed' AND ($end::TIMESTAMP IS NULL OR time <= $end)
        ) AS changes
        WHERE time >= $start OR time = last_before ORDER BY time, subject LIMIT $most""",
        {"start": stored_time(start), "end": stored_time_or_none(end), "most": most},
    )
    found = [(row, json.loads(row["properties"])) for row in rows]
    return [
        BreakerChange(row["subject"], told["new"], aware(row["time"]), told.get("cause", "")) for row, told in found
    ]


def store(cursor: Cursor, row: BreakerRow) -> None:
    """Store the state of one breaker."""
    cursor.execute(
        """INSERT INTO breakers (name, state, failures, opened_at, change_time, last_failure_time)
        VALUES (?, ?, ?, ?, ?, ?)
        ON CONFLICT (name) DO UPDATE SET state = excluded.state, failures = excluded.failures,
            opened_at = excluded.opened_at, change_time = excluded.change_time,
            last_failure_time = excluded.last_failure_time""",
        [
            row.name,
            row.state,
            row.failures,
            stored_time_or_none(row.opened_at),
            stored_time_or_none(row.change_time),
            stored_time_or_none(row.last_failure_time),
        ],
    )


def _breaker(row: Row) -> BreakerRow:
    times = (aware_or_none(row[name]) for name in ("opened_at", "change_time", "last_failure_time"))
    return BreakerRow(row["name"], row["state"], row["failures"], *times)
