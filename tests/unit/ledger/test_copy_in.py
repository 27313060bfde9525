"""An embedded ledger is copied into PostgreSQL: every row, or nothing."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import Conflict, InternalError, VestibuleError  # noqa: E402
from server.ledger.columns import DuckDb, count, fetch_all  # noqa: E402
from server.ledger.embedded import EmbeddedLedger  # noqa: E402
from server.ledger.postgres.copy_in import copy_in  # noqa: E402
from server.ledger.postgres.cursor import PostgresCursor, connect  # noqa: E402
from tests.unit.ledger.hard_values import TEXTS  # noqa: E402
from tests.unit.ledger.makers import NOW  # noqa: E402

BLOBS = [b"", b"\x00\xff", b"\\x41", b"'\"\n", bytes(range(256))]
NUMBERS = [0.0, 1e308, 5e-324, 0.1, float("inf"), float("-inf"), -1.5]
TIMES = [datetime(1, 1, 1), datetime(9999, 12, 31, 23, 59, 59, 999999), datetime(2026, 3, 1, 12, 0, 0, 1)]
_VALUES: dict[str, list[Any]] = {
    "VARCHAR": TEXTS,
    "TIMESTAMP": TIMES,
    "DATE": [datetime(2026, 2, 28).date()],
    "BOOLEAN": [True, False],
    "INTEGER": [0, -(2**31), 2**31 - 1],
    "BIGINT": [0, -(2**63), 2**63 - 1],
    "DOUBLE": NUMBERS,
    "JSON": ["{}", '{"a": "b\\n\\u00e9\\"", "c": [1, null]}', '" "'],
    "BLOB": BLOBS,
}


def _fill(cursor: DuckDb, seed: int = 0, rows: int = 12) -> None:
    """Write rows with values that are hard to copy into every table, whatever the values mean."""
    draw = random.Random(seed)
    columns = fetch_all(
        cursor,
        """SELECT table_name, column_name, data_type, is_nullable FROM duckdb_columns() WHERE NOT internal
        AND table_name IN (SELECT table_name FROM duckdb_tables()) AND table_name <> 'migrations'
        ORDER BY table_name, column_index""",
    )
    tables: dict[str, list[dict[str, Any]]] = {}
    for column in columns:
        tables.setdefault(column["table_name"], []).append(column)
    for table, described in tables.items():
        for number in range(rows):
            values = [_value(draw, column, number) for column in described]
            cursor.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(values))})", values)


def _value(draw: random.Random, column: dict[str, Any], number: int) -> object:
    kind = column["data_type"]
    if column["is_nullable"] and draw.random() < 0.3:
        return None
    value = draw.choice(_VALUES[kind])
    if kind == "VARCHAR":
        return f"{value}{number}" if draw.random() < 0.5 or "id" in column["column_name"] else f"{number}{value}"
    return number if kind in ("INTEGER", "BIGINT") and column["column_name"] in ("number", "position") else value


def _rows(cursor: Any, table: str, names: list[str]) -> list[str]:
    chosen = ", ".join(f'"{name}"' for name in names)
    return sorted(
        repr([_plain(value) for value in row]) for row in cursor.execute(f"SELECT {chosen} FROM {table}").fetchall()
    )


def _plain(value: object) -> object:
    return bytes(value) if isinstance(value, (bytes, memoryview)) else value


@pytest.fixture
def cursor(ledger: EmbeddedLedger) -> Iterator[DuckDb]:
    with closing(ledger.cursor()) as opened:
        yield opened


@pytest.fixture
def empty(postgres_databases: str) -> Iterator[str]:
    """A database without tables."""
    with psycopg.connect(postgres_databases.format("postgres"), autocommit=True) as admin:
        admin.execute("CREATE DATABASE copied")
        yield postgres_databases.format("copied")
        admin.execute("DROP DATABASE copied WITH (FORCE)")


@pytest.mark.parametrize("seed", range(3))
def test_every_value_of_every_table_is_copied(cursor: DuckDb, empty: str, tmp_path: Path, seed: int) -> None:
    _fill(cursor, seed)
    told: list[str] = []
    copied = copy_in(cursor, empty, tmp_path, lambda: NOW, lambda table, rows: told.append(table))
    assert set(copied.values()) == {12}
    assert told == sorted(copied)
    with connect(empty) as connection:
        into = PostgresCursor(connection)
        for table in copied:
            names = [
                row[0]
                for row in cursor.execute(
                    "SELECT column_name FROM duckdb_columns() WHERE table_name = ?", [table]
                ).fetchall()
            ]
            assert _rows(into, table, names) == _rows(cursor, table, names), table
        ordered = [row[0] for row in cursor.execute("SELECT id FROM approvals ORDER BY rowid").fetchall()]
        assert [row[0] for row in into.execute("SELECT id FROM approvals ORDER BY rowid").fetchall()] == ordered
    assert not list(tmp_path.glob("tmp*"))


def test_a_nul_becomes_the_replacement_character(cursor: DuckDb, empty: str, tmp_path: Path) -> None:
    cursor.execute("INSERT INTO turn_words VALUES ('a' || chr(0) || 'b', '[]')")
    copy_in(cursor, empty, tmp_path, lambda: NOW)
    with connect(empty) as connection:
        assert connection.execute("SELECT turn_id FROM turn_words").fetchall() == [("a\ufffdb",)]


def test_a_database_with_rows_is_refused(cursor: DuckDb, empty: str, tmp_path: Path) -> None:
    _fill(cursor, rows=2)
    copy_in(cursor, empty, tmp_path, lambda: NOW)
    with pytest.raises(Conflict) as refused:
        copy_in(cursor, empty, tmp_path, lambda: NOW)
    assert refused.value.reason == "LEDGER_NOT_EMPTY"


def test_of_a_copy_that_fails_nothing_stays(cursor: DuckDb, empty: str, tmp_path: Path) -> None:
    _fill(cursor, rows=2)
    with pytest.raises(VestibuleError):
        copy_in(cursor, empty, tmp_path, lambda: NOW, _stop_at_turns)
    with connect(empty) as connection:
        assert count(PostgresCursor(connection), "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'") == 0


def _stop_at_turns(table: str, _rows: int) -> None:
    if table == "turns":
        raise InternalError("Stopped.")
