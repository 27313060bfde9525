"""The open file of the embedded ledger."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.checkpoints import PAUSE_S, Checkpoints
from server.ledger.columns import DuckDb, RunAgain
from server.ledger.connection import connect
from server.ledger.errors import DISK_HINT, translate
from server.ledger.group_commit import More, Settled, Write
from server.ledger.open_connection import OpenConnection
from server.ledger.transactions import EmbeddedTransactions


class OpenFile(OpenConnection):
    """The connection of the writer. Its methods are called on the writer's thread, but ``reader`` on any.

    Args:
        connection: To the file, just opened.
        path: The DuckDB file.
        memory_bytes: Bound for everything that DuckDB does with it.
        checkpoints: Lets DuckDB checkpoint while there is room.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        connection: DuckDb,
        path: Path,
        memory_bytes: int,
        checkpoints: Checkpoints | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(EmbeddedTransactions(connection), monotonic)
        self._path = path
        self._memory_bytes = memory_bytes
        self._checkpoints = checkpoints or Checkpoints(path)

    @property
    def connection(self) -> DuckDb:
        """The writer's own."""
        connection: DuckDb = self.transactions.cursor
        return connection

    def cursor(self) -> DuckDb:
        """A connection of its own to the open file.

        Raises:
            VestibuleError: The file cannot be opened at the moment.
            RunAgain: It is about to be opened again.
        """
        if self.broken is not None:
            raise copy.copy(self.broken) if self.was_tried else RunAgain
        return self.connection.cursor()

    def reader(self) -> EmbeddedTransactions:
        """``cursor`` for reads."""
        return EmbeddedTransactions(self.cursor())

    def settle(self, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
        """Commit a batch, after a look whether the disk has room for a checkpoint."""
        if self.broken is None:
            self._checkpoints.fit(self.connection)
        return super().settle(batch, more)

    def open_again(self) -> None:
        """Open the file after a fatal error. Nobody may have a cursor. Checkpoints pause for a while."""
        super().open_again()
        if self.broken is None:
            self._checkpoints.opened_anew(pause_s=PAUSE_S)

    def replace(self, rewrite: Callable[[Path], None]) -> None:
        """Close the file while a function replaces it. Nobody may have a cursor."""
        self.connection.close()
        try:
            rewrite(self._path)
        finally:
            if self.reconnect():
                self._checkpoints.opened_anew()

    def connect(self) -> EmbeddedTransactions:
        """Open the file.

        Raises:
            VestibuleError: It cannot be opened at the moment.
        """
        failure: VestibuleError
        try:
            return EmbeddedTransactions(connect(self._path, self._memory_bytes))
        except duckdb.Error as error:
            failure = translate(error)
        except OSError as error:
            name = type(error).__name__
            failure = Unavailable(
                f"The ledger cannot be opened again ({name}).", reason=Reason.LEDGER_IO, hint=DISK_HINT
            )
        raise failure

    def close(self) -> None:
        """Write the WAL into the file, if there is room for that, and close it.

        Raises:
            VestibuleError: The WAL could not be written in. Nothing is lost: the next start reads it.
        """
        failure: VestibuleError | None = None
        try:
            if self.broken is None and self._checkpoints.have_room():
                self.connection.execute("CHECKPOINT")
        except duckdb.Error as error:
            failure = translate(error)
        super().close()
        if failure is not None and failure.reason != Reason.LEDGER_CONFLICT:
            raise failure
