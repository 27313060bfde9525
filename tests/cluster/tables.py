"""All rows of PostgreSQL and of its mirrors: where they differ, and what of them is personal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb

from server.ledger.columns import POSTGRESQL_COLUMNS, DuckDb
from server.ledger.mirrored import LEFT_OUT, MIRRORED_BY
from server.ledger.postgres.cursor import connect

Tables = Mapping[str, Counter[tuple[str, ...]]]
"""The rows of each mirrored table, with the columns in the order of their names."""


def postgres_tables(url: str) -> Tables:
    """Read PostgreSQL, in one transaction."""
    with closing(connect(url)) as connection:
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        return {table: _rows(connection.execute(_all_of(table)), table) for table in MIRRORED_BY}


def mirror_tables(path: Path) -> Tables:
    """Read a mirror whose process has ended."""
    with duckdb.connect(str(path), read_only=True) as mirror:
        return tables_of(mirror)


def tables_of(mirror: DuckDb) -> Tables:
    """Read a mirror that is open."""
    return {table: _rows(mirror.execute(_all_of(table).decode()), table) for table in MIRRORED_BY}


def differing(before: Tables, after: Tables, shown: Tables) -> list[str]:
    """Tables of a mirror that lack a row, or have one that never was.

    Args:
        before: PostgreSQL when the mirror had time to read all.
        after: PostgreSQL when all servers had ended. What they changed at their end may be in the mirror or not.
        shown: The mirror.
    """
    return [
        table
        for table in before
        if (before[table] & after[table]) - shown[table] or shown[table] - (before[table] | after[table])
    ]


def personal_rows(url: str, personal: Iterable[str]) -> tuple[int, list[str]]:
    """Search all rows of all tables of PostgreSQL; returns their number, and where a value is."""
    values, number, found = tuple(personal), 0, []
    names = "SELECT table_name FROM information_schema.tables WHERE table_schema = current_schema() ORDER BY 1"
    with closing(connect(url)) as connection:
        for (table,) in connection.execute(names.encode()).fetchall():
            rows = connection.execute(_all_of(table)).fetchall()
            number += len(rows)
            text = b"\n".join(_bytes(value) for row in rows for value in row)
            found += [f"the table {table} holds {value!r}" for value in values if value.encode() in text]
    return number, found


def _all_of(table: str) -> bytes:
    return f'SELECT * FROM "{table}"'.encode()


def _bytes(value: object) -> bytes:
    return bytes(value) if isinstance(value, bytes | bytearray | memoryview) else str(value).encode()


def _rows(result: Any, table: str) -> Counter[tuple[str, ...]]:
    names = [column[0] for column in result.description]
    kept = sorted(set(names) - set(LEFT_OUT.get(table, ())) - POSTGRESQL_COLUMNS)
    places = [names.index(name) for name in kept]
    return Counter(tuple(str(row[place]) for place in places) for row in result.fetchall())
