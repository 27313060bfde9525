"""Reads from PostgreSQL what changed since a mirror read last, as files of CSV that DuckDB reads."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg

from models.errors import VestibuleError
from server.ledger.columns import CHANGED_IN, aware, count
from server.ledger.migrations import ALL
from server.ledger.mirrored import (
    DELETED_KEPT_S,
    LEFT_OUT,
    MIRRORED_BY,
    Increment,
    Position,
    TableChanges,
    key_type,
)
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import translate
from server.ledger.postgres.rewrite import write_anew

T = TypeVar("T")

_POSITION: Final = """SELECT current_database() || '/' || current_schema() || '/' || 'deleted_rows'::REGCLASS::OID
    || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
    || '/' || (SELECT system_identifier FROM pg_control_system()),
    (SELECT generation FROM mirror_generation), pg_current_snapshot()::VARCHAR, now() AT TIME ZONE 'UTC'"""


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

        def run(connection: psycopg.Connection[Any]) -> Increment:
            with connection.transaction():
                found = self._since(connection, since, folder)
            if found is None:
                with connection.transaction():
                    connection.execute("DELETE FROM mirror_generation")
                    connection.execute("INSERT INTO mirror_generation VALUES (%s)", [str(uuid.uuid4())])
                with connection.transaction():
                    found = self._everything(connection, folder)
            with connection.transaction():
                connection.execute(
                    "DELETE FROM deleted_rows WHERE delete_time < now() - %s * INTERVAL '1 second'", [DELETED_KEPT_S]
                )
            return found

        return self._translated(run)

    def forget_deleted(self, read: Position | None) -> None:
        """Forget which rows were deleted, and leave no byte of that in the table's file.

        Args:
            read: What the mirror has read; None to forget all, where there is no mirror.

        Raises:
            VestibuleError: PostgreSQL does not answer, or the table is in use.
        """

        def run(connection: psycopg.Connection[Any]) -> None:
            known = "true" if read is None else f"pg_visible_in_snapshot({CHANGED_IN}, '{read.snapshot}')"
            connection.execute(f"DELETE FROM deleted_rows WHERE {known}".encode())  # noqa: S608 - PostgreSQL's own text
            connection.commit()

        self._translated(run)
        write_anew(self._url, ["deleted_rows"])

    def interrupt(self) -> None:
        """End what another thread reads at the moment, with an error there."""
        if (connection := self._connection) is not None:
            with suppress(psycopg.Error):
                connection.cancel_safe(timeout=1.0)

    def close(self) -> None:
        """End the connection."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    def _translated(self, run: Callable[[psycopg.Connection[Any]], T]) -> T:
        failure: VestibuleError
        try:
            if self._connection is None or self._connection.closed:
                self._connection = connect(self._url)
            return run(self._connection)
        except psycopg.Error as error:
            failure = translate(error)
            self.close()
        raise failure

    def _since(self, connection: psycopg.Connection[Any], since: Position | None, folder: Path) -> Increment | None:
        """What changed since a position; None where that is not known."""
        position = _position(connection)
        if since is None or not since.leads_to(position):
            return None
        return Increment(position, tuple(self._changed(connection, since, folder)))

    def _everything(self, connection: psycopg.Connection[Any], folder: Path) -> Increment:
        position = _position(connection)
        tables = (
            TableChanges(table, None, _copy(connection, self._rows(table, "true"), folder / f"{table}.csv"))
            for table in MIRRORED_BY
        )
        return Increment(position, tuple(tables))

    def _changed(self, connection: psycopg.Connection[Any], since: Position, folder: Path) -> Iterator[TableChanges]:
        cursor = PostgresCursor(connection)
        is_new = f"""{CHANGED_IN} >= '{since.oldest_open}'::XID8
            AND NOT pg_visible_in_snapshot({CHANGED_IN}, '{since.snapshot}')"""
        for table, column in MIRRORED_BY.items():
            keys = f"""SELECT {column}::VARCHAR FROM {table} WHERE {is_new}
                UNION SELECT key FROM deleted_rows WHERE table_name = '{table}' AND {is_new}"""  # noqa: S608
            if not count(cursor, f"SELECT EXISTS ({keys})::INTEGER"):
                continue
            there = f"{column} IN (SELECT key::{key_type(table)} FROM ({keys}) AS changed (key))"  # noqa: S608
            yield TableChanges(
                table,
                _copy(connection, keys, folder / f"{table}.keys.csv"),
                _copy(connection, self._rows(table, there), folder / f"{table}.csv"),
            )

    def _rows(self, table: str, where: str) -> str:
        left_out = LEFT_OUT.get(table, ())
        columns = (f"'' AS {name}" if name in left_out else f'"{name}"' for name in self._columns[table])
        return f"SELECT {', '.join(columns)} FROM {table} WHERE {where}"  # noqa: S608 - literals of ours


def _position(connection: psycopg.Connection[Any]) -> Position:
    """The position of the snapshot, at the beginning of a transaction."""
    cursor = PostgresCursor(connection)
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    row = cursor.execute(_POSITION).fetchone()
    assert row is not None
    return Position(f"{row[0]}/{len(ALL)}", row[1] or "", row[2], aware(row[3]))


def _copy(connection: psycopg.Connection[Any], query: str, path: Path) -> Path:
    """Write what a query gives into a file: every value in quotes, and nothing for NULL."""
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement.encode()) as rows:
        for part in rows:
            file.write(part)
    return path
