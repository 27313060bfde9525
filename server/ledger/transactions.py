"""A connection to an engine of the ledger: its transactions, and what its errors mean."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import duckdb

from server.ledger.columns import DuckDb, RunAgain
from server.ledger.errors import translate


@dataclass(frozen=True, slots=True)
class Failure:
    """What an error means.

    Attributes:
        error: What the caller is given.
        fatal: Whether the connection is of no use any more. What it was committing may be stored or not.
        again: Whether the same function may succeed when it is run once more.
    """

    error: Exception
    fatal: bool = False
    again: bool = False


class Transactions(Protocol):
    """A connection that has at most one transaction at a time."""

    @property
    def cursor(self) -> Any:
        """What functions over the ledger are given within a transaction."""

    def begin(self) -> None:
        """Begin a transaction that reads and writes."""

    def begin_read(self) -> None:
        """Begin a transaction that reads one snapshot, and cannot write."""

    def commit(self) -> None:
        """End the transaction; what it wrote is on the disk."""

    def roll_back(self) -> None:
        """End the transaction, if there is one. What it wrote is gone. It raises nothing."""

    def close(self) -> None:
        """End the connection. It raises nothing."""

    def explain(self, error: Exception) -> Failure:
        """What an error means that a transaction, or a function within it, has raised."""


class EmbeddedTransactions:
    """A connection to the file of DuckDB.

    Args:
        connection: Of the thread that uses this.
    """

    def __init__(self, connection: DuckDb) -> None:
        self.cursor = connection

    def begin(self) -> None:
        """Begin a transaction that reads and writes."""
        self.cursor.begin()

    def begin_read(self) -> None:
        """Begin a transaction that reads one snapshot, and cannot write."""
        self.cursor.execute("BEGIN TRANSACTION READ ONLY")

    def commit(self) -> None:
        """End the transaction; what it wrote is on the disk."""
        self.cursor.commit()

    def roll_back(self) -> None:
        """End the transaction, if there is one."""
        try:
            self.cursor.rollback()
        except duckdb.Error:
            return  # a failed commit has already ended its transaction

    def close(self) -> None:
        """End the connection."""
        self.cursor.close()

    def explain(self, error: Exception) -> Failure:
        """What an error means. After a fatal one DuckDB refuses everything until the file is opened again."""
        if isinstance(error, duckdb.Error):
            return Failure(translate(error), fatal=isinstance(error, duckdb.FatalException))
        return Failure(error, again=isinstance(error, RunAgain))
