"""Statements of definition for PostgreSQL, made of those that DuckDB has.

The tables are read from the catalogue of an embedded ledger in memory that has all migrations. So there is one place
that says which columns there are, and a fresh schema of PostgreSQL cannot differ from that of the embedded file.
"""

from __future__ import annotations

import re
from typing import Any, Final

from server.ledger.columns import Cursor, DuckDb, Row, fetch_all
from server.ledger.postgres import lanes
from server.ledger.table_schema import comment_on

TYPES: Final = {
    "VARCHAR": 'VARCHAR COLLATE "C"',  # by bytes, as DuckDB compares: pages are cut by ids
    "TIMESTAMP": "TIMESTAMP",
    "BOOLEAN": "BOOLEAN",
    "INTEGER": "INTEGER",
    "BIGINT": "BIGINT",
    "DOUBLE": "DOUBLE PRECISION",
    "DATE": "DATE",
    "JSON": "JSON",  # not JSONB: the hash of a record is that of its text as written
    "BLOB": "BYTEA",
}
"""Types of PostgreSQL by those of DuckDB."""

WITH_ROW_IDS: Final = frozenset(
    {"approvals", "field_decisions", "job_attempts", "recommendations", "review_comments", "sealed_values"}
)
"""Tables whose rows are asked for by ``rowid``, the order of insertion. DuckDB has it in every table."""

_FUNCTIONS: Final = (
    ("list_contains(list VARCHAR[], item VARCHAR)", "BOOLEAN", "item = ANY(list)"),
    ("len(list VARCHAR[])", "INTEGER", "cardinality(list)"),
    (
        # A number times an interval is a DOUBLE, which holds no microseconds of other centuries. It holds seconds.
        "make_timestamp(us BIGINT)",
        "TIMESTAMP",
        "TIMESTAMP '1970-01-01' + us / 1000000 * INTERVAL '1 second' + us % 1000000 * INTERVAL '1 microsecond'",
    ),
    ("epoch_us(moment TIMESTAMP)", "BIGINT", "(extract(epoch FROM moment) * 1000000)::BIGINT"),
    ("to_seconds(number BIGINT)", "INTERVAL", "number * INTERVAL '1 second'"),
    ("to_milliseconds(number BIGINT)", "INTERVAL", "number * INTERVAL '1 millisecond'"),
)
FUNCTIONS: Final = [
    f"CREATE OR REPLACE FUNCTION {signature} RETURNS {kind} LANGUAGE sql IMMUTABLE PARALLEL SAFE RETURN {body}"
    for signature, kind, body in _FUNCTIONS
]
"""Functions of DuckDB that operational statements use, and for which both engines have no common word. The planner puts
their bodies in their places, so a call costs nothing. Each start of a server defines them anew. One whose arguments or
result change needs another name, because servers of the release before run beside the first new one."""

INDEXES: Final = {
    "jobs_open": "jobs (session_id, create_time, id) WHERE state IN ('QUEUED', 'RUNNING')",
    **lanes.INDEXES,
    "dead_letters_job_id": "dead_letters (job_id)",
    "dead_letters_open": "dead_letters (create_time, id) WHERE closed_time IS NULL",
    "events_session_id": "events (session_id)",
    "sessions_open": "sessions (update_time) WHERE state IN ('STARTED', 'IN_PROGRESS', 'AWAITING_APPROVAL')",
}
"""By their names. Where DuckDB reads a column of a whole table, which it does fast, PostgreSQL needs an index. A start
makes those that are missing, so one that changes needs another name."""

_TYPE: Final = re.compile(r"'(?:[^']|'')*'|\b(?:DOUBLE(?! PRECISION)|BLOB|VARCHAR)\b")
_CREATED: Final = re.compile(r"\s*CREATE TABLE (\w+)")
_FOR_ANALYSTS: Final = re.compile(
    r"\s*(?:CREATE (?:OR REPLACE )?(?:VIEW|MACRO)|DROP (?:VIEW|MACRO)|COMMENT ON (?:VIEW|MACRO|COLUMN v_))"
)


def tables_of(ledger: DuckDb) -> list[str]:
    """The statements that create the tables of an embedded ledger in PostgreSQL, with comments, and the indexes that
    both engines have.
    """
    tables = fetch_all(ledger, "SELECT table_name, comment FROM duckdb_tables() WHERE NOT internal ORDER BY table_name")
    return [
        *(statement for table in tables for statement in _table(ledger, table)),
        *(row["sql"] for row in fetch_all(ledger, "SELECT sql FROM duckdb_indexes() ORDER BY index_name")),
    ]


def missing(cursor: Cursor) -> list[str]:
    """The statements that bring what PostgreSQL alone has to the newest form: columns of row ids, and indexes.

    They are made only where they are missing, because making one waits for all who write.
    """
    tables = _names(cursor, "information_schema.tables", "table_name", "table_schema")
    columns = _names(cursor, "information_schema.columns", "table_name || '.' || column_name", "table_schema")
    indexed = _names(cursor, "pg_indexes", "indexname", "schemaname")
    without_ids = sorted(table for table in WITH_ROW_IDS & tables if f"{table}.rowid" not in columns)
    new = ((name, on) for name, on in INDEXES.items() if name not in indexed and on.split()[0] in tables)
    return [
        *(statement for table in without_ids for statement in _row_id(table)),
        *(f"CREATE INDEX {name} ON {on}" for name, on in new),
    ]


def _names(cursor: Cursor, catalogue: str, name: str, schema: str) -> set[str]:
    sql = f"SELECT {name} AS name FROM {catalogue} WHERE {schema} = current_schema()"  # noqa: S608 - literals of ours
    return {row["name"] for row in fetch_all(cursor, sql)}


def _table(ledger: DuckDb, table: Row) -> list[str]:
    name = table["table_name"]
    columns = fetch_all(
        ledger,
        """SELECT column_name, data_type, is_nullable, column_default, comment FROM duckdb_columns()
        WHERE table_name = ? AND NOT internal ORDER BY column_index""",
        [name],
    )
    keys = fetch_all(
        ledger,
        """SELECT constraint_type, constraint_column_names FROM duckdb_constraints()
        WHERE table_name = ? AND constraint_type IN ('PRIMARY KEY', 'UNIQUE') ORDER BY constraint_index""",
        [name],
    )
    parts = [_column(column) for column in columns]
    parts += [f"{key['constraint_type']} ({', '.join(map(_quoted, key['constraint_column_names']))})" for key in keys]
    return [
        f"CREATE TABLE {name} ({', '.join(parts)})",
        *_row_id(name),
        comment_on("TABLE", name, table["comment"]),
        *(comment_on("COLUMN", f"{name}.{_quoted(each['column_name'])}", each["comment"]) for each in columns),
    ]


def _row_id(table: str) -> list[str]:
    """The statement that gives a table ``rowid``, if it needs that."""
    return [f"ALTER TABLE {table} ADD COLUMN rowid BIGINT GENERATED ALWAYS AS IDENTITY"] * (table in WITH_ROW_IDS)


def _column(column: Row) -> str:
    default = f" DEFAULT {column['column_default']}" if column["column_default"] is not None else ""
    null = "" if column["is_nullable"] else " NOT NULL"
    return f"{_quoted(column['column_name'])} {TYPES[column['data_type']]}{default}{null}"


def _quoted(name: str) -> str:
    return f'"{name}"'


class MigrationCursor:
    """Runs migrations that were written for DuckDB: with the types of PostgreSQL, and without views and macros.

    Analysts read views in DuckDB, also where PostgreSQL holds the tables.
    """

    def __init__(self, cursor: Cursor) -> None:
        self._cursor = cursor

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def execute(self, query: str, parameters: Any = None, /) -> Cursor:
        """Run a statement, unless it defines something for analysts."""
        if _FOR_ANALYSTS.match(query):
            return self._cursor
        self._cursor.execute(_TYPE.sub(_type_of, query), parameters)
        if created := _CREATED.match(query):
            for statement in _row_id(created[1]):
                self._cursor.execute(statement)
        return self._cursor


def _type_of(found: re.Match[str]) -> str:
    return TYPES.get(found[0], found[0])
