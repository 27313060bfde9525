"""Checks a ledger in PostgreSQL. Servers may use it meanwhile: all is read as it was at one moment."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from typing import Any, Final

import psycopg

from server.ledger.integrity.catalogue import made_anew
from server.ledger.integrity.problems import MOST_IDS, Check, Problem, shown_ids
from server.ledger.integrity.rules import RULES
from server.ledger.integrity.run import Report
from server.ledger.migrations import ALL
from server.ledger.postgres.cursor import PostgresCursor
from server.ledger.postgres.errors import translated
from server.ledger.postgres.schema import require_newest
from server.ledger.postgres.transactions import connected

_MEMORY: Final = "256MB"
"""For the sets of ids and numbers of ``NOT IN``. Without room for a set, PostgreSQL reads it for each row."""
_DAMAGE: Final = (psycopg.DataError, psycopg.errors.DataCorrupted, psycopg.errors.IndexCorrupted, psycopg.InternalError)
"""What PostgreSQL says of pages and values that it cannot read."""
_COLUMNS: Final = "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = current_schema()"
_EXPECTED: Final = "SELECT table_name, column_name FROM duckdb_columns() JOIN duckdb_tables() USING (table_name)"


def check_postgres(url: str) -> Report:
    """Look at the tables and at every row. Nothing is changed.

    Damage of files is found as far as reading every row finds it; PostgreSQL has ``amcheck`` for its indexes. The rows
    are of one snapshot, so PostgreSQL keeps rows that are deleted meanwhile.

    Raises:
        NotFound: LEDGER_NOT_FOUND.
        InternalError: LEDGER_OLDER or LEDGER_NEWER.
        VestibuleError: PostgreSQL does not answer, or ended the connection.
    """
    with closing(connected(url)) as ledger, translated():
        ledger.begin_read()
        require_newest(ledger.cursor)
        ledger.cursor.execute(f"SET LOCAL work_mem = '{_MEMORY}'")
        return _check(ledger.cursor, ledger.connection)


def _check(cursor: PostgresCursor, connection: psycopg.Connection[Any]) -> Report:
    report = Report(schema_number=len(ALL))
    expected = _expected()
    report.problems += _missing(expected, _columns(cursor.execute(_COLUMNS).fetchall()))
    if report.problems:
        return report  # the rules name these columns
    for table in sorted(expected):
        # As text, so that values that are stored apart from their row are read, too.
        counted = f'SELECT count(*), sum(length("{table}"::VARCHAR)) FROM "{table}"'  # noqa: S608 - of the catalogue
        row = _read(cursor, connection, counted)
        if isinstance(row, str):
            report.problems.append(Problem(Check.READING, table, f"It cannot be read to the end ({row})."))
        else:
            report.rows[table] = row[0]
    for rule in RULES:
        ids = f"(array_agg(id ORDER BY id))[1:{MOST_IDS}]"
        row = _read(cursor, connection, f"SELECT count(*), {ids} FROM ({rule.sql}) AS broken (id)")  # noqa: S608
        if isinstance(row, str):
            report.problems.append(Problem(rule.check, rule.table, f"It cannot be looked at ({row})."))
        elif row[0]:
            report.problems.append(Problem(rule.check, rule.table, rule.broken, row[0], shown_ids(row[1])))
    return report


def _read(cursor: PostgresCursor, connection: psycopg.Connection[Any], sql: str) -> tuple[Any, ...] | str:
    """The row that a query gives, or the name of what PostgreSQL says is wrong with its rows.

    Raises:
        psycopg.Error: It is nothing of the rows, such as a lack of memory or of rights.
    """
    try:
        with connection.transaction():
            row = cursor.execute(sql).fetchone()
    except _DAMAGE as error:
        return type(error).__name__
    assert row is not None
    return tuple(row)


def _expected() -> dict[str, set[str]]:
    with made_anew(len(ALL)) as ledger:
        return _columns(ledger.execute(_EXPECTED).fetchall())


def _columns(rows: list[Any]) -> dict[str, set[str]]:
    found = defaultdict[str, set[str]](set)
    for table, column in rows:
        found[table].add(column)
    return found


def _missing(expected: dict[str, set[str]], found: dict[str, set[str]]) -> Iterator[Problem]:
    """Tables and columns that are not there. PostgreSQL has further ones of its own."""
    for table, columns in sorted(expected.items()):
        if table not in found:
            yield Problem(Check.TABLES, table, "It is not there.")
        elif columns - found[table]:
            yield Problem(Check.TABLES, table, "Its columns are not those of its schema.")
