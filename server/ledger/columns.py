"""How values become columns and columns become values.

Times are stored as TIMESTAMP in UTC. A redacted text takes three columns: ``x``, ``x_counts`` and ``x_safe``.
"""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain
from typing import Any, Final, Protocol

import duckdb

from models.text import RedactedText
from server.ledger.dialects import dialect_of

if importlib.util.find_spec("pandas") is None:
    # DuckDB looks for pandas at every parameter. This mark makes a failing import cheap.
    # Found in docs/evaluation/constants/jobs.md, no-pandas.
    sys.modules.setdefault("pandas", None)  # type: ignore[arg-type]  # None is Python's own mark for "not there"


class Cursor(Protocol):
    """What functions over the ledger may ask for. They never commit or roll back.

    DuckDB's connection is one, and so is ``server.ledger.postgres.cursor.PostgresCursor``. Statements have parameters
    as DuckDB writes them: ``?`` or ``$name``. A statement that gives no rows, such as an UPDATE, answers with one row
    that has the number of rows that it changed.
    """

    def execute(self, query: str, parameters: Any = None, /) -> Cursor:
        """Run a statement. The parameters are a list for ``?``, and a dict for ``$name``."""

    def executemany(self, query: str, parameters: Any = None, /) -> Cursor:
        """Run a statement once for each item of the parameters."""

    def fetchone(self) -> tuple[Any, ...] | None:
        """The next row of the last statement; None at the end."""

    def fetchall(self) -> list[tuple[Any, ...]]:
        """The rows of the last statement that were not fetched yet."""

    @property
    def description(self) -> Sequence[Sequence[Any]] | None:
        """A sequence for each column of the last statement; its first item is the name."""


DuckDb = duckdb.DuckDBPyConnection
"""A connection to DuckDB. What only DuckDB can do asks for it by this type: to begin and commit, to give
columns as arrays, views and macros. ``EmbeddedLedger.write`` and ``EmbeddedLedger.read`` give one."""

Row = dict[str, Any]

_PARAMETER = "?"

CHANGED_IN: Final = "changed_in"
"""Column of PostgreSQL with the transaction that wrote a row last; see ``postgres.changes``."""

LANE_CLIENT: Final = "lane_client"
LANE_TIME: Final = "lane_time"
"""Columns of the jobs in PostgreSQL by which they are claimed; see ``postgres.lanes``."""

POSTGRESQL_COLUMNS: Final = frozenset({CHANGED_IN, LANE_CLIENT, LANE_TIME, "rowid"})
"""Columns that a query for all columns gives in PostgreSQL alone. DuckDB has ``rowid``, and hides it."""


class RunAgain(Exception):
    """A write failed on its fast path and asks to be run again, on the slow one.

    DuckDB has no savepoints, so the transaction is rolled back; the writer runs the function once more, alone.
    """


def stored_time(moment: datetime) -> datetime:
    """An aware time as the ledger stores it: UTC, without zone."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def stored_time_or_none(moment: datetime | None) -> datetime | None:
    """The same for a time that may be absent."""
    return None if moment is None else stored_time(moment)


def aware(moment: datetime) -> datetime:
    """A stored time as an aware one."""
    return moment.replace(tzinfo=UTC)


def aware_or_none(moment: datetime | None) -> datetime | None:
    """The same for a time that may be absent."""
    return None if moment is None else aware(moment)


def stored_text(text: str) -> str:
    """A text as the ledger stores it: PostgreSQL takes no NUL, so U+FFFD stands in its place, in both engines."""
    return text.replace("\0", "\ufffd")


def text_columns(name: str, text: RedactedText | None) -> Row:
    """The three columns of a redacted text."""
    if text is None:
        return {name: None, f"{name}_counts": None, f"{name}_safe": None}
    return {name: stored_text(text.value), f"{name}_counts": json.dumps(text.counts), f"{name}_safe": text.safe_for_llm}


def text_or_none(row: Row, name: str) -> RedactedText | None:
    """A redacted text from its three columns; None when it is null."""
    if row[name] is None:
        return None
    return RedactedText.restore(row[name], json.loads(row[f"{name}_counts"]), safe_for_llm=row[f"{name}_safe"])


def text_of(row: Row, name: str) -> RedactedText:
    """The same for a column that is never null."""
    text = text_or_none(row, name)
    assert text is not None
    return text


def used_in(statement: str, parameters: Row) -> Row:
    """The named parameters that a statement has; DuckDB refuses others."""
    return {name: value for name, value in parameters.items() if re.search(rf"\${name}\b", statement)}


def text_literal(text: str) -> str:
    """A text as a literal of SQL.

    With a list of literals after IN, DuckDB looks each one up in the index. With parameters, or with a list as one
    parameter, it reads the whole table. Found in docs/evaluation/constants/jobs.md, literals-after-in. A statement
    ends at a NUL, so that one is written as ``chr(0)``.
    """
    parts = ["'" + part.replace("'", "''") + "'" for part in text.split("\0")]
    return parts[0] if len(parts) == 1 else f"({' || chr(0) || '.join(parts)})"


def execute_all(cursor: Cursor, *parts: list[str]) -> None:
    """Execute the statements of all parts, in order."""
    for statement in chain.from_iterable(parts):
        cursor.execute(statement)


def fetch_all(cursor: Cursor, sql: str, params: list[Any] | dict[str, Any] | None = None) -> list[Row]:
    """Run a query of ours and return its rows by column name, without those that PostgreSQL alone has."""
    cursor.execute(sql, params or [])
    names = [column[0] for column in cursor.description or ()]
    rows = [dict(zip(names, values, strict=True)) for values in cursor.fetchall()]
    for name in POSTGRESQL_COLUMNS.intersection(names):
        for row in rows:
            del row[name]
    return rows


def fetch_one(cursor: Cursor, sql: str, params: list[Any] | None = None) -> Row | None:
    """Run a query of ours that gives at most one row."""
    rows = fetch_all(cursor, sql, params)
    return rows[0] if rows else None


def count(cursor: Cursor, sql: str, params: list[Any] | dict[str, Any] | None = None) -> int:
    """Run a query of ours whose first column of the first row is a number."""
    row = cursor.execute(sql, params or []).fetchone()
    return int(row[0]) if row and row[0] is not None else 0


def insert(cursor: Cursor, table: str, values: Row, unless: str = "") -> bool:
    """Insert one row.

    Args:
        cursor: Within a transaction of the writer.
        table: A name from our source code.
        values: Column names from our source code, and values.
        unless: SQL that follows, such as ``Dialect.unless_known``.

    Returns:
        Whether a row was inserted; always, if nothing follows.
    """
    names = ", ".join(values)
    marks = [_mark(value) for value in values.values()]
    sql = f"INSERT INTO {table} ({names}) VALUES ({', '.join(marks)}){unless}"  # noqa: S608 - literals of ours
    given = [value for value, mark in zip(values.values(), marks, strict=True) if mark == _PARAMETER]
    if unless:
        return count(cursor, sql, given) == 1
    cursor.execute(sql, given)
    return True


def _mark(value: object) -> str:
    """A value in the statement: NULL, empty text and 0 as literals, everything else as a parameter, which is slower.

    Found in docs/evaluation/constants/jobs.md, literals.
    """
    if value is None:
        return "NULL"
    if value == "":
        return "''"
    return "0" if type(value) in (int, float) and value == 0 else _PARAMETER


def insert_if_new(cursor: Cursor, table: str, values: Row) -> bool:
    """Insert one row unless its id is there; returns whether it is new.

    The id is looked up in the index first, because DuckDB's ON CONFLICT reads the whole table. The embedded file has
    one writer, so no other write comes between. Found in docs/evaluation/constants/jobs.md, insert-if-new.
    """
    if exists(cursor, table, values["id"]):
        return False
    return insert(cursor, table, values, dialect_of(cursor).unless_known)


def exists(cursor: Cursor, table: str, row_id: str) -> bool:
    """Whether a row with this id is there."""
    sql = f"SELECT 1 FROM {table} WHERE id = ?"  # noqa: S608 - names are literals of ours
    return cursor.execute(sql, [row_id]).fetchone() is not None


def update(cursor: Cursor, table: str, row_id: str, values: Row) -> bool:
    """Update the row with this id; returns whether there is one."""
    sets = ", ".join(f"{name} = ?" for name in values)
    sql = f"UPDATE {table} SET {sets} WHERE id = ?"  # noqa: S608 - names are literals of ours
    return count(cursor, sql, [*values.values(), row_id]) == 1
