"""Values that are sealed for another system (``models.sealed_values``): stored as they came, and released once.

The server cannot open them. A row without a ciphertext is a value of which only the keyed hash is kept.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from models.errors import Conflict, NotFound
from models.reasons import Reason
from models.sealed_values import SealedValue
from server.ledger.columns import (
    Cursor,
    Row,
    aware,
    aware_or_none,
    count,
    fetch_all,
    insert_if_new,
    stored_time,
    update,
)
from server.ledger.table_schema import SqlView, TableSchema
from server.times import machine_time

SEALED_VALUES: Final = TableSchema(
    "sealed_values",
    "One row for a value that is sealed for another system, or of which a keyed hash is kept.",
    (
        ("id", "VARCHAR PRIMARY KEY", "UUID of the value."),
        ("session_id", "VARCHAR NOT NULL", "UUID of the session."),
        ("source_id", "VARCHAR NOT NULL", "UUID of the turn, upload or answer of the app that it comes from."),
        ("type", "VARCHAR NOT NULL", "Entity type."),
        ("field", "VARCHAR NOT NULL", "Field of the record, a machine word."),
        ("key_id", "VARCHAR NOT NULL", "Public key that it is encrypted to; empty where only the hash is kept."),
        ("ciphertext", "BLOB NOT NULL", "HPKE, which the server cannot open; empty where only the hash is kept."),
        ("hash", "VARCHAR NOT NULL", "Keyed hash of the value, hexadecimal; the workers hold the key."),
        ("create_time", "TIMESTAMP NOT NULL", "When it was sealed, UTC."),
        ("release_time", "TIMESTAMP", "When it was released, UTC; null before."),
        ("released_to", "VARCHAR NOT NULL", "Credential that it was released to; empty before."),
        ("request_id", "VARCHAR NOT NULL", "UUID of the request that released it; empty before."),
    ),
    ("session_id",),
)

V_SEALED_VALUES: Final = SqlView(
    "v_sealed_values",
    "One row for a value that is sealed for another system. Neither the value nor its ciphertext can be read here.",
    {
        "session_id": "UUID of the session.",
        "source_id": "UUID of the turn or upload that it comes from.",
        "type": "Entity type.",
        "field": "Field of the record.",
        "key_id": "Public key that it is encrypted to.",
        "create_time": "When it was sealed, UTC.",
        "released": "Whether it was released.",
        "release_time": "When, UTC; null before.",
    },
    """SELECT session_id, source_id, type, field, key_id, create_time, release_time IS NOT NULL AS released,
        release_time FROM sealed_values WHERE key_id <> ''""",
)

STATEMENTS: Final = [*SEALED_VALUES.statements(), *V_SEALED_VALUES.statements()]
"""Of the migration that creates both."""

_IDS: Final = uuid.UUID("0a4f5f1e-5f0e-4c0b-9d59-6f3f7f6d2a55")


@dataclass(frozen=True, slots=True)
class SealedRow:
    """One value; see the table for the attributes."""

    id: str
    session_id: str
    source_id: str
    value: SealedValue
    create_time: datetime
    release_time: datetime | None = None
    released_to: str = ""
    request_id: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True)
class Release:
    """Who asks for what.

    Attributes:
        fields: Of the record.
        request_id: UUID that the caller made; with the same one it gets a lost answer again.
        subject: Credential of the caller.
        until: When the record was approved; later values are none of its.
        sources: For each field that the approved record must have, the turn, upload or answer that the record names;
            empty where it names none.
    """

    session_id: str
    fields: frozenset[str]
    request_id: str
    subject: str
    until: datetime
    sources: Mapping[str, str]

    def covers(self, row: SealedRow) -> bool:
        """Whether a value may be released: the record names its source, or need not name one."""
        return self.sources.get(row.value.field, row.source_id) == row.source_id


def store(cursor: Cursor, session_id: str, source_id: str, values: Iterable[SealedValue], now: datetime) -> int:
    """Store the values of a turn or an upload; the same value of the same source once. Returns how many are new."""
    return sum(
        insert_if_new(
            cursor,
            "sealed_values",
            {
                "id": str(uuid.uuid5(_IDS, f"{source_id}/{value.field}/{value.type}/{value.hash}")),
                "session_id": session_id,
                "source_id": source_id,
                "type": value.type,
                "field": value.field,
                "key_id": value.key_id,
                "ciphertext": value.ciphertext,
                "hash": value.hash,
                "create_time": stored_time(now),
                "release_time": None,
                "released_to": "",
                "request_id": "",
            },
        )
        for value in values
    )


def list_of_session(cursor: Cursor, session_id: str) -> list[SealedRow]:
    """All values of a session, oldest first; those of which only the hash is kept, too."""
    rows = fetch_all(
        cursor, "SELECT * FROM sealed_values WHERE session_id = ? ORDER BY create_time, rowid", [session_id]
    )
    return [_sealed(row) for row in rows]


def of_source(cursor: Cursor, session_id: str, source_id: str) -> list[SealedValue]:
    """The values of a turn or an upload, for ``models.kept_values``; those of which only the hash is kept, too."""
    return [row.value for row in list_of_session(cursor, session_id) if row.source_id == source_id]


def keep_source(cursor: Cursor, session_id: str, field: str, source_id: str) -> int:
    """Delete the values of a field that come from other sources than this one, because they were corrected.

    A released one stays, for the audit. Returns how many were deleted.
    """
    return count(
        cursor,
        "DELETE FROM sealed_values WHERE session_id = ? AND field = ? AND source_id <> ? AND release_time IS NULL",
        [session_id, field, source_id],
    )


def release(cursor: Cursor, wanted: Release, now: datetime) -> tuple[list[SealedRow], bool]:
    """Mark the values of some fields as released.

    Returns:
        The values, oldest first, and whether the same request had released them before.

    Raises:
        NotFound: SEALED_VALUE_NOT_FOUND, the session has none of one of the fields, or the approved record does not
            name its source; none is released then.
        Conflict: ALREADY_RELEASED, by another request; none is released then.
    """
    all_rows = list_of_session(cursor, wanted.session_id)
    stored = [row for row in all_rows if row.value.ciphertext and row.create_time <= wanted.until]
    rows = [row for row in stored if row.value.field in wanted.fields and wanted.covers(row)]
    if {row.value.field for row in rows} != wanted.fields:
        raise NotFound("The session has no such sealed value.", reason=Reason.SEALED_VALUE_NOT_FOUND)
    times = [row.release_time for row in rows if row.release_time is not None]
    if not times:
        return [_release(cursor, row, wanted, now) for row in rows], False
    before = [row for row in stored if (row.request_id, row.released_to) == (wanted.request_id, wanted.subject)]
    if before == rows:
        return rows, True
    raise Conflict(f"A value was released at {machine_time(min(times))}.", reason=Reason.ALREADY_RELEASED)


def _release(cursor: Cursor, row: SealedRow, wanted: Release, now: datetime) -> SealedRow:
    changes: Row = {
        "release_time": stored_time(now),
        "released_to": wanted.subject,
        "request_id": wanted.request_id,
    }
    update(cursor, "sealed_values", row.id, changes)
    return SealedRow(
        row.id, row.session_id, row.source_id, row.value, row.create_time, now, wanted.subject, wanted.request_id
    )


def _sealed(row: Row) -> SealedRow:
    return SealedRow(
        id=row["id"],
        session_id=row["session_id"],
        source_id=row["source_id"],
        value=SealedValue(row["type"], row["field"], row["key_id"], row["ciphertext"], row["hash"]),
        create_time=aware(row["create_time"]),
        release_time=aware_or_none(row["release_time"]),
        released_to=row["released_to"],
        request_id=row["request_id"],
    )
