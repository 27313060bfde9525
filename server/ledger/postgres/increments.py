"""Reads from PostgreSQL what changed since a mirror read last, as files of CSV that DuckDB reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg

from server.ledger.columns import CHANGED_IN, aware, count
from server.ledger.migrations import ALL
from server.ledger.mirrored import (
    LEFT_OUT,
    MIRRORED_BY,
    Increment,
    Position,
    TableChanges,
    key_type,
)
from server.ledger.postgres import mirrors
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import translated

T = TypeVar("T")

_POSITION: Final = f"""SELECT current_database() || '/' || current_schema() || '/' || 'deleted_rows'::REGCLASS::OID
    || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)
    || '/' || (SELECT system_identifier FROM pg_control_system()),
    (SELECT id FROM mirrors WHERE id = ?), pg_current_snapshot()::VARCHAR, now() AT TIME ZONE 'UTC',
    {mirrors.REQUEST_OF}"""  # noqa: S608 - literals of ours


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
        self._mirror = ""

    def read(self, since: Position | None, folder: Path) -> Increment:
        """Write what changed into files, and forget what was deleted long ago.

        Args:
            since: Up to where was read before; None to read everything.
            folder: Empty; it is read by its owner alone.

        Raises:
            VestibuleError: PostgreSQL does not answer or refuses.
        """

        def run(connection: psycopg.Connection[Any]) -> Increment:
            found = None if since is None else self._since(connection, since, folder)
            if found is None:
                found = self._anew(connection, since, folder)
            mirrors.forget_old(connection)
            return found

        return self._translated(run)

    def forgot(self, request: int) -> None:
        """Note that the mirror has no byte of what was deleted before a request.

        Raises:
            VestibuleError: PostgreSQL does not answer or refuses.
        """
        self._translated(lambda connection: mirrors.note_forgotten(connection, self._mirror, request))

    def forgetting(self) -> mirrors.Forgetting:
        """Ask all mirrors to forget what is deleted now.

        Raises:
            VestibuleError: PostgreSQL does not answer or refuses.
        """
        return mirrors.Forgetting(self._url)

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
        with translated():
            try:
                if self._connection is None or self._connection.closed:
                    self._connection = connect(self._url)
                    if self._mirror:
                        mirrors.live(self._connection, self._mirror)
                return run(self._connection)
            except psycopg.Error:
                self.close()
                raise

    def _since(self, connection: psycopg.Connection[Any], since: Position, folder: Path) -> Increment | None:
        """What changed since a position; None where that is not known."""
        with connection.transaction():
            position, request = _position(connection, since.mirror)
            if not since.leads_to(position):
                return None
            found = Increment(position, tuple(self._changed(connection, since, folder)), request)
        if since.mirror != self._mirror:
            self._mirror = mirrors.claim(connection, since.mirror)
        return replace(found, position=replace(position, mirror=self._mirror)) if self._mirror else None

    def _anew(self, connection: psycopg.Connection[Any], since: Position | None, folder: Path) -> Increment:
        self._mirror = mirrors.register(connection, [self._mirror, since.mirror if since is not None else ""])
        with connection.transaction():
            position, request = _position(connection, self._mirror)
            tables = (
                TableChanges(table, None, _copy(connection, self._rows(table, "true"), folder / f"{table}.csv"))
                for table in MIRRORED_BY
            )
            return Increment(position, tuple(tables), request)

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


def _position(connection: psycopg.Connection[Any], mirror: str) -> tuple[Position, int]:
    """The position of the snapshot, at the beginning of a transaction, and what the mirror is asked to forget."""
    cursor = PostgresCursor(connection)
    cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
    row = cursor.execute(_POSITION, [mirror, mirror]).fetchone()
    assert row is not None
    return Position(f"{row[0]}/{len(ALL)}", row[1] or "", row[2], aware(row[3])), row[4] or 0


def _copy(connection: psycopg.Connection[Any], query: str, path: Path) -> Path:
    """Write what a query gives into a file: every value in quotes, and nothing for NULL."""
    statement = f"COPY ({query}) TO STDOUT (FORMAT csv, FORCE_QUOTE *)"
    with path.open("wb") as file, connection.cursor() as cursor, cursor.copy(statement.encode()) as rows:
        for part in rows:
            file.write(part)
    return path
