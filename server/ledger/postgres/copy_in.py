"""Copies an embedded ledger into an empty database of PostgreSQL."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import psycopg

from models.errors import Conflict, InternalError
from models.reasons import Reason
from server.ledger.columns import DuckDb, count, fetch_all, text_literal
from server.ledger.postgres import lanes
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import translated
from server.ledger.postgres.schema import bring_up_to_date
from server.ledger.postgres.transactions import hold_alone
from server.ledger.types import Clock

KEPT: Final = "migrations"
"""Each schema has its own."""

_BLOCK_BYTES: Final = 1024 * 1024
_TABLES: Final = f"""SELECT table_name, list(column_name ORDER BY column_index) AS names,
    list(data_type ORDER BY column_index) AS types FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE NOT internal) AND table_name <> '{KEPT}'
GROUP BY table_name ORDER BY table_name"""  # noqa: S608 - literals of ours


def copy_in(
    ledger: DuckDb,
    url: str,
    folder: Path,
    clock: Clock,
    on_table: Callable[[str, int], None] = lambda table, rows: None,
) -> dict[str, int]:
    """Copy every row, in one transaction of PostgreSQL.

    Args:
        ledger: The embedded ledger, of the newest schema. Nobody writes to it meanwhile.
        url: Of the database.
        folder: Where a table lies while it is copied. Its owner alone can enter it.
        clock: For the rows that record migrations.
        on_table: Is told each table and its number of rows.

    Returns:
        The number of rows of each table.

    Raises:
        Conflict: LEDGER_NOT_EMPTY, the database has rows.
        Unavailable: LEDGER_LOCKED, a server uses the database; LEDGER_UNSAFE, it may lose what it is given.
        InternalError: LEDGER_COPY_DIFFERS, a table of the copy has another number of rows; nothing was copied.
        VestibuleError: PostgreSQL does not answer, or refuses a value.
    """
    with translated(), connect(url) as connection:  # rolled back after an error
        hold_alone(connection)
        connection.execute("SET idle_in_transaction_session_timeout = 0")  # while DuckDB writes a large table
        bring_up_to_date(PostgresCursor(connection), clock)
        return _copied(ledger, connection, folder, on_table)


def _copied(
    ledger: DuckDb, connection: psycopg.Connection[Any], folder: Path, on_table: Callable[[str, int], None]
) -> dict[str, int]:
    tables = fetch_all(ledger, _TABLES)
    cursor = PostgresCursor(connection)
    for table in tables:
        if count(cursor, f"SELECT EXISTS (SELECT 1 FROM {table['table_name']})::INTEGER"):  # noqa: S608 - of ours
            raise Conflict(
                f"The database has rows already: its table {table['table_name']} is not empty.",
                reason=Reason.LEDGER_NOT_EMPTY,
                hint="Name an empty database. What is there may be the ledger of another server.",
            )
    rows = {}
    for table in tables:
        name = table["table_name"]
        with TemporaryDirectory(dir=folder) as place:
            _copy(
                ledger, connection, name, dict(zip(table["names"], table["types"], strict=True)), Path(place) / "rows"
            )
        counted = f"SELECT count(*) FROM {name}"  # noqa: S608 - literals of ours
        rows[name] = count(ledger, counted)
        if count(cursor, counted) != rows[name]:
            raise InternalError(f"The copy of {name} is not whole.", reason=Reason.LEDGER_COPY_DIFFERS)
        on_table(name, rows[name])
    cursor.execute(lanes.PLACE)  # jobs were copied before the sessions that tell whose they are
    return rows


def _copy(ledger: DuckDb, connection: psycopg.Connection[Any], table: str, columns: dict[str, str], file: Path) -> None:
    """Copy a table by a file of CSV, in the order in which its rows were inserted."""
    chosen = ", ".join(_written(name, kind) for name, kind in columns.items())
    ledger.execute(
        f"COPY (SELECT {chosen} FROM {table} ORDER BY rowid) TO {text_literal(str(file))} "  # noqa: S608 - of ours
        "(FORMAT csv, HEADER false, FORCE_QUOTE *, NULLSTR '')"
    )
    names = ", ".join(f'"{name}"' for name in columns)
    statement = f"COPY {table} ({names}) FROM STDIN (FORMAT csv)"
    with file.open("rb") as blocks, connection.cursor() as cursor, cursor.copy(statement.encode()) as into:
        while block := blocks.read(_BLOCK_BYTES):
            into.write(block)


def _written(name: str, kind: str) -> str:
    """A column as PostgreSQL reads it; it takes no NUL."""
    if kind == "BLOB":
        return f"'\\x' || hex(\"{name}\")"
    return f'replace("{name}", chr(0), chr(65533))' if kind == "VARCHAR" else f'"{name}"'
