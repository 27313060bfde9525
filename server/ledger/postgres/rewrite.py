"""Writes tables of PostgreSQL into new files, so that no byte of a deleted row is left in them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Final

import psycopg
from psycopg import errors

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.postgres.cursor import connect
from server.ledger.postgres.errors import translated

LONGEST_S: Final = 60.0
"""How long it is tried, for each table and for those who still see the deleted rows."""
_PAUSE_S: Final = 1.0
_LOCK_S: Final = 2
"""Longest wait for a table: whoever asks for it meanwhile waits behind."""

_SEEN: Final = """SELECT pg_snapshot_xmin(pg_current_snapshot()) <= $1::VARCHAR::XID8 OR EXISTS (
    SELECT 1 FROM pg_stat_activity WHERE pid <> pg_backend_pid() AND age(backend_xmin) >= age($1::VARCHAR::XID8::XID)
        AND (datname = current_database() OR datname IS NULL) AND pid NOT IN (SELECT pid FROM pg_stat_progress_vacuum)
) OR EXISTS (
    SELECT 1 FROM pg_replication_slots WHERE wal_status IS DISTINCT FROM 'lost'
        AND greatest(age(xmin), CASE WHEN $2::BOOLEAN THEN age(catalog_xmin) END) >= age($1::VARCHAR::XID8::XID)
)"""
"""First, whether a transaction that is as old still writes or is prepared, in any database: rows stay for it, because
whoever reads later reads as if it could still end. Then those who read, standbys among them, but for a ``VACUUM``.
Then replication slots: the ``catalog_xmin`` of a logical one keeps rows of the system's tables alone."""
_FORGET: Final = """SELECT pg_clear_attribute_stats(schemaname::TEXT, tablename::TEXT, attname::TEXT, inherited)
FROM pg_stats WHERE schemaname = current_schema() AND quote_ident(tablename) = $1"""
_CAN_FORGET: Final = 180000
"""The first release that has this function."""
_STATISTICS: Final = "SELECT pg_relation_filenode('pg_catalog.pg_statistic')"
_TABLES: Final = "SELECT quote_ident(tablename) FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"


def write_anew(url: str, tables: Sequence[str] = ()) -> None:
    """Write tables into new files, with new statistics about their values.

    At first, wait for transactions that may still see what was deleted: their rows would be copied. Statistics of a
    table that has no more rows stay where PostgreSQL is older than 18, until rows of it are analysed.

    Args:
        url: As libpq takes it.
        tables: Their names; empty means all of the schema.

    Raises:
        VestibuleError: LEDGER_CONFLICT, somebody uses a table or an old snapshot for too long, such as a dump, or the
            user does not own the database. It can be repeated. LEDGER_IO, PostgreSQL does not answer.
    """
    with translated(), connect(url) as connection:
        connection.autocommit = True
        _wait_for_readers(connection)
        connection.execute(f"SET lock_timeout = '{_LOCK_S}s'")
        named = tables or [row[0] for row in connection.execute(_TABLES).fetchall()]
        for table in named:
            _patiently(partial(connection.execute, f"VACUUM (FULL, ANALYZE) {table}".encode()))
            _patiently(partial(_forget_values, connection, table))
        _wait_for_readers(connection, of_system=True)  # of what the statistics were until now
        _rewrite_statistics(connection)


def _wait_for_readers(connection: psycopg.Connection[Any], *, of_system: bool = False) -> None:
    """Wait until no transaction sees rows that are deleted now, of tables or of tables of the system.

    Raises:
        Unavailable: LEDGER_CONFLICT.
    """
    row = connection.execute("SELECT pg_current_xact_id()::VARCHAR").fetchone()
    assert row is not None
    give_up_at = time.monotonic() + LONGEST_S
    with psycopg.RawCursor(connection) as cursor:
        while cursor.execute(_SEEN.encode(), [row[0], of_system]).fetchone() == (True,):
            if time.monotonic() > give_up_at:
                raise Unavailable(
                    "Another transaction still sees what was deleted.",
                    reason=Reason.LEDGER_CONFLICT,
                    hint="A dump, a long query, a transaction of another database of this PostgreSQL, or a replication "
                    "slot may be the cause. It is tried again.",
                )
            time.sleep(_PAUSE_S / 10)


def _forget_values(connection: psycopg.Connection[Any], table: str) -> None:
    """Forget the statistics of a table without rows, which ``ANALYZE`` leaves as they are."""
    if connection.info.server_version < _CAN_FORGET or connection.execute(f"TABLE {table} LIMIT 1".encode()).fetchone():
        return
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(_FORGET.encode(), [table])


def _rewrite_statistics(connection: psycopg.Connection[Any]) -> None:
    """Write the statistics anew: their table had values of columns.

    Raises:
        Unavailable: LEDGER_CONFLICT.
    """
    before = connection.execute(_STATISTICS).fetchone()
    _patiently(partial(connection.execute, "VACUUM (FULL) pg_catalog.pg_statistic"))
    if connection.execute(_STATISTICS).fetchone() == before:  # PostgreSQL only warns
        raise Unavailable(
            "The statistics of PostgreSQL still have values that were deleted.",
            reason=Reason.LEDGER_CONFLICT,
            hint="Let the user of the URL own the database: ALTER DATABASE ... OWNER TO ...",
        )


def _patiently(work: Callable[[], object]) -> None:
    """Do what needs a table, again as long as somebody else uses it."""
    give_up_at = time.monotonic() + LONGEST_S
    while True:
        try:
            work()
        except errors.LockNotAvailable:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
