"""Writes the ledger into a new file.

DuckDB leaves the bytes of a replaced row in its file until it needs their place. After texts were redacted again, the
earlier ones must be in no byte of the file.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

import duckdb

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.columns import DuckDb, count
from server.ledger.connection import connect
from server.ledger.errors import DISK_HINT, translate


def rewrite(path: Path) -> None:
    """Replace a ledger that nobody has open by a copy of its tables, views and indexes.

    The copy takes the place of the file in one step, while the file is still locked. An interrupted run leaves the
    ledger as it was, and a file beside it that the next run deletes.

    Raises:
        Unavailable: LEDGER_LOCKED when a process holds the file or has left writes in a WAL beside it, LEDGER_IO when
            the disk refuses or is full.
        InternalError: LEDGER_COPY_DIFFERS; the ledger is as it was.
    """
    fresh = path.with_name(f"{path.stem}.fresh.duckdb")
    _refuse_wal(path)
    failure: VestibuleError
    try:
        _remove(fresh)
        with connect(path, alone=True) as connection:
            _copy(connection, fresh)
            fresh.replace(path)
            _sync(path.parent)
        return
    except duckdb.ConnectionException:
        failure = Unavailable("This process has the ledger open elsewhere.", reason=Reason.LEDGER_LOCKED)
    except duckdb.Error as error:
        failure = translate(error)
    except OSError as error:
        name = type(error).__name__
        failure = Unavailable(f"The ledger cannot be rewritten ({name}).", reason=Reason.LEDGER_IO, hint=DISK_HINT)
    except VestibuleError as error:
        failure = error
    _remove(fresh)
    raise failure


def _refuse_wal(path: Path) -> None:
    """A WAL of the earlier file would stay beside the new one, with earlier texts and with writes that it lacks."""
    if path.with_name(f"{path.name}.wal").exists():
        raise Unavailable(
            "A write-ahead log lies beside the ledger, so a server has it open or was killed.",
            reason=Reason.LEDGER_LOCKED,
            hint="End the server. If none runs, start and end one, so that it takes the log in; then run this again.",
        )


def _copy(connection: DuckDb, fresh: Path) -> None:
    row = connection.execute("SELECT current_database()").fetchone()
    assert row is not None
    old = f'"{row[0]}"'
    connection.execute(f"ATTACH '{str(fresh).replace(chr(39), chr(39) * 2)}' AS fresh")
    fresh.chmod(stat.S_IRUSR | stat.S_IWUSR)
    connection.execute(f"COPY FROM DATABASE {old} TO fresh")
    if _inventory(connection, row[0]) != _inventory(connection, "fresh"):
        raise InternalError(
            "The copy of the ledger differs from it, so the ledger was left as it is.",
            reason=Reason.LEDGER_COPY_DIFFERS,
            hint="Run it again. If it fails again, report it with the release.",
        )
    connection.execute("DETACH fresh")  # writes its WAL into the file
    _sync(fresh)


def _inventory(connection: DuckDb, database: str) -> tuple[dict[str, int], set[str]]:
    """Rows of each table, and the names of views and indexes."""
    named = "SELECT table_name FROM duckdb_tables() WHERE database_name = ? AND NOT internal"
    tables = [name for (name,) in connection.execute(named, [database]).fetchall()]
    rows = {name: count(connection, f'SELECT count(*) FROM "{database}"."{name}"') for name in tables}  # noqa: S608
    others = """SELECT view_name FROM duckdb_views() WHERE database_name = $1 AND NOT internal
        UNION ALL SELECT index_name FROM duckdb_indexes() WHERE database_name = $1"""
    return rows, {name for (name,) in connection.execute(others, [database]).fetchall()}


def _remove(fresh: Path) -> None:
    for file in (fresh, fresh.with_name(f"{fresh.name}.wal")):
        file.unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
