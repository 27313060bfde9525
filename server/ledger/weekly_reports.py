"""Which weekly reports were sent through which channel, so that each is sent once, also after a restart."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    insert,
    stored_time,
    stored_time_or_none,
)
from server.ledger.dialects import hold
from server.ledger.table_schema import TableSchema, comment_on

WEEKLY_REPORTS = TableSchema(
    "weekly_reports",
    "One row for the report of a week and a channel that it is sent through. It has nothing of what the report says.",
    (
        ("week", "VARCHAR NOT NULL", "ISO week, for example 2026-W48."),
        ("channel", "VARCHAR NOT NULL", "folder, webhook or mail."),
        ("report_id", "VARCHAR NOT NULL", "UUID that every attempt carries."),
        ("state", "VARCHAR NOT NULL", "WAITING, SENT, FAILED, or SKIPPED for weeks in which the channel was not set."),
        ("attempts", "INTEGER NOT NULL", "Attempts that were begun."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was due, or when the server noticed, UTC."),
        ("next_attempt_time", "TIMESTAMP NOT NULL", "No attempt begins earlier, UTC."),
        ("end_time", "TIMESTAMP", "When it was sent or given up, UTC; null while it waits."),
        ("last_reason", "VARCHAR NOT NULL", "Stable reason of the last failure; empty when there was none."),
    ),
    constraints=("PRIMARY KEY (week, channel)",),
)


FIRST_ATTEMPTS = [
    "ALTER TABLE weekly_reports ADD COLUMN first_attempt_time TIMESTAMP",
    "UPDATE weekly_reports SET first_attempt_time = greatest(create_time, next_attempt_time) WHERE attempts = 0",
    "UPDATE weekly_reports SET first_attempt_time = create_time WHERE attempts > 0",
    comment_on(
        "COLUMN",
        "weekly_reports.first_attempt_time",
        "From when on the time of attempts counts, UTC; later by as much as each began late, as the server was off.",
    ),
]
"""Before, the time of attempts was counted from the creation of the row, which may be days before the first one."""


class DeliveryState(StrEnum):
    """How far a delivery is."""

    WAITING = "WAITING"
    SENT = "SENT"
    FAILED = "FAILED"
    SKIPPED = "SKIPPED"


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """The report of a week, through one channel."""

    week: str
    channel: str
    report_id: str
    state: DeliveryState
    attempts: int
    create_time: datetime
    next_attempt_time: datetime
    first_attempt_time: datetime
    end_time: datetime | None = None
    last_reason: str = ""


def enqueue(
    cursor: Cursor,
    channel: str,
    weeks: Iterable[str],
    state: DeliveryState,
    now: datetime,
    first_attempt_time: datetime | None = None,
) -> int:
    """Store a delivery for each week that has none yet; returns how many.

    Args:
        cursor: Within a transaction of the writer.
        channel: A machine word.
        weeks: Names of weeks.
        state: WAITING or SKIPPED.
        now: The time.
        first_attempt_time: No attempt begins earlier; None means now.
    """
    hold(cursor, "weekly_reports", channel)
    known = {row["week"] for row in fetch_all(cursor, "SELECT week FROM weekly_reports WHERE channel = ?", [channel])}
    new = [week for week in weeks if week not in known]
    for week in new:
        row = {
            "week": week,
            "channel": channel,
            "report_id": str(uuid.uuid4()),
            "state": state,
            "attempts": 0,
            "create_time": stored_time(now),
            "next_attempt_time": stored_time(first_attempt_time or now),
            "first_attempt_time": stored_time(first_attempt_time or now),
            "end_time": None,
            "last_reason": "",
        }
        insert(cursor, "weekly_reports", row)
    return len(new)


def last_weeks(cursor: Cursor) -> dict[str, str]:
    """The newest week of each channel that has any."""
    rows = fetch_all(cursor, "SELECT channel, max(week) AS week FROM weekly_reports GROUP BY channel")
    return {row["channel"]: row["week"] for row in rows}


def waiting(cursor: Cursor) -> list[DeliveryRow]:
    """What is to be sent, the oldest week first."""
    return [_row(row) for row in fetch_all(cursor, f"{_SELECT} WHERE state = 'WAITING' ORDER BY week, channel")]


def newest(cursor: Cursor) -> list[DeliveryRow]:
    """For each channel the delivery of its newest week that was not skipped."""
    not_skipped = "FROM weekly_reports WHERE state <> 'SKIPPED'"
    newest_weeks = f"SELECT channel, max(week) {not_skipped} GROUP BY channel"
    sql = f"SELECT * {not_skipped} AND (channel, week) IN ({newest_weeks}) ORDER BY channel"
    return [_row(row) for row in fetch_all(cursor, sql)]


def delivery(cursor: Cursor, week: str, channel: str) -> DeliveryRow | None:
    """The report of a week through a channel; None if there is none yet."""
    found = fetch_all(cursor, f"{_SELECT} WHERE week = ? AND channel = ?", [week, channel])
    return _row(found[0]) if found else None


def skip_older(cursor: Cursor, week: str, now: datetime) -> None:
    """Leave out what still waits from earlier weeks, for example because its channel was not set for a while."""
    sql = "UPDATE weekly_reports SET state = 'SKIPPED', end_time = ? WHERE state = 'WAITING' AND week < ?"
    cursor.execute(sql, [stored_time(now), week])


def begin(cursor: Cursor, row: DeliveryRow, first_attempt_time: datetime, next_attempt_time: datetime) -> bool:
    """Note that an attempt begins, and when the next one may.

    Returns:
        False if the delivery waits no more, or another attempt has begun since the row was read.
    """
    sql = """UPDATE weekly_reports SET attempts = attempts + 1, first_attempt_time = ?, next_attempt_time = ?
        WHERE week = ? AND channel = ? AND attempts = ? AND state = 'WAITING'"""
    times = [stored_time(first_attempt_time), stored_time(next_attempt_time)]
    return count(cursor, sql, [*times, row.week, row.channel, row.attempts]) == 1


def end(
    cursor: Cursor,
    week: str,
    channel: str,
    state: DeliveryState,
    reason: str,
    now: datetime,
    next_attempt_time: datetime | None = None,
) -> None:
    """Note how an attempt ended; in the state WAITING another one follows, at a time that is given."""
    ended = None if state is DeliveryState.WAITING else stored_time(now)
    sql = """UPDATE weekly_reports SET state = ?, last_reason = ?, end_time = ?,
            next_attempt_time = coalesce(?::TIMESTAMP, next_attempt_time)
        WHERE week = ? AND channel = ?"""
    cursor.execute(sql, [state, reason, ended, stored_time_or_none(next_attempt_time), week, channel])


_SELECT = "SELECT * FROM weekly_reports"


def _row(row: Row) -> DeliveryRow:
    times = {name: aware(row[name]) for name in ("create_time", "next_attempt_time", "first_attempt_time")}
    return DeliveryRow(
        **row | times | {"state": DeliveryState(row["state"]), "end_time": aware_or_none(row["end_time"])}
    )
