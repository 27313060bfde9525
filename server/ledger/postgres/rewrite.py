"""Writes tables of PostgreSQL into new files, so that no byte of a deleted row is left in them."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

import psycopg
from psycopg import errors

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.postgres.cursor import connect
from server.ledger.postgres.errors import translate

LONGEST_S: Final = 60.0
"""How long it is tried, for each table and for those who still see the deleted rows."""
_PAUSE_S: Final = 1.0
_LOCK_S: Final = 2
"""Longest wait for a table: whoever asks for it meanwhile waits behind."""

_SEEN: Final = """SELECT EXISTS (
    SELECT 1 FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND pid <> pg_backend_pid()
        AND datname = current_database() AND age(backend_xmin) >= age($1::VARCHAR::XID)
) OR EXISTS (
    SELECT 1 FROM pg_replication_slots WHERE xmin IS NOT NULL AND age(xmin) >= age($1::VARCHAR::XID)
)"""
_TABLES: Final = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"


def write_anew(url: str, tables: Sequence[str] = ()) -> None:
    """Write tables into new files, with new statistics about their values. Those of a table without rows stay.

    Before that, wait for transactions that may still see what was deleted: their rows would be copied.

    Args:
        url: As libpq takes it.
        tables: Their names; empty means all of the schema.

    Raises:
        VestibuleError: LEDGER_CONFLICT, somebody uses a table or an old snapshot for too long, such as a dump. It can
            be repeated. LEDGER_IO, PostgreSQL does not answer.
    """
    failure: VestibuleError
    try:
        with connect(url) as connection:
            connection.autocommit = True
            _wait_for_readers(connection)
            connection.execute(f"SET lock_timeout = '{_LOCK_S}s'")
            named = tables or [row[0] for row in connection.execute(_TABLES).fetchall()]
            for table in named:
                _vacuum(connection, f"VACUUM (FULL, ANALYZE) {table}")
            _vacuum(connection, "VACUUM (FULL) pg_catalog.pg_statistic")  # it had values of columns
    except psycopg.Error as error:
        failure = translate(error)
    else:
        return
    raise failure


def _wait_for_readers(connection: psycopg.Connection[Any]) -> None:
    """Wait until no transaction sees rows that are deleted now.

    Raises:
        Unavailable: LEDGER_CONFLICT.
    """
    row = connection.execute("SELECT pg_current_xact_id()::XID::VARCHAR").fetchone()
    assert row is not None
    give_up_at = time.monotonic() + LONGEST_S
    with psycopg.RawCursor(connection) as cursor:
        while cursor.execute(_SEEN.encode(), [row[0]]).fetchone() == (True,):
            if time.monotonic() > give_up_at:
                raise Unavailable(
                    "Another transaction of the database still sees what was deleted.",
                    reason=Reason.LEDGER_CONFLICT,
                    hint="A dump, a long query or a replication slot may be the cause. It is tried again.",
                )
            time.sleep(_PAUSE_S / 10)


def _vacuum(connection: psycopg.Connection[Any], statement: str) -> None:
    give_up_at = time.monotonic() + LONGEST_S
    while True:
        try:
            connection.execute(statement.encode())
        except errors.LockNotAvailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
