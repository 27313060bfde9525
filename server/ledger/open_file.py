"""The open file of the ledger. It is opened again when DuckDB refuses everything after a fatal error."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import duckdb

from models.errors import Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.checkpoints import PAUSE_S, Checkpoints
from server.ledger.columns import DuckDb, RunAgain
from server.ledger.connection import connect
from server.ledger.errors import DISK_HINT, translate
from server.ledger.group_commit import More, Settled, Write, settle
from server.observability.log import describe, get_logger

log = get_logger("ledger")

TRY_AGAIN_S: Final = 1.0
"""Pause between two attempts to open the file."""


class OpenFile:
    """The connection of the writer. Its methods are called on the writer's thread, but ``cursor`` on any.

    Args:
        connection: To the file, just opened.
        path: The DuckDB file.
        memory_bytes: Bound for everything that DuckDB does with it.
        checkpoints: Lets DuckDB checkpoint while there is room.
        monotonic: Seconds of a clock that never goes back.

    Attributes:
        connection: The writer's own.
        broken: Why the file is not open at the moment.
    """

    def __init__(
        self,
        connection: DuckDb,
        path: Path,
        memory_bytes: int,
        checkpoints: Checkpoints | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.connection = connection
        self.broken: VestibuleError | None = None
        self._path = path
        self._memory_bytes = memory_bytes
        self._checkpoints = checkpoints or Checkpoints(path)
        self._monotonic = monotonic
        self._next_try_s: float | None = None

    def cursor(self) -> DuckDb:
        """A connection of its own to the open file.

        Raises:
            VestibuleError: The file cannot be opened at the moment.
            RunAgain: It is about to be opened again.
        """
        if self.broken is not None:
            raise RunAgain if self._next_try_s is None else copy.copy(self.broken)
        return self.connection.cursor()

    def settle(self, batch: list[Write[Any]], more: More = lambda: []) -> Settled:
        """Commit a batch, see ``group_commit.settle``. After a fatal error the file is to be opened again."""
        if self.broken is not None:
            for write in batch:
                write.future.set_exception(copy.copy(self.broken))
            return Settled()
        self._checkpoints.fit(self.connection)
        settled = settle(self.connection, batch, more)
        if settled.fatal:
            self.broken = settled.refused
            self._next_try_s = None
        return settled

    @property
    def due(self) -> bool:
        """Whether the file is not open, and to be opened now."""
        return self.broken is not None and (self._next_try_s is None or self._monotonic() >= self._next_try_s)

    def open_again(self) -> None:
        """Open the file after a fatal error. Nobody may have a cursor. After a failure it is due again in a while."""
        if self._reconnect(pause_s=PAUSE_S):
            log.warning("ledger_opened_again")

    def replace(self, rewrite: Callable[[Path], None]) -> None:
        """Close the file while a function replaces it. Nobody may have a cursor."""
        self.connection.close()
        try:
            rewrite(self._path)
        finally:
            self._reconnect(pause_s=0.0)

    def _reconnect(self, *, pause_s: float) -> bool:
        self.connection.close()
        try:
            self.connection = connect(self._path, self._memory_bytes)
        except duckdb.Error as error:
            self.broken = translate(error)
        except OSError as error:
            name = type(error).__name__
            self.broken = Unavailable(
                f"The ledger cannot be opened again ({name}).", reason=Reason.LEDGER_IO, hint=DISK_HINT
            )
        else:
            self.broken = None
            self._checkpoints.opened_anew(pause_s=pause_s)
            return True
        self._next_try_s = self._monotonic() + TRY_AGAIN_S
        log.error("ledger_not_open", **describe(self.broken))
        return False

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
        self.connection.close()
        if failure is not None and failure.reason != Reason.LEDGER_CONFLICT:
            raise failure
