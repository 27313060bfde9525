"""Events: what happened in sessions, once by id."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    stored_time,
    stored_time_or_none,
)
from server.ledger.types import EventRow, SessionState

_COLUMNS = {
    "id": "VARCHAR",
    "session_id": "VARCHAR",
    "client_id": "VARCHAR",
    "name": "VARCHAR",
    "server_time": "TIMESTAMP",
    "stage": "VARCHAR",
    "device_time": "TIMESTAMP",
    "sequence": "BIGINT",
    "variant": "VARCHAR",
    "took_s": "DOUBLE",
    "properties": "VARCHAR",
    "properties_meta": "VARCHAR",
}
_NAMES = ", ".join(_COLUMNS)
_MARKS = f"({', '.join('?' * len(_COLUMNS))})"
_INSERT_FEW = f"INSERT INTO events ({_NAMES}) VALUES {{rows}} ON CONFLICT DO NOTHING"  # noqa: S608 - names are literals of ours
# A batch travels as one JSON text: DuckDB reads that several times faster than lists of parameters.
_INSERT_BATCH = f"""INSERT INTO events ({_NAMES})
    SELECT UNNEST(r) FROM (SELECT unnest(from_json_strict(?::JSON, '{json.dumps([_COLUMNS])}')) AS r)
    ON CONFLICT DO NOTHING"""  # noqa: S608 - names are literals of ours
FEW = 4
"""Up to so many rows plain parameters are faster."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a batch."""

    new: int
    duplicates: int
    unknown_sessions: int = 0


def insert_many(cursor: Cursor, rows: Sequence[EventRow]) -> Recorded:
    """Insert events; those whose id is known, in the ledger or earlier in the batch, are left out and counted."""
    once = {row.id: row for row in reversed(rows)}
    values = [_values(row) for row in reversed(once.values())]
    if not values:
        return Recorded(0, 0)
    if len(values) <= FEW:
        sql = _INSERT_FEW.format(rows=", ".join([_MARKS] * len(values)))
        new = count(cursor, sql, [value for row in values for value in row])
    else:
        batch = json.dumps([dict(zip(_COLUMNS, row, strict=True)) for row in values], default=datetime.isoformat)
        new = count(cursor, _INSERT_BATCH, [batch])
    return Recorded(new, len(rows) - new)


def insert_one(cursor: Cursor, row: EventRow) -> bool:
    """Insert one event; returns whether it is new."""
    return insert_many(cursor, [row]).new == 1


def insert_of_known_sessions(cursor: Cursor, rows: Sequence[EventRow]) -> Recorded:
    """Insert events of apps: those of sessions that do not exist are left out and counted.

    The session gives each event its client and its variant.
    """
    wanted = sorted({row.session_id for row in rows})
    known = {
        found["id"]: found
        for found in fetch_all(
            cursor, "SELECT id, client_id, variant FROM sessions WHERE id IN (SELECT unnest(?::VARCHAR[]))", [wanted]
        )
    }
    kept = [
        _of_session(row, known[row.session_id]["client_id"], known[row.session_id]["variant"])
        for row in rows
        if row.session_id in known
    ]
    recorded = insert_many(cursor, kept)
    return Recorded(recorded.new, recorded.duplicates, len(rows) - len(kept))


def list_of_session(cursor: Cursor, session_id: str) -> list[EventRow]:
    """Events of a session in the order in which the server learnt of them."""
    rows = fetch_all(
        cursor, "SELECT * FROM events WHERE session_id = ? ORDER BY server_time, sequence, rowid", [session_id]
    )
    return [_event(row) for row in rows]


def _of_session(row: EventRow, client_id: str, variant: str) -> EventRow:
    return EventRow(
        id=row.id,
        session_id=row.session_id,
        client_id=client_id,
        name=row.name,
        server_time=row.server_time,
        stage=row.stage,
        device_time=row.device_time,
        sequence=row.sequence,
        variant=variant,
        took_s=row.took_s,
        properties=row.properties,
    )


def _values(row: EventRow) -> tuple[Any, ...]:
    meta = {
        name: {"counts": text.counts, "safe": text.safe_for_llm}
        for name, text in row.properties.items()
        if text.counts or not text.safe_for_llm
    }
    return (
        row.id,
        row.session_id,
        row.client_id,
        row.name,
        stored_time(row.server_time),
        row.stage,
        stored_time_or_none(row.device_time),
        row.sequence,
        row.variant,
        row.took_s,
        json.dumps({name: text.value for name, text in row.properties.items()}),
        json.dumps(meta),
    )


def _event(row: Row) -> EventRow:
    meta = json.loads(row["properties_meta"])
    return EventRow(
        id=row["id"],
        session_id=row["session_id"],
        client_id=row["client_id"],
        name=row["name"],
        server_time=aware(row["server_time"]),
        stage=SessionState(row["stage"]) if row["stage"] else None,
        device_time=aware_or_none(row["device_time"]),
        sequence=row["sequence"],
        variant=row["variant"],
        took_s=row["took_s"],
        properties={
            name: RedactedText.restore(
                value, meta.get(name, {}).get("counts", {}), safe_for_llm=meta.get(name, {}).get("safe", True)
            )
            for name, value in json.loads(row["properties"]).items()
        },
    )
