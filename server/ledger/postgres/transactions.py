"""A connection to PostgreSQL: its transactions, and what its errors mean."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

import psycopg

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import RunAgain
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import CONFLICTS, GONE, translate, translated
from server.ledger.transactions import Failure

LOCK_WAIT_S: Final = 10.0
_NAME: Final = "hashtextextended('vestibule/server/' || coalesce(current_schema(), ''), 0)"
_WORK: Final = """SELECT pg_try_advisory_lock(
    hashtextextended('vestibule/work/' || coalesce(current_schema(), '') || '/' || ?, 0)
)"""
_ALONE: Final = f"SELECT pg_try_advisory_lock({_NAME})"
_WAIT_ALONE: Final = f"SELECT pg_advisory_lock({_NAME})"
_TOGETHER: Final = f"SELECT pg_advisory_lock_shared({_NAME})"
_LEAVE: Final = f"SELECT pg_advisory_unlock({_NAME})"


class PostgresTransactions:
    """Each transaction that writes is READ COMMITTED, and each that only reads sees one snapshot.

    Args:
        connection: Of the thread that uses this.

    Attributes:
        connection: The same.
        cursor: Its cursor.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self.connection = connection
        self.cursor = PostgresCursor(connection)

    def begin(self) -> None:
        """Do nothing: the first statement begins a transaction that reads and writes."""

    def begin_read(self) -> None:
        """Begin a transaction that reads one snapshot, and cannot write."""
        self.cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        """End the transaction; what it wrote is on the disk."""
        self.connection.commit()

    def roll_back(self) -> None:
        """End the transaction, if there is one."""
        with suppress(psycopg.Error):  # the next statement tells
            self.connection.rollback()

    def close(self) -> None:
        """End the connection."""
        with suppress(psycopg.Error):
            self.connection.close()

    def explain(self, error: Exception) -> Failure:
        """What an error means.

        A key that is there already is tried again: another server may have stored it after this one had looked. The
        next run finds it.
        """
        if not isinstance(error, psycopg.Error):
            return Failure(error, again=isinstance(error, RunAgain))
        fatal = self.connection.broken or isinstance(error, GONE)
        again = isinstance(error, (*CONFLICTS, psycopg.errors.UniqueViolation))
        return Failure(translate(error), fatal, again)


def connected(url: str) -> PostgresTransactions:
    """Connect.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses.
    """
    with translated():
        return PostgresTransactions(connect(url))


def connected_alone(url: str) -> PostgresTransactions:
    """Connect, and have the ledger alone for as long as the connection lasts.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses; LEDGER_LOCKED, a server has it.
    """
    return _connected(url, hold_alone)


def connected_together(url: str) -> PostgresTransactions:
    """Connect, and share the ledger with others that do so, for as long as the connection lasts.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses; LEDGER_LOCKED, another connection has it alone.
    """
    return _connected(url, _hold_together)


def _connected(url: str, hold: Callable[[psycopg.Connection[Any]], None]) -> PostgresTransactions:
    with translated():
        connection = connect(url)
        try:
            hold(connection)
        except (Unavailable, psycopg.Error):
            connection.close()
            raise
        connection.commit()
    return PostgresTransactions(connection)


def hold_alone(connection: psycopg.Connection[Any]) -> None:
    """Have the ledger alone for as long as a connection lasts.

    Raises:
        Unavailable: LEDGER_LOCKED, a server has it.
        psycopg.Error: PostgreSQL does not answer.
    """
    if connection.execute(_ALONE).fetchone() != (True,):
        raise Unavailable(
            "Another server has the ledger.",
            reason=Reason.LEDGER_LOCKED,
            hint="Servers that share a database share a folder, too: VESTIBULE_SHARED_DIR.",
        )


def wait_alone(connection: psycopg.Connection[Any]) -> None:
    """Have the ledger alone as ``hold_alone`` does, after a wait of at most ``LOCK_WAIT_S``.

    Raises:
        Unavailable: LEDGER_LOCKED, servers have it.
        psycopg.Error: PostgreSQL does not answer.
    """
    if not _got(connection, _WAIT_ALONE):
        raise Unavailable(
            "Servers use the ledger, and this release has to change its schema.",
            reason=Reason.LEDGER_LOCKED,
            hint="Stop all servers of the earlier release first.",
        )


def leave_alone(connection: psycopg.Connection[Any]) -> None:
    """Give back what ``wait_alone`` got, at once: a connection that is closed gives it back a moment later."""
    connection.execute(_LEAVE)
    connection.commit()


def _hold_together(connection: psycopg.Connection[Any]) -> None:
    # It waits, as a server that changes the schema has it alone for a moment.
    if not _got(connection, _TOGETHER):
        raise Unavailable(
            "A server without VESTIBULE_SHARED_DIR, or a command, has the ledger alone.",
            reason=Reason.LEDGER_LOCKED,
            hint="Stop it, or set VESTIBULE_SHARED_DIR there, too.",
        )


class HeldName:
    """A name that one connection at a time holds, for work of which the transactions are many. All methods block.

    Args:
        url: As libpq takes it.
        name: Of the work.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses.
    """

    def __init__(self, url: str, name: str) -> None:
        self._name = name
        self._transactions = connected(url)

    def hold(self) -> bool:
        """Hold it until the end, if nobody else does; returns whether this does. It can be repeated until then.

        Whoever waited within a statement would see earlier rows meanwhile, which a rewrite would have to keep.

        Raises:
            VestibuleError: PostgreSQL does not answer.
        """
        with translated():
            row = self._transactions.cursor.execute(_WORK, [self._name]).fetchone()
            self._transactions.commit()
        return row == (True,)

    def close(self) -> None:
        """End the connection; others can hold the name."""
        self._transactions.close()


def _got(connection: psycopg.Connection[Any], lock: str) -> bool:
    """Wait for a lock, ``LOCK_WAIT_S`` at most; returns whether it was got."""
    try:
        connection.execute(f"SET LOCAL lock_timeout = {round(1000 * LOCK_WAIT_S)}".encode())
        connection.execute(lock)
    except psycopg.errors.LockNotAvailable:
        return False
    return True
