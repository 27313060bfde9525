"""Compares tables, views and macros with those that the migrations make, and runs views and macros."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import duckdb

from server.ledger.all_macros import ALL_MACROS
from server.ledger.columns import DuckDb
from server.ledger.connection import connect
from server.ledger.integrity.problems import Check, Problem
from server.ledger.integrity.reading import Reader
from server.ledger.migrate import migrate
from server.ledger.table_schema import SqlMacro
from server.ledger.types import utc_now

_TABLES: Final = """SELECT table_name, list((column_name, data_type, is_nullable) ORDER BY column_index)::VARCHAR
FROM duckdb_columns() WHERE NOT internal AND database_name = current_database()
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
GROUP BY table_name"""
_KEYS: Final = """SELECT table_name, list(constraint_text ORDER BY constraint_text)::VARCHAR
FROM duckdb_constraints() WHERE database_name = current_database() AND constraint_type IN ('PRIMARY KEY', 'UNIQUE')
GROUP BY table_name"""
_INDEXES: Final = "SELECT index_name, sql FROM duckdb_indexes() WHERE database_name = current_database()"
_VIEWS: Final = "SELECT view_name, sql FROM duckdb_views() WHERE NOT internal AND database_name = current_database()"
_MACROS: Final = """SELECT function_name, (parameters, macro_definition)::VARCHAR FROM duckdb_functions()
WHERE function_type IN ('macro', 'table_macro') AND NOT internal AND database_name = current_database()"""

_STORED: Final = (
    (_TABLES, "Its columns are not those of its schema."),
    (_KEYS, "Its keys are not those of its schema."),
    (_INDEXES, "The index is not that of its schema."),
)
_SHOWN: Final = ((_VIEWS, "The view is not that of this release."), (_MACROS, "The macro is not that of this release."))

_FORMS: Final = re.compile(r"\blambda\b|\bcross join\b|\brow\b|->|\bmain\.|[\s(),:\"]+")
"""What DuckDB writes in one way or another, by how often a definition went through its file. It is not compared."""

SAMPLES: Final = {
    "steps": "['STARTED', 'COMPLETED']",
    "property": "'app_version'",
    "key": "'app_version'",
    "session": "''",
}
"""Arguments with which macros are called, by the names of parameters that must be given."""


@contextmanager
def made_anew(number: int) -> Iterator[DuckDb]:
    """A ledger with the first migrations, read from a file of the same form: there DuckDB writes some words of a view
    another way.
    """
    with TemporaryDirectory() as folder:
        path = Path(folder) / "expected.duckdb"
        with connect(path) as connection:
            migrate(connection, utc_now, up_to=number)
        with duckdb.connect(path, read_only=True) as connection:
            yield connection


def problems_of_tables(ledger: DuckDb, expected: DuckDb) -> Iterator[Problem]:
    """Tables and indexes that differ from those of the schema."""
    for sql, sentence in _STORED:
        yield from _differences(Check.TABLES, _named(ledger, sql), _named(expected, sql), sentence)


def problems_of_views(ledger: DuckDb, expected: DuckDb) -> Iterator[Problem]:
    """Views and macros that differ from those of this release."""
    for sql, sentence in _SHOWN:
        yield from _differences(Check.VIEWS, _named(ledger, sql), _named(expected, sql), sentence)


def problems_of_running(reader: Reader) -> Iterator[Problem]:
    """Views and macros that cannot be read to the end."""
    views = [name for name, _ in reader.run(lambda ledger: ledger.execute(_VIEWS).fetchall())]
    calls = {view: f'"{view}"' for view in sorted(views)} | {macro.name: _call(macro) for macro in ALL_MACROS}
    for name, call in calls.items():
        try:
            reader.run(partial(read_whole, source=call))
        except duckdb.Error as error:
            yield Problem(Check.VIEWS, name, f"It does not run ({type(error).__name__}).")


def read_whole(ledger: DuckDb, source: str) -> int:
    """Read every column of every row; returns how many rows there are.

    Args:
        ledger: A connection.
        source: What follows FROM: a quoted name, or a call of a macro.
    """
    sql = f"SELECT count(*), bit_xor(hash(r)) FROM {source} AS r"  # noqa: S608 - names of the catalogue, quoted
    row = ledger.execute(sql).fetchone()
    return int(row[0]) if row else 0


def _call(macro: SqlMacro) -> str:
    given = [SAMPLES[name] for name, default, _ in macro.parameters if not default]
    return f"{macro.name}({', '.join(given)})"


def _named(connection: DuckDb, sql: str) -> dict[str, str]:
    return {name: _FORMS.sub("", text.lower()) for name, text in connection.execute(sql).fetchall()}


def _differences(
    check: Check, found: Mapping[str, str], expected: Mapping[str, str], differs: str
) -> Iterator[Problem]:
    for name in sorted({*found, *expected}):
        if name not in found:
            yield Problem(check, name, "It is missing.")
        elif name not in expected:
            yield Problem(check, name, "No release has it.")
        elif found[name] != expected[name]:
            yield Problem(check, name, differs)
