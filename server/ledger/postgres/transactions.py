"""A connection to PostgreSQL: its transactions, and what its errors mean."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

import psycopg

from models.errors import VestibuleError
from server.ledger.columns import RunAgain
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.errors import CONFLICTS, GONE, translate
from server.ledger.transactions import Failure


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
