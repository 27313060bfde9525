"""A connection to PostgreSQL: its transactions, and what its errors mean."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Final

import psycopg

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.columns import RunAgain
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import CONFLICTS, GONE, translate
from server.ledger.transactions import Failure

_ALONE: Final = (
    "SELECT pg_try_advisory_lock(hashtextextended('vestibule/server/' || coalesce(current_schema(), ''), 0))"
)


class PostgresTransactions:
    """Each transaction that writes is READ COMMITTED, and each that only reads sees one snapshot.

    Args:
        connection: Of the thread that uses this.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.cursor = PostgresCursor(connection)

    def begin(self) -> None:
        """Do nothing: the first statement begins a transaction that reads and writes."""

    def begin_read(self) -> None:
        """Begin a transaction that reads one snapshot, and cannot write."""
        self.cursor.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def commit(self) -> None:
        """End the transaction; what it wrote is on the disk."""
        self._connection.commit()

    def roll_back(self) -> None:
        """End the transaction, if there is one."""
        with suppress(psycopg.Error):  # the next statement tells
            self._connection.rollback()

    def close(self) -> None:
        """End the connection."""
        with suppress(psycopg.Error):
            self._connection.close()

    def explain(self, error: Exception) -> Failure:
        """What an error means.

        A key that is there already is tried again: another server may have stored it after this one had looked. The
        next run finds it.
        """
        if not isinstance(error, psycopg.Error):
            return Failure(error, again=isinstance(error, RunAgain))
        fatal = self._connection.broken or isinstance(error, GONE)
        again = isinstance(error, (*CONFLICTS, psycopg.errors.UniqueViolation))
        return Failure(translate(error), fatal, again)


def connected(url: str) -> PostgresTransactions:
    """Connect.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses.
    """
    failure: VestibuleError
    try:
        return PostgresTransactions(connect(url))
    except psycopg.Error as error:
        failure = translate(error)
    raise failure


def connected_alone(url: str) -> PostgresTransactions:
    """Connect, and have the ledger alone for as long as the connection lasts.

    Raises:
        VestibuleError: PostgreSQL does not answer or refuses; LEDGER_LOCKED, another connection has it alone.
    """
    failure: VestibuleError
    try:
        connection = connect(url)
        try:
            hold_alone(connection)
        except (Unavailable, psycopg.Error):
            connection.close()
            raise
        connection.commit()
    except psycopg.Error as error:
        failure = translate(error)
    else:
        return PostgresTransactions(connection)
    raise failure


def hold_alone(connection: psycopg.Connection[Any]) -> None:
    """Have the ledger alone for as long as a connection lasts.

    Raises:
        Unavailable: LEDGER_LOCKED, another connection has it alone.
        psycopg.Error: PostgreSQL does not answer.
    """
    if connection.execute(_ALONE).fetchone() != (True,):
        raise Unavailable(
            "Another server has the ledger.",
            reason=Reason.LEDGER_LOCKED,
            hint="One server at a time can use a database.",
        )
