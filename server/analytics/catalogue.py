"""What analysts' queries see: the views and macros, in an empty database, over a ledger that is attached out of sight.

The attached ledger can be replaced by a newer snapshot at any time. A query that runs keeps the one it began with.
"""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import duckdb

from server.analytics.sql_policy import VIEWS
from server.ledger.all_macros import ALL_MACROS
from server.ledger.columns import DuckDb
from server.ledger.migrate import migrate
from server.ledger.table_schema import comment_on

_HIDDEN = "READ_ONLY, HIDDEN true"


def open_catalogue(threads: int, memory_bytes: int) -> DuckDb:
    """Open an empty database that spills nothing to the disk."""
    return duckdb.connect(
        ":memory:", config={"threads": threads, "memory_limit": f"{memory_bytes}B", "temp_directory": ""}
    )


def show_views(connection: DuckDb, ledger: Path | None = None) -> None:
    """Create the views and the macros with their comments.

    Args:
        connection: Of ``open_catalogue``.
        ledger: The file whose views these are; None takes those of the newest schema.

    Raises:
        duckdb.Error: The file is no ledger, or another process writes it.
    """
    if ledger is None:
        connection.execute("ATTACH ':memory:' AS snapshot")
        connection.execute("USE snapshot")
        migrate(connection, lambda: datetime.now(UTC))
        connection.execute("USE memory")
    else:
        connection.execute(f"ATTACH {_quoted(ledger)} AS snapshot (READ_ONLY)")
    for statement in _statements(connection):
        connection.execute(statement)
    detach(connection)
    if ledger is not None:
        attach(connection, ledger)


def attach(connection: DuckDb, ledger: Path) -> None:
    """Put this snapshot in the place of the last one, for every query that begins from now on."""
    connection.execute(f"ATTACH OR REPLACE {_quoted(ledger)} AS snapshot ({_HIDDEN})")


def detach(connection: DuckDb) -> None:
    """Let go of the snapshot. No query may begin until ``attach``."""
    connection.execute("DETACH DATABASE IF EXISTS snapshot")


def fence(connection: DuckDb, folder: str) -> None:
    """Let this database open no file but those of a folder. The policy forbids files; this would hold without it.

    Args:
        connection: Of ``open_catalogue``.
        folder: Where snapshots are; empty for none.
    """
    if folder:
        connection.execute(f"SET GLOBAL allowed_directories = [{_quoted(f'{folder}/')}]")
    connection.execute("SET GLOBAL enable_external_access = false")


def _statements(connection: DuckDb) -> list[str]:
    """The SQL that shows the attached ledger's views, as far as analysts may read them."""
    found = connection.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = 'snapshot' AND NOT internal"
    ).fetchall()
    columns = connection.execute(
        "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE database_name = 'snapshot'"
    ).fetchall()
    shown = [(name, comment) for name, comment in found if name in VIEWS]
    statements = [f"CREATE VIEW main.{name} AS FROM snapshot.main.{name}" for name, _ in shown]
    statements += [comment_on("VIEW", name, comment) for name, comment in shown if comment]
    named = {name for name, _ in shown}
    statements += [
        comment_on("COLUMN", f"{view}.{column}", comment)
        for view, column, comment in columns
        if view in named and comment
    ]
    return statements + (_macros(connection) if "v_events" in named else [])


def _macros(connection: DuckDb) -> list[str]:
    """The SQL that creates the macros that the ledger has. DuckDB cannot tell their defaults, so the text is ours."""
    found = connection.execute(
        "SELECT DISTINCT function_name FROM duckdb_functions() WHERE database_name = 'snapshot' AND NOT internal"
    ).fetchall()
    known = {name for (name,) in found}
    return [statement for macro in ALL_MACROS if macro.name in known for statement in macro.statements()]


def _quoted(path: Path | str) -> str:
    return "'" + str(path).replace("'", "''") + "'"
