"""A mirror: a DuckDB file with what PostgreSQL holds, for views, macros and reports.

It has the tables of an embedded ledger. Those that nobody analyzes stay empty. One more, ``mirror_position``, says up
to where was read. An increment and its position are written in one transaction.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from server.ledger.columns import DuckDb, aware, count, fetch_all, fetch_one, stored_time, text_literal

MIRRORED_BY: Final = {
    "answers": "id",
    "audit": "number",
    "daily_events": "day",
    "dead_letters": "id",
    "erasures": "id",
    "event_declarations": "client_id",
    "events": "id",
    "field_decisions": "id",
    "flows": "name",
    "job_attempts": "job_id",
    "jobs": "id",
    "model_comparisons": "id",
    "recommendations": "id",
    "redactions": "id",
    "sealed_values": "id",
    "server_events": "id",
    "sessions": "id",
    "turns": "id",
    "uploads": "id",
}
"""The tables that views, macros and reports read, and the column by whose values a mirror replaces rows. Where that is
no key, all rows with a value are replaced together. What nobody analyzes is not mirrored, such as API keys and
streams."""

_KEY_TYPES: Final = {"number": "BIGINT", "day": "DATE"}

LEFT_OUT: Final[Mapping[str, Collection[str]]] = {
    "sessions": frozenset({"sealed_vocabulary"}),
    "sealed_values": frozenset({"ciphertext", "hash"}),
}
"""Columns that are empty in a mirror, by table: nobody analyzes what is sealed."""

DELETED_KEPT_S: Final = 3600
"""How long ``deleted_rows`` keeps a row. A mirror that has not read for half as long begins anew."""

_CREATE: Final = """CREATE TABLE IF NOT EXISTS mirror_position (
    source VARCHAR, mirror VARCHAR, snapshot VARCHAR, read_time TIMESTAMP
)"""

_MOST_LITERALS: Final = 1000
"""Keys that are looked up one by one in the index. For more of them DuckDB reads the column of the whole table."""

_LONGEST_ROW_BYTES: Final = 8 * 1024 * 1024


def key_type(table: str) -> str:
    """Type of the column that a mirror replaces the rows of a table by, in both engines."""
    return _KEY_TYPES.get(MIRRORED_BY[table], "VARCHAR")


@dataclass(frozen=True, slots=True)
class Position:
    """Up to where a mirror has read.

    Attributes:
        source: The database, how often a standby of it took over, and the schema. Of another one, all is read anew.
        mirror: UUID under which PostgreSQL knows the mirror, so that it remembers for it what was deleted. If it knows
            it no more, all is read anew.
        snapshot: The transactions whose rows were read, as PostgreSQL writes a ``pg_snapshot``.
        read_time: When, by the clock of PostgreSQL, UTC.
    """

    source: str
    mirror: str
    snapshot: str
    read_time: datetime

    @property
    def oldest_open(self) -> int:
        """Number of the oldest transaction that had not ended."""
        return int(self.snapshot.partition(":")[0])

    def leads_to(self, later: Position) -> bool:
        """Whether what changed since is all that is needed to get from here to a later position."""
        gap_s = (later.read_time - self.read_time).total_seconds()
        same = (self.source, self.mirror) == (later.source, later.mirror)
        return same and self.oldest_open <= later.oldest_open and 0 <= gap_s < DELETED_KEPT_S / 2


@dataclass(frozen=True, slots=True)
class TableChanges:
    """What changed in a table.

    Attributes:
        table: Its name.
        keys: File with the values of its column in ``MIRRORED_BY``, as text; None to replace all rows.
        rows: File with all rows that have one of these values now.
    """

    table: str
    keys: Path | None
    rows: Path


@dataclass(frozen=True, slots=True)
class Increment:
    """What brings a mirror to a position.

    Attributes:
        request: Number of the request to leave no byte of what was deleted, which the mirror has not fulfilled; 0 for
            none.
    """

    position: Position
    tables: tuple[TableChanges, ...]
    request: int = 0


def columns_of(cursor: DuckDb) -> dict[str, list[str]]:
    """The columns of each mirrored table, in their order."""
    rows = fetch_all(
        cursor,
        """SELECT table_name, list(column_name ORDER BY column_index) AS columns FROM duckdb_columns()
        WHERE database_name = current_database() AND NOT internal GROUP BY table_name""",
    )
    return {row["table_name"]: row["columns"] for row in rows if row["table_name"] in MIRRORED_BY}


def position(cursor: DuckDb) -> Position | None:
    """Up to where the mirror has read; None before the first time."""
    if not count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'mirror_position'"):
        return None
    row = fetch_one(cursor, "SELECT * FROM mirror_position")
    return None if row is None else Position(**(row | {"read_time": aware(row["read_time"])}))


def apply(cursor: DuckDb, increment: Increment) -> None:
    """Write an increment, in a transaction of the writer."""
    for changes in increment.tables:
        _delete(cursor, changes)
        types = fetch_all(
            cursor,
            """SELECT column_name, data_type FROM duckdb_columns()
            WHERE database_name = current_database() AND table_name = ? ORDER BY column_index""",
            [changes.table],
        )
        columns = {row["column_name"]: row["data_type"] for row in types}
        cursor.execute(f"INSERT INTO {changes.table} SELECT * FROM {_read_csv(changes.rows, columns)}")  # noqa: S608
    cursor.execute(_CREATE)
    cursor.execute("DELETE FROM mirror_position")
    at = increment.position
    given = [at.source, at.mirror, at.snapshot, stored_time(at.read_time)]
    cursor.execute("INSERT INTO mirror_position VALUES (?, ?, ?, ?)", given)


def _delete(cursor: DuckDb, changes: TableChanges) -> None:
    if changes.keys is None:
        cursor.execute(f"DELETE FROM {changes.table}")  # noqa: S608 - literals of ours
        return
    column, kind = MIRRORED_BY[changes.table], key_type(changes.table)
    read = f"SELECT key FROM {_read_csv(changes.keys, {'key': kind})}"  # noqa: S608 - literals of ours
    keys = [str(key) for (key,) in cursor.execute(f"{read} LIMIT {_MOST_LITERALS + 1}").fetchall()]
    few = ", ".join(f"{text_literal(key)}::{kind}" for key in keys)
    chosen = few if len(keys) <= _MOST_LITERALS else read
    cursor.execute(f"DELETE FROM {changes.table} WHERE {column} IN ({chosen})")  # noqa: S608 - quoted


def _read_csv(path: Path, columns: dict[str, str]) -> str:
    """The function that reads a file of ``Increment``; without a value it is NULL, and in quotes a text."""
    types = ", ".join(f"{text_literal(name)}: {text_literal(kind)}" for name, kind in columns.items())
    return (
        f"read_csv({text_literal(str(path))}, header = false, auto_detect = false, delim = ',', quote = '\"', "
        f"escape = '\"', nullstr = '', allow_quoted_nulls = false, new_line = '\\n', "
        f"max_line_size = {_LONGEST_ROW_BYTES}, buffer_size = {2 * _LONGEST_ROW_BYTES}, columns = {{{types}}})"
    )
