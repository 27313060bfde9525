"""Reads from PostgreSQL what changed since a mirror read last, as files of CSV that DuckDB reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg

from models.errors import VestibuleError
from server.ledger.columns import aware, count
from server.ledger.migrations import ALL
from server.ledger.mirrored import DELETED_KEPT_S, GROUPS, Increment, Position, TableChanges
from server.ledger.postgres.changes import CHANGED_IN
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import translate

SEALED: Final = "sealed"
"""A column whose name begins like this is left empty in a mirror: nobody analyzes what is sealed."""

_POSITION: Final = """SELECT pg_snapshot_xmin(pg_current_snapshot())::VARCHAR::BIGINT, now() AT TIME ZONE 'UTC',
    current_database() || '/' || current_schema() || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
    || '/' || (SELECT system_identifier FROM pg_control_system())"""


class IncrementReader:
    """Reads increments, each from one snapshot. It has a connection of its own, which is opened when needed.

    Args:
        url: As libpq takes it.
        columns: The columns of the mirror by table.
    """

    def __init__(self, url: str, columns: dict[str, list[str]]) -> None:
        self._url = url
        self._columns = columns
        self._connection: psycopg.Connection[Any] | None = None

    def read(self, since: Position | None, folder: Path) -> Increment:
        """Write what changed into files, and forget what was deleted long ago.

        Args:
            since: Up to where was read before; None to read everything.
            folder: Empty; it is read by its owner alone.

        Raises:
            VestibuleError: PostgreSQL does not answer or refuses.
        """
        failure: VestibuleError
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url)
            with self._connection.transaction():
                increment = self._read(self._connection, since, folder)
            with self._connection.transaction():
                self._connection.execute(
                    "DELETE FROM deleted_rows WHERE delete_time < now() - %s * INTERVAL '1 second'", [DELETED_KEPT_S]
                )
        except psycopg.Error as error:
            failure = translate(error)
            self.close()
        else:
            return increment
        raise failure

    def forget_deleted(self, read: Position) -> None:
        """Forget the deleted rows that the only mirror has read, and leave no byte of them in the table's file.

        Args:
            read: Up to where.

        Raises:
            VestibuleError: PostgreSQL does not answer, or the table was in use for too long.
        """
        failure: VestibuleError
        try:
            with connect(self._url) as connection:
                connection.autocommit = True
                connection.execute(
                    f"DELETE FROM deleted_rows WHERE {CHANGED_IN} < '{read.oldest_open}'::XID8".encode()  # noqa: S608
                )
                connection.execute("VACUUM (FULL) deleted_rows")
        except psycopg.Error as error:
            failure = translate(error)
        else:
            return
        raise failure

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _read(self, connection: psycopg.Connection[Any], since: Position | None, folder: Path) -> Increment:
        cursor = PostgresCursor(connection)
        cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        row = cursor.execute(_POSITION).fetchone()
        assert row is not None
        position = Position(f"{row[2]}/{len(ALL)}", row[0], aware(row[1]))
        if since is None or not since.covers(position):
            changed = [self._all_of(connection, table, folder) for table in GROUPS]
        else:
            changed = list(self._changed(connection, cursor, since.oldest_open, folder))
        return Increment(position, tuple(changed))

    def _changed(
        self, connection: psycopg.Connection[Any], cursor: PostgresCursor, oldest_open: int, folder: Path
    ) -> Iterator[TableChanges]:
        since = f"{CHANGED_IN} >= '{oldest_open}'::XID8"
        for table, group in GROUPS.items():
            keys = f"""SELECT {group}::VARCHAR FROM {table} WHERE {since}
                UNION SELECT key FROM deleted_rows WHERE table_name = '{table}' AND {since}"""  # noqa: S608
            if not count(cursor, f"SELECT EXISTS ({keys})::INTEGER"):
                continue
            kind = "BIGINT" if group == "number" else "DATE" if group == "day" else "VARCHAR"
            there = f"{group} IN (SELECT key::{kind} FROM ({keys}) AS changed (key))"  # noqa: S608
            yield TableChanges(
                table,
                group,
                _copy(connection, keys, folder / f"{table}.keys.csv"),
                _copy(connection, self._rows(table, there), folder / f"{table}.csv"),
            )

    def _all_of(self, connection: psycopg.Connection[Any], table: str, folder: Path) -> TableChanges:
        return TableChanges(
            table, GROUPS[table], None, _copy(connection, self._rows(table, "true"), folder / f"{table}.csv")
        )

    def _rows(self, table: str, where: str) -> str:
        columns = (f"'' AS {name}" if name.startswith(SEALED) else f'"{name}"' for name in self._columns[table])
        return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608 - literals of ours


def _copy(connection: psycopg.Connection[Any], query: str, path: Path) -> Path:
    """Write what a query gives into a file: every value in quotes, and nothing for NULL."""
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement.encode()) as rows:
        for part in rows:
            file.write(part)
    return path
