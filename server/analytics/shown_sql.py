"""The SQL that makes the catalogue of analysts. To find it out for the newest schema takes most of a second.

The statements first make an empty table in the place of each view of the ledger, because DuckDB checks a view when it
is made. ``show_views`` drops these tables then. So no ledger has to be open.
"""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import duckdb

from server.analytics.catalogue import quoted
from server.analytics.sql_policy import VIEWS
from server.ledger.all_macros import ALL_MACROS
from server.ledger.columns import DuckDb
from server.ledger.migrate import migrate
from server.ledger.table_schema import comment_on


@cache
def sql_of_newest() -> tuple[str, ...]:
    """The statements for ledgers of the newest schema."""
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as connection:
        migrate(connection, lambda: datetime.now(UTC))
        return _statements(connection)


def sql_of_file(ledger: Path) -> tuple[str, ...]:
    """The statements for this file, which may have an older schema; none if it has none of our views.

    Raises:
        duckdb.Error: DuckDB cannot read the file, or another process writes it.
    """
    with closing(duckdb.connect(":memory:", config={"threads": 1})) as connection:
        connection.execute(f"ATTACH {quoted(ledger)} AS ledger (READ_ONLY)")
        connection.execute("USE ledger")
        return _statements(connection)


def _statements(connection: DuckDb) -> tuple[str, ...]:
    """The SQL that shows the views of the current database, as far as analysts may read them."""
    found = connection.execute(
        "SELECT view_name, comment FROM duckdb_views() WHERE database_name = current_database() AND NOT internal"
    ).fetchall()
    columns = connection.execute(
        """SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
        WHERE database_name = current_database() ORDER BY table_name, column_index"""
    ).fetchall()
    shown = [(name, comment) for name, comment in found if name in VIEWS]
    named = {name for name, _ in shown}
    types: dict[str, list[str]] = {name: [] for name in named}
    comments = []
    for view, column, kind, comment in columns:
        if view in named:
            name = '"' + column.replace('"', '""') + '"'  # the file may be of somebody else
            types[view].append(f"{name} {kind}")
            if comment:
                comments.append(comment_on("COLUMN", f"{view}.{name}", comment))
    statements = [f"CREATE TABLE snapshot.main.{name} ({', '.join(types[name])})" for name, _ in shown]
    statements += [f"CREATE VIEW main.{name} AS FROM snapshot.main.{name}" for name, _ in shown]
    statements += [comment_on("VIEW", name, comment) for name, comment in shown if comment]
    return (*statements, *comments, *(_macros(connection) if "v_events" in named else ()))


def _macros(connection: DuckDb) -> list[str]:
    """The SQL that creates the macros that the ledger has. DuckDB cannot tell their defaults, so the text is ours."""
    found = connection.execute(
        """SELECT DISTINCT function_name FROM duckdb_functions()
        WHERE database_name = current_database() AND NOT internal"""
    ).fetchall()
    known = {name for (name,) in found}
    return [statement for macro in ALL_MACROS if macro.name in known for statement in macro.statements()]
