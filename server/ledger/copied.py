"""Opens a ledger that no server uses, whatever its schema: a copy, or that of a stopped server. For backups."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.columns import Cursor, DuckDb, count, fetch_all
from server.ledger.connection import connect
from server.ledger.errors import DISK_HINT, translate
from server.ledger.migrate import needed_schema, refuse_newer
from server.ledger.migrations import ALL
from server.ledger.needed_media import needed_spool_ids


@dataclass(frozen=True, slots=True)
class LedgerContents:
    """What a ledger refers to.

    Attributes:
        schema_number: Its last migration that a release must know to use it.
        is_newest: Whether it needs no migration.
        spool_ids: Media that jobs need.
        stream_ids: Streams that can be resumed.
        artifacts: Names of redacted pictures and recordings.
    """

    schema_number: int
    is_newest: bool
    spool_ids: frozenset[str]
    stream_ids: frozenset[str]
    artifacts: frozenset[str]


def fold_wal(path: Path) -> None:
    """Write the write-ahead log beside a copy into it.

    Raises:
        VestibuleError: The file is damaged, or the disk refuses.
    """
    with _translated():
        connection = connect(path)
        try:
            connection.execute("CHECKPOINT")
        finally:
            connection.close()


@contextmanager
def opened_copy(path: Path) -> Iterator[DuckDb]:
    """A connection to a copy that changes nothing.

    Raises:
        VestibuleError: It is no ledger, or is damaged. From the block too, for errors of DuckDB there.
    """
    with _translated():
        connection = duckdb.connect(str(path), read_only=True)
        try:
            yield connection
        finally:
            connection.close()


@contextmanager
def opened_stopped(path: Path) -> Iterator[DuckDb]:
    """A connection to the ledger of a stopped server. It migrates nothing; each statement commits.

    Raises:
        VestibuleError: LEDGER_LOCKED, a server uses it. From the block too, for errors of DuckDB there.
    """
    with _translated():
        try:
            connection = connect(path)
        except OSError as error:
            message = f"The ledger's file cannot be used ({type(error).__name__})."
            raise Unavailable(message, reason=Reason.LEDGER_IO, hint=DISK_HINT) from error
        try:
            yield connection
        finally:
            connection.close()


def contents(cursor: Cursor) -> LedgerContents:
    """What a ledger refers to, of any schema up to the newest.

    Raises:
        InternalError: LEDGER_NEWER.
    """
    done = count(cursor, "SELECT max(number) FROM migrations")
    schema_number = needed_schema(cursor, done)
    refuse_newer(schema_number)
    columns = {row["column_name"] for row in fetch_all(cursor, _COLUMNS_OF_UPLOADS)}
    path = "artifact_path" if "artifact_path" in columns else "picture_path"
    artifacts = fetch_all(cursor, f"SELECT {path} AS path FROM uploads WHERE {path} <> ''")  # noqa: S608 - ours
    streams = fetch_all(cursor, "SELECT id FROM streams WHERE open")
    return LedgerContents(
        schema_number,
        done >= len(ALL),
        frozenset(needed_spool_ids(cursor)),
        frozenset(row["id"] for row in streams),
        frozenset(row["path"] for row in artifacts),
    )


def is_unused(path: Path) -> bool:
    """Whether a ledger is new: no server has worked with it. False also where that cannot be seen."""
    try:
        with opened_copy(path) as cursor:
            return not count(cursor, "SELECT (SELECT count(*) FROM audit) + (SELECT count(*) FROM sessions)")
    except VestibuleError:
        return False


_COLUMNS_OF_UPLOADS = "SELECT column_name FROM duckdb_columns() WHERE table_name = 'uploads'"


@contextmanager
def _translated() -> Iterator[None]:
    failure: VestibuleError
    try:
        yield
        return
    except duckdb.Error as error:
        failure = translate(error)
    raise failure
