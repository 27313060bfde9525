"""Looks every row up in the indexes by which the server finds it. An index lies in blocks of its own.

With few literals after IN, DuckDB uses the index. So what the index gives is compared with what reading the table gave.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from typing import Any, Final

import duckdb

from server.ledger.columns import DuckDb, text_literal
from server.ledger.integrity.problems import Check, Problem
from server.ledger.integrity.reading import Reader

ROWS_AT_ONCE: Final = 1000
"""Rows that one statement looks up. DuckDB uses an index for up to 2,048 rows."""

_INDEXED: Final = """SELECT table_name, constraint_column_names[1] FROM duckdb_constraints()
WHERE constraint_type IN ('PRIMARY KEY', 'UNIQUE') AND len(constraint_column_names) = 1
UNION SELECT table_name, trim(expressions, '[]''"') FROM duckdb_indexes() WHERE NOT is_unique ORDER BY ALL"""


def problems_of_indexes(reader: Reader) -> Iterator[Problem]:
    """Columns whose index cannot be read, or finds other rows than the table has."""
    for table, column in reader.run(lambda ledger: ledger.execute(_INDEXED).fetchall()):
        try:
            missed = reader.run(partial(_missed, table=table, column=column))
        except duckdb.Error as error:
            yield Problem(Check.KEYS, table, f"The index of {column} cannot be read ({type(error).__name__}).")
        else:
            if missed:
                yield Problem(Check.KEYS, table, f"The index of {column} does not find them.", missed)


def _missed(ledger: DuckDb, table: str, column: str) -> int:
    """How many rows the index does not find, or finds too often."""
    sql = f"SELECT {column}, count(*) FROM {table} GROUP BY {column}"  # noqa: S608 - names of the catalogue
    missed = 0
    for values, rows in _portions(ledger.execute(sql).fetchall()):
        wanted = ", ".join(map(_literal, values))
        found = ledger.execute(f"SELECT count(*) FROM {table} WHERE {column} IN ({wanted})").fetchone()  # noqa: S608
        missed += abs(rows - (found[0] if found else 0))
    return missed


def _portions(counted: Iterable[tuple[Any, int]]) -> Iterator[tuple[list[Any], int]]:
    values: list[Any] = []
    rows = 0
    for value, number in counted:
        if values and rows + number > ROWS_AT_ONCE:
            yield values, rows
            values, rows = [], 0
        values.append(value)
        rows += number
    if values:
        yield values, rows


def _literal(value: object) -> str:
    return text_literal(value) if isinstance(value, str) else str(value)
