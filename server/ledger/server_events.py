"""Events of the server and of its upstreams, apart from those of sessions."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from datetime import datetime

from server.ledger.columns import Cursor, count, insert, stored_time
from server.ledger.table_schema import TableSchema

SERVER_EVENTS = TableSchema(
    "server_events",
    "One row for something that happened to the server or to an upstream, and not in a session.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the event."),
        ("time", "TIMESTAMP NOT NULL", "When it happened, UTC."),
        ("name", "VARCHAR NOT NULL", "Machine name, for example breaker_changed."),
        ("subject", "VARCHAR NOT NULL", "What it happened to, a machine word such as llm_api."),
        ("properties", "JSON NOT NULL", "Names and values; machine words and numbers only."),
    ),
)

MOST = 10_000
"""Rows that are kept; the oldest are deleted."""


def append(cursor: Cursor, name: str, subject: str, properties: Mapping[str, str | int | float], now: datetime) -> None:
    """Store one event, and delete the oldest of too many.

    Args:
        cursor: Within a transaction of the writer.
        name: Machine word for what happened.
        subject: Machine word for what it happened to.
        properties: Machine words and numbers, never text of a person.
        now: When it happened.
    """
    insert(
        cursor,
        "server_events",
        {
            "id": str(uuid.uuid4()),
            "time": stored_time(now),
            "name": name,
            "subject": subject,
            "properties": json.dumps(dict(properties)),
        },
    )
    if count(cursor, "SELECT count(*) FROM server_events") > MOST:
        cursor.execute("DELETE FROM server_events WHERE id IN (SELECT id FROM server_events ORDER BY time LIMIT 1)")


def delete(cursor: Cursor, before: datetime) -> int:
    """Delete events that are older; returns how many."""
    return count(cursor, "DELETE FROM server_events WHERE time < ?", [stored_time(before)])
