"""Events of sessions; each id is stored once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from server.ledger.columns import (
    Cursor,
    exists,
    fetch_all,
    stored_time,
    stored_time_or_none,
    text_literal,
)
from server.ledger.device_clock import microseconds
from server.ledger.dialects import dialect_of
from server.ledger.event_properties import properties_columns
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
    "took_s": "DOUBLE PRECISION",
    "properties": "JSON",
    "properties_meta": "JSON",
    "event_time": "TIMESTAMP",
    "clock": "VARCHAR",
}
_MAY_BE_NULL = frozenset({"stage", "device_time", "took_s"})
_SEPARATOR = "\x1f"
"""Between the values of a column of a batch. No value holds it: patterns keep it out of names, and JSON escapes it."""

_NO_PROPERTIES = ("{}", "{}")

Texts = tuple[str, ...]
"""The columns of an event as texts: times as microseconds since 1970, null as an empty text."""


def _from_text(name: str, kind: str, text: str) -> str:
    """SQL that makes a value of a column of its text."""
    given = f"nullif({text}, '')" if name in _MAY_BE_NULL else text
    return f"make_timestamp({given}::BIGINT)" if kind == "TIMESTAMP" else f"{given}::{kind}"


_INSERT_ONE = f"INSERT INTO events ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608


@dataclass(frozen=True, slots=True)
class AppendResult:
    """How many events of a batch were stored or left out.

    Attributes:
        refused: Ids of those that were left out because their session had too many, as they came.
        filled: Sessions of which an event was refused for the first time.
    """

    new: int
    duplicates: int
    unknown_sessions: int = 0
    refused: frozenset[str] = frozenset()
    filled: tuple[str, ...] = ()


def append(cursor: Cursor, row: EventRow) -> None:
    """Insert an event with a fresh id; one of a session that was erased meanwhile is dropped."""
    if exists(cursor, "sessions", row.session_id):
        insert_event(cursor, row)


def insert_event(cursor: Cursor, row: EventRow) -> None:
    """The same for a session that this transaction has read or written, so that it is there."""
    times = [stored_time(row.server_time), row.stage, stored_time_or_none(row.device_time)]
    rest = [row.sequence, row.variant, row.took_s, *properties_columns(row.properties).values()]
    event_time = stored_time(row.event_time or row.server_time)
    cursor.execute(_INSERT_ONE, [row.id, row.session_id, row.client_id, row.name, *times, *rest, event_time, row.clock])


def insert_many(cursor: Cursor, rows: Sequence[EventRow]) -> AppendResult:
    """Insert events; those whose id is known, in the ledger or earlier in the batch, are left out and counted."""
    new = insert_unknown(cursor, [_texts(row) for row in rows])
    return AppendResult(len(new), len(rows) - len(new))


def insert_unknown(cursor: Cursor, batch: Sequence[Texts]) -> list[Texts]:
    """The same for events as texts; returns those that were new."""
    once = list({row[0]: row for row in reversed(batch)}.values())[::-1]
    known = known_ids(cursor, [row[0] for row in once])
    new = [row for row in once if row[0] not in known]
    insert_new(cursor, new)
    return new


def insert_new(cursor: Cursor, batch: Sequence[Texts]) -> None:
    """Insert events whose ids are new. Otherwise the index of DuckDB refuses the transaction; PostgreSQL leaves out one
    that another server has inserted meanwhile.

    Each column is one text that the engine splits, or one value where all events have the same. That is the fastest way
    into DuckDB without Arrow. Found in docs/evaluation/constants/jobs.md, insert-of-a-batch.
    """
    if not batch:
        return
    given, values, columns = [], [], []
    for number, (name, texts) in enumerate(zip(_COLUMNS, zip(*batch, strict=True), strict=True), start=1):
        same = texts.count(texts[0]) == len(texts)
        given.append(texts[0] if same else _SEPARATOR.join(texts))
        values.append(_from_text(name, _COLUMNS[name], f"${number}" if same else name))
        if not same:
            columns.append(f"unnest(string_to_array(${number}, chr({ord(_SEPARATOR)}))) AS {name}")
    rows = f"FROM (SELECT {', '.join(columns)}) AS batch" if columns else ""
    unless = dialect_of(cursor).unless_known
    cursor.execute(f"INSERT INTO events ({', '.join(_COLUMNS)}) SELECT {', '.join(values)} {rows}{unless}", given)


def known_ids(cursor: Cursor, ids: list[str]) -> set[str]:
    """Those of the ids under which an event is stored."""
    if not ids:
        return set()
    listed = ", ".join(map(text_literal, ids))
    found = fetch_all(cursor, f"SELECT id FROM events WHERE id IN ({listed})")  # noqa: S608 - quoted
    return {row["id"] for row in found}


def texts_of(
    row: EventRow,
    owner: tuple[str, str, str],
    variant: str,
    device_us: int | None,
    event_us: int,
    clock: str,
) -> Texts:
    """An event as texts.

    Args:
        row: The event.
        owner: Its id, that of its session, and its client.
        variant: Of its session.
        device_us: ``device_time`` in microseconds since 1970.
        event_us: ``event_time`` in microseconds since 1970.
        clock: Where ``event_time`` is from.
    """
    return (
        *owner,
        row.name,
        str(microseconds(row.server_time)),
        row.stage or "",
        "" if device_us is None else str(device_us),
        str(row.sequence),
        variant,
        "" if row.took_s is None else repr(row.took_s),
        *(properties_columns(row.properties).values() if row.properties else _NO_PROPERTIES),
        str(event_us),
        clock,
    )


def _texts(row: EventRow) -> Texts:
    device_us = None if row.device_time is None else microseconds(row.device_time)
    owner = (row.id, row.session_id, row.client_id)
    return texts_of(row, owner, row.variant, device_us, microseconds(row.event_time or row.server_time), row.clock)
