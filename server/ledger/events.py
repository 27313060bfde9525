"""Events of sessions; each id is stored once."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import duckdb

from models.text import RedactedText
from server.ledger.columns import (
    Cursor,
    Row,
    RunAgain,
    exists,
    fetch_all,
    fetch_one,
    stored_time,
    stored_time_or_none,
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
}
_NAMES = ", ".join(_COLUMNS)
_MARKS = f"({', '.join('?' * len(_COLUMNS))})"
# A batch is passed as one JSON text, which DuckDB reads several times faster than lists of parameters.
_BATCH = f"SELECT UNNEST(r) FROM (SELECT unnest(from_json_strict(?::JSON, '{json.dumps([_COLUMNS])}')) AS r)"  # noqa: S608
_INSERT_FEW = f"INSERT INTO events ({_NAMES}) VALUES {{rows}}"  # noqa: S608 - names are literals of ours
_INSERT_BATCH = f"INSERT INTO events ({_NAMES}) {_BATCH}"
_OF_APPS = uuid.UUID("3f1b9c1e-7d1e-4f0b-8a55-0f2f8f6e2b11")
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
    _insert(cursor, [row])


def insert_many(cursor: Cursor, rows: Sequence[EventRow]) -> AppendResult:
    """Insert events; those whose id is known, in the ledger or earlier in the batch, are left out and counted.

    A batch reads the ids of all events. ``AppendEvents`` does not, unless there are duplicates.
    """
    once = list({row.id: row for row in reversed(rows)}.values())[::-1]
    known = _known(cursor, [row.id for row in once])
    new = [row for row in once if row.id not in known]
    _insert(cursor, new)
    return AppendResult(len(new), len(rows) - len(new))


class AppendEvents:
    """Inserts events of apps; give it to ``Ledger.write``. It is fast while no id is known already.

    Args:
        visible_to: The client whose sessions count as known; empty means every client.

    The first attempt assumes that every id is new. If one is not, the index refuses it and the transaction fails; the
    writer then runs this again, and the known ids are looked up first.
    """

    def __init__(self, rows: Sequence[EventRow], visible_to: str = "") -> None:
        self._rows = rows
        self._visible_to = visible_to
        self._assume_new = len({row.id for row in rows}) == len(rows)

    def __call__(self, cursor: Cursor) -> AppendResult:
        """Insert; see ``insert_of_known_sessions``."""
        if not self._assume_new:
            return insert_of_known_sessions(cursor, self._rows, self._visible_to)
        kept = _of_known_sessions(cursor, self._rows, self._visible_to)
        try:
            _insert(cursor, kept)
        except duckdb.ConstraintException:
            self._assume_new = False
            raise RunAgain from None
        return AppendResult(len(kept), 0, len(self._rows) - len(kept))


def _insert(cursor: Cursor, rows: Sequence[EventRow]) -> None:
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
    found = fetch_all(cursor, "SELECT id FROM events WHERE id IN (SELECT unnest(?::VARCHAR[]))", [ids])
    return {row["id"] for row in found}


def insert_of_known_sessions(cursor: Cursor, rows: Sequence[EventRow], visible_to: str = "") -> AppendResult:
    """Insert events of apps: those of sessions that do not exist, or of another client, are left out and counted.

    The session gives each event its client and its variant.
    """
    kept = _of_known_sessions(cursor, rows, visible_to)
    recorded = insert_many(cursor, kept)
    return AppendResult(recorded.new, recorded.duplicates, len(rows) - len(kept))


def _of_known_sessions(cursor: Cursor, rows: Sequence[EventRow], visible_to: str) -> list[EventRow]:
    known: dict[str, Row | None] = {}
    for session_id in {row.session_id for row in rows}:  # one by one, which uses the index
        known[session_id] = fetch_one(cursor, "SELECT client_id, variant FROM sessions WHERE id = ?", [session_id])
    return [
        replace(
            row,
            id=_stored_id(session["client_id"], row.id),
            client_id=session["client_id"],
            variant=session["variant"],
        )
        for row in rows
        if (session := known[row.session_id]) is not None and visible_to in ("", session["client_id"])
    ]


def _stored_id(client_id: str, event_id: str) -> str:
    """The id of an event of an app. Apps make their ids, so that of one client must not stand for another's event."""
    return str(uuid.uuid5(_OF_APPS, f"{client_id}/{event_id}"))


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
    )
