"""Events of sessions; each id is stored once."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    exists,
    fetch_all,
    stored_time,
    stored_time_or_none,
    text_literal,
)
from server.ledger.types import EventRow

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
    "event_time": "TIMESTAMP",
    "clock": "VARCHAR",
}
_NAMES = ", ".join(_COLUMNS)
_MARKS = f"({', '.join('?' * len(_COLUMNS))})"
# A batch is passed as one JSON text, which DuckDB reads several times faster than lists of parameters.
_BATCH = f"SELECT UNNEST(r) FROM (SELECT unnest(from_json_strict(?::JSON, '{json.dumps([_COLUMNS])}')) AS r)"  # noqa: S608
_INSERT_FEW = f"INSERT INTO events ({_NAMES}) VALUES {{rows}}"  # noqa: S608 - names are literals of ours
_INSERT_BATCH = f"INSERT INTO events ({_NAMES}) {_BATCH}"
FEW = 4
"""Up to this many rows, plain parameters are faster than JSON."""


@dataclass(frozen=True, slots=True)
class AppendResult:
    """How many events of a batch were stored or left out."""

    new: int
    duplicates: int
    unknown_sessions: int = 0


def append(cursor: Cursor, row: EventRow) -> None:
    """Insert an event with a fresh id; one of a session that was erased meanwhile is dropped."""
    if exists(cursor, "sessions", row.session_id):
        insert_event(cursor, row)


def insert_event(cursor: Cursor, row: EventRow) -> None:
    """The same for a session that this transaction has read or written, so that it is there."""
    insert_new(cursor, [row])


def insert_many(cursor: Cursor, rows: Sequence[EventRow]) -> AppendResult:
    """Insert events; those whose id is known, in the ledger or earlier in the batch, are left out and counted."""
    once = list({row.id: row for row in reversed(rows)}.values())[::-1]
    known = _known(cursor, [row.id for row in once])
    new = [row for row in once if row.id not in known]
    insert_new(cursor, new)
    return AppendResult(len(new), len(rows) - len(new))


def insert_new(cursor: Cursor, rows: Sequence[EventRow]) -> None:
    """Insert events whose ids are new; the index refuses the transaction otherwise."""
    values = [_values(row) for row in rows]
    if not values:
        return
    if len(values) <= FEW:
        sql = _INSERT_FEW.format(rows=", ".join([_MARKS] * len(values)))
        cursor.execute(sql, [value for row in values for value in row])
    else:
        batch = [dict(zip(_COLUMNS, row, strict=True)) for row in values]
        cursor.execute(_INSERT_BATCH, [json.dumps(batch, default=datetime.isoformat)])


def _known(cursor: Cursor, ids: list[str]) -> set[str]:
    if len(ids) <= FEW:  # uses the index
        return {event_id for event_id in ids if exists(cursor, "events", event_id)}
    listed = ", ".join(map(text_literal, ids))
    found = fetch_all(cursor, f"SELECT id FROM events WHERE id IN ({listed})")  # noqa: S608 - quoted
    return {row["id"] for row in found}


def properties_columns(properties: Mapping[str, RedactedText]) -> Row:
    """The two columns of an event's properties."""
    meta = {
        name: {"counts": text.counts, "safe": text.safe_for_llm}
        for name, text in properties.items()
        if text.counts or not text.safe_for_llm
    }
    values = {name: text.value for name, text in properties.items()}
    return {"properties": json.dumps(values), "properties_meta": json.dumps(meta)}


def _values(row: EventRow) -> tuple[Any, ...]:
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
        *properties_columns(row.properties).values(),
        stored_time(row.event_time or row.server_time),
        row.clock,
    )
