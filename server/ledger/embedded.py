"""The embedded ledger: one DuckDB file, which one server holds."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TypeVar

import duckdb

from models.errors import Unavailable, VestibuleError
from models.private_files import make_private_folder
from models.reasons import Reason
from server.ledger.checkpoints import Checkpoints
from server.ledger.columns import DuckDb
from server.ledger.connection import MEMORY_BYTES, connect, with_new_storage
from server.ledger.errors import DISK_HINT, translate
from server.ledger.half_made import delete_half_made
from server.ledger.migrate import migrate, require_newest
from server.ledger.open_file import OpenFile
from server.ledger.readers import Readers
from server.ledger.rewrite import rewrite
from server.ledger.transactional import TransactionalLedger
from server.ledger.types import Clock, utc_now
from server.ledger.write_queue import Alone

T = TypeVar("T")


class EmbeddedLedger(TransactionalLedger[DuckDb]):
    """Owns the file. Made by ``open``; every other process goes through Quack."""

    where = "One DuckDB file"

    def __init__(self, connection: DuckDb, path: Path, clock: Clock, memory_bytes: int) -> None:
        self.path = path
        self._file = OpenFile(connection, path, memory_bytes)
        super().__init__(self._file, Readers(self._file.reader), clock, DISK_HINT)

    @classmethod
    def open(
        cls, path: Path, clock: Clock = utc_now, *, memory_bytes: int = MEMORY_BYTES, migrates: bool = True
    ) -> EmbeddedLedger:
        """Open or create the file and bring it to the newest schema.

        A file whose making was cut short, as by a kill, is made anew.

        Args:
            path: The DuckDB file. Its folder is made, and closed to other users.
            clock: For the rows that record migrations; callers may use it too.
            memory_bytes: Bound for everything that DuckDB does with this file, analysts' queries included.
            migrates: Whether to bring the file to the newest schema; else an older one is refused.

        Raises:
            Unavailable: LEDGER_LOCKED when another process holds the file, LEDGER_IO when the disk refuses.
            InternalError: LEDGER_NEWER when a newer release has written the file, LEDGER_OLDER when an older one has
                and nothing may be migrated.
        """
        failure: VestibuleError
        try:
            make_private_folder(path.parent)
            delete_half_made(path)
            connection = connect(path, memory_bytes)
        except duckdb.Error as error:
            failure = translate(error)
        except OSError as error:
            name = type(error).__name__
            failure = Unavailable(
                f"The ledger's folder cannot be used ({name}).", reason=Reason.LEDGER_IO, hint=DISK_HINT
            )
        else:
            return cls._checked(connection, path, clock, memory_bytes, migrates=migrates)
        raise failure

    @classmethod
    def _checked(
        cls, connection: DuckDb, path: Path, clock: Clock, memory_bytes: int, *, migrates: bool
    ) -> EmbeddedLedger:
        failure: VestibuleError
        try:
            if migrates:
                migrate(connection, clock)
                if Checkpoints(path).have_room():
                    connection = with_new_storage(connection, path, memory_bytes)
            else:
                require_newest(connection)
        except duckdb.Error as error:
            failure = translate(error)
        except VestibuleError as error:
            failure = error
        else:
            return cls(connection, path, clock, memory_bytes)
        connection.close()
        raise failure

    async def between_commits(self, fn: Callable[[], T]) -> T:
        """Run a function on the writer's thread while no transaction of a write is open; returns its result.

        Reads go on beside it. Every write waits for it, so it must be short.
        """
        return await asyncio.wrap_future(self.submit_between_commits(fn))

    def submit_between_commits(self, fn: Callable[[], T]) -> Future[T]:
        """``between_commits`` for code without an event loop."""
        alone = Alone(fn, Future())
        self._put(alone)
        return alone.future

    async def rewrite(self) -> None:
        """Write the ledger into a new file, so that no byte of a deleted row is left in it.

        Reads and writes wait meanwhile. Found in docs/evaluation/server.md, "Rewriting the ledger".

        Raises:
            VestibuleError: See ``server.ledger.rewrite``; the ledger is as it was, and goes on.
        """
        await self.between_commits(self._write_anew)

    def cursor(self) -> DuckDb:
        """A connection of its own to the open file. The caller closes it.

        Raises:
            VestibuleError: The file is being opened again after a fatal error.
        """
        return self._file.cursor()

    def _while_opening(self) -> AbstractContextManager[None]:
        return self._readers.paused()

    def _write_anew(self) -> None:
        with self._readers.paused():
            self._file.replace(rewrite)
