"""The ledger: one DuckDB file, one writer thread with group commit, a few reader threads.

A write returns after its transaction is on disk. Writes that wait during a commit go into the next one together, so
many callers share one fsync.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

import duckdb

from models.errors import Overloaded, ShuttingDown, Unavailable, VestibuleError
from models.private_files import make_private_folder
from models.reasons import Reason
from server.ledger.checkpoints import Checkpoints
from server.ledger.columns import DuckDb, RunAgain
from server.ledger.connection import MEMORY_BYTES, connect, with_new_storage
from server.ledger.errors import DISK_HINT, translate
from server.ledger.group_commit import Settled, Write
from server.ledger.half_made import delete_half_made
from server.ledger.migrate import migrate, require_newest
from server.ledger.open_file import TRY_AGAIN_S, OpenFile
from server.ledger.readers import Readers
from server.ledger.rewrite import rewrite
from server.ledger.types import Clock, utc_now
from server.ledger.write_queue import Alone, End, WriteQueue

T = TypeVar("T")

QUEUE_LENGTH = 4096
READ_ATTEMPTS = 20
READ_PAUSE_S = 0.1


@dataclass(frozen=True, slots=True)
class WriterHealth:
    """How the last writes of a ledger ended.

    Attributes:
        last_commit: When something was committed last; None before the first commit of this process.
        refused_since: Since when the disk refuses commits; None while it takes them.
        refusal: Why, one sentence.
    """

    last_commit: datetime | None = None
    refused_since: datetime | None = None
    refusal: str = ""


class Ledger:
    """Owns the file. Made by ``open``; every other process goes through Quack.

    Functions given to ``write`` must only touch their cursor, because they are rolled back and run again when another
    one of their batch fails. They never commit or roll back themselves.
    """

    def __init__(self, connection: DuckDb, path: Path, clock: Clock, memory_bytes: int) -> None:
        self.path = path
        self.clock = clock
        self._file = OpenFile(connection, path, memory_bytes)
        self._health = WriterHealth()
        self._observe: Callable[[float], None] = _ignore
        self._queue = WriteQueue(QUEUE_LENGTH)
        self._closing = threading.Lock()
        self._closed = False
        self._readers = Readers(self.cursor)
        self._writer = threading.Thread(target=self._write_until_closed, name="ledger-write", daemon=True)
        self._writer.start()

    @classmethod
    def open(
        cls, path: Path, clock: Clock = utc_now, *, memory_bytes: int = MEMORY_BYTES, migrates: bool = True
    ) -> Ledger:
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
    def _checked(cls, connection: DuckDb, path: Path, clock: Clock, memory_bytes: int, *, migrates: bool) -> Ledger:
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

    async def write(self, fn: Callable[[DuckDb], T]) -> T:
        """Run a function in a transaction; returns its result after the commit is on disk.

        Raises:
            Overloaded: LEDGER_BUSY when too many writes wait.
            ShuttingDown: After ``close``.
            VestibuleError: What the function raised, or a translated error of DuckDB.
        """
        return await asyncio.wrap_future(self._submit(fn))

    async def write_many(self, fn: Callable[[DuckDb], T], rows: int, on_commit: Callable[[T], None]) -> T:
        """``write`` for many rows that came together. Other writes go first, see ``write_queue``.

        Args:
            fn: Writes them.
            rows: How many; at least 1.
            on_commit: Is given the result on the writer's thread, after the commit and before the next transaction.
        """
        return await asyncio.wrap_future(self._submit(fn, rows, on_commit))

    def write_now(self, fn: Callable[[DuckDb], T]) -> T:
        """``write`` for code without an event loop."""
        return self._submit(fn).result()

    async def read(self, fn: Callable[[DuckDb], T]) -> T:
        """Run a function on a snapshot, in a read-only transaction, beside the writer.

        Raises:
            VestibuleError: What the function raised, or a translated error of DuckDB.
        """
        for _ in range(READ_ATTEMPTS):
            try:
                return await asyncio.wrap_future(self._submit_read(fn))
            except RunAgain:  # after a fatal error; a write makes sure that the file is opened again
                with suppress(VestibuleError):
                    self._submit(lambda cursor: None)
                await asyncio.sleep(READ_PAUSE_S)
        raise Unavailable("The ledger is opened again.", reason=Reason.LEDGER_IO, hint=DISK_HINT)

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

    @property
    def health(self) -> WriterHealth:
        """How its last writes ended."""
        return self._health

    def observe_commits(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each transaction told, on the writer's thread; it must not raise."""
        self._observe = observe

    def close(self) -> None:
        """Finish what was submitted, write the WAL into the file and close it. Safe to repeat."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._queue.end()
        self._writer.join()
        self._readers.close()
        self._file.close()

    def _submit(
        self, fn: Callable[[DuckDb], T], rows: int = 0, on_commit: Callable[[T], None] | None = None
    ) -> Future[T]:
        write = Write(fn, Future(), on_commit)
        self._put(write, rows)
        return write.future

    def _put(self, item: Write[Any] | Alone[Any], rows: int = 0) -> None:
        with self._closing:  # nothing may enter the queue after its end
            if self._closed:
                raise _closed()
            try:
                self._queue.put(item, rows)
            except queue.Full:
                raise Overloaded("Too many writes wait.", reason=Reason.LEDGER_BUSY, retry_after_s=0.5) from None

    def _submit_read(self, fn: Callable[[DuckDb], T]) -> Future[T]:
        with self._closing:
            if self._closed:
                raise _closed()
            return self._readers.submit(fn)

    def _write_until_closed(self) -> None:
        item: Alone[Any] | End | None = None
        while not isinstance(item, End):
            batch, item = self._queue.take(TRY_AGAIN_S if self._file.broken else None)
            self._open_if_due()
            if batch:
                began = time.perf_counter()
                self._note(self._file.settle(batch, self._queue.more))
                self._observe(time.perf_counter() - began)
                self._open_if_due()
            if isinstance(item, Alone):
                item.run()

    def _open_if_due(self) -> None:
        if self._file.due:
            with self._readers.paused():
                self._file.open_again()

    def _note(self, settled: Settled) -> None:
        if settled.committed:
            self._health = WriterHealth(self.clock())
        if settled.refused is not None:
            since = self._health.refused_since or self.clock()
            self._health = WriterHealth(self._health.last_commit, since, settled.refused.message)

    def _write_anew(self) -> None:
        with self._readers.paused():
            self._file.replace(rewrite)


def _ignore(_seconds: float) -> None:
    return None


def _closed() -> ShuttingDown:
    return ShuttingDown("The ledger is closed.")
