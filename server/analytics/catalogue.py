"""What analysts' queries see: the views and macros, in an empty database, over a ledger that is attached out of sight.

The attached ledger can be replaced by a newer snapshot at any time. A query that runs keeps the one it began with.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import duckdb

from server.ledger.columns import DuckDb

_HIDDEN = "READ_ONLY, HIDDEN true"


def open_catalogue(threads: int, memory_bytes: int) -> DuckDb:
    """Open an empty database that spills nothing to the disk."""
    return duckdb.connect(
        ":memory:", config={"threads": threads, "memory_limit": f"{memory_bytes}B", "temp_directory": ""}
    )


def show_views(connection: DuckDb, statements: Iterable[str], ledger: Path | None = None) -> None:
    """Create the views and the macros with their comments.

    Args:
        connection: Of ``open_catalogue``.
        statements: Of ``shown_sql``.
        ledger: The file to read from now on; None waits for a snapshot.

    Raises:
        duckdb.Error: DuckDB cannot read the file, or another process writes it.
    """
    connection.execute("ATTACH ':memory:' AS snapshot")
    for statement in statements:
        connection.execute(statement)
    detach(connection)
    if ledger is not None:
        attach(connection, ledger)


def attach(connection: DuckDb, ledger: Path) -> None:
    """Put this snapshot in the place of the last one, for every query that begins from now on."""
    connection.execute(f"ATTACH OR REPLACE {quoted(ledger)} AS snapshot ({_HIDDEN})")


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
        connection.execute(f"SET GLOBAL allowed_directories = [{quoted(f'{folder}/')}]")
    connection.execute("SET GLOBAL enable_external_access = false")


def quoted(path: Path | str) -> str:
    """A path as a string of SQL."""
    return "'" + str(path).replace("'", "''") + "'"
