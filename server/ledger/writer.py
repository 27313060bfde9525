"""The ledger: one DuckDB file, one writer thread with group commit, a few reader threads.

A write returns after its transaction is on disk. Writes that wait during a commit go into the next one together, so
many callers share one fsync.
"""

from __future__ import annotations

import asyncio
import queue
import stat
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import duckdb

from models.errors import Overloaded, ShuttingDown, Unavailable, VestibuleError
from models.private_files import make_private_folder
from models.reasons import Reason
from server.ledger.columns import Cursor, RunAgain
from server.ledger.errors import DISK_HINT, translate
from server.ledger.migrations import migrate, require_newest
from server.ledger.types import Clock, utc_now

T = TypeVar("T")

MEBIBYTE = 1024 * 1024
QUEUE_LENGTH = 4096
BATCH_LENGTH = 256
READERS = 2
MEMORY_BYTES = 1024 * MEBIBYTE
TEMP_BYTES = 4096 * MEBIBYTE
THREADS = 2


@dataclass(slots=True)
class _Write(Generic[T]):
    """A function that waits for its transaction, with the future of its result."""

    fn: Callable[[Cursor], T]
    future: Future[T]
    result: T | None = None
    again: bool = False

    def run(self, cursor: Cursor) -> None:
        self.result = self.fn(cursor)

    def succeed(self) -> None:
        self.future.set_result(self.result)  # type: ignore[arg-type]  # T may itself be None


class Ledger:
    """Owns the file. Made by ``open``; every other process goes through Quack.

    Functions given to ``write`` must only touch their cursor, because they are rolled back and run again when another
    one of their batch fails. They never commit or roll back themselves.
    """

    def __init__(self, connection: Cursor, path: Path, clock: Clock) -> None:
        self.path = path
        self.clock = clock
        self._connection = connection
        self._queue: queue.Queue[_Write[Any] | None] = queue.Queue(QUEUE_LENGTH)
        self._closing = threading.Lock()
        self._closed = False
        self._local = threading.local()
        self._reader_cursors: list[Cursor] = []
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-read")
        self._writer = threading.Thread(target=self._write_until_closed, name="ledger-write", daemon=True)
        self._writer.start()

    @classmethod
    def open(
        cls, path: Path, clock: Clock = utc_now, *, memory_bytes: int = MEMORY_BYTES, migrates: bool = True
    ) -> Ledger:
        """Open or create the file and bring it to the newest schema.

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
        config: dict[str, Any] = {
            "memory_limit": f"{memory_bytes}B",
            "threads": THREADS,
            "max_temp_directory_size": f"{TEMP_BYTES}B",
        }
        failure: VestibuleError
        try:
            make_private_folder(path.parent)
            connection = duckdb.connect(str(path), config=config)
            path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # DuckDB lets others read it, and the folder may be a shared one
        except duckdb.Error as error:
            failure = translate(error)
        except OSError as error:
            name = type(error).__name__
            failure = Unavailable(
                f"The ledger's folder cannot be used ({name}).", reason=Reason.LEDGER_IO, hint=DISK_HINT
            )
        else:
            return cls._checked(connection, path, clock, migrates=migrates)
        raise failure

    @classmethod
    def _checked(cls, connection: Cursor, path: Path, clock: Clock, *, migrates: bool) -> Ledger:
        failure: VestibuleError
        try:
            if migrates:
                migrate(connection, clock)
            else:
                require_newest(connection)
        except duckdb.Error as error:
            failure = translate(error)
        except VestibuleError as error:
            failure = error
        else:
            return cls(connection, path, clock)
        connection.close()
        raise failure

    async def write(self, fn: Callable[[Cursor], T]) -> T:
        """Run a function in a transaction; returns its result after the commit is on disk.

        Raises:
            Overloaded: LEDGER_BUSY when too many writes wait.
            ShuttingDown: After ``close``.
            VestibuleError: What the function raised, or a translated error of DuckDB.
        """
        return await asyncio.wrap_future(self._submit(fn))

    def write_now(self, fn: Callable[[Cursor], T]) -> T:
        """``write`` for code without an event loop."""
        return self._submit(fn).result()

    async def read(self, fn: Callable[[Cursor], T]) -> T:
        """Run a function on a snapshot, in a read-only transaction, beside the writer."""
        return await asyncio.wrap_future(self._submit_read(fn))

    def cursor(self) -> Cursor:
        """A connection of its own to the open file, for the Quack endpoint. The caller closes it."""
        return self._connection.cursor()

    def close(self) -> None:
        """Finish what was submitted, write the WAL into the file and close it. Safe to repeat."""
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._writer.join()
        self._readers.shutdown(wait=True)
        failure: VestibuleError | None = None
        try:
            self._connection.execute("CHECKPOINT")
        except duckdb.Error as error:
            failure = translate(error)  # nothing is lost: the next start replays the WAL
        for connection in (*self._reader_cursors, self._connection):  # the last one to close releases the file
            connection.close()
        if failure is not None and failure.reason != Reason.LEDGER_CONFLICT:
            raise failure

    def _submit(self, fn: Callable[[Cursor], T]) -> Future[T]:
        write = _Write(fn, Future())
        with self._closing:  # nothing may enter the queue after its end mark
            if self._closed:
                raise _closed()
            try:
                self._queue.put_nowait(write)
            except queue.Full:
                raise Overloaded("Too many writes wait.", reason=Reason.LEDGER_BUSY, retry_after_s=0.5) from None
        return write.future

    def _submit_read(self, fn: Callable[[Cursor], T]) -> Future[T]:
        with self._closing:
            if self._closed:
                raise _closed()
            return self._readers.submit(self._read, fn)

    def _read(self, fn: Callable[[Cursor], T]) -> T:
        cursor: Cursor | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._connection.cursor()
            self._reader_cursors.append(cursor)
        failure: VestibuleError
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                return fn(cursor)
            finally:
                cursor.rollback()
        except duckdb.Error as error:
            failure = translate(error)
        raise failure

    def _write_until_closed(self) -> None:
        ended = False
        while not ended:
            batch, ended = self._next_batch()
            self._settle(batch)

    def _next_batch(self) -> tuple[list[_Write[Any]], bool]:
        """Wait for one write and take all that wait with it; also returns whether the end mark was met."""
        batch: list[_Write[Any]] = []
        write = self._queue.get()
        while write is not None:
            if write.future.set_running_or_notify_cancel():
                batch.append(write)
            if len(batch) == BATCH_LENGTH:
                return batch, False
            try:
                write = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _settle(self, batch: list[_Write[Any]]) -> None:
        """Commit a batch. After a failure, commit the writes before the failed one, then that one alone, then the rest.

        DuckDB has no savepoints, so a failed statement rolls back the whole transaction. Splitting keeps the order of
        the writes, and only the caller of the failed one gets its error.
        """
        waiting = deque([batch])
        while waiting:
            part = waiting.popleft()
            if not part:
                continue
            failed_at, error = self._attempt(part)
            if error is None:
                for write in part:
                    write.succeed()
            elif len(part) == 1 and isinstance(error, RunAgain) and not part[0].again:
                part[0].again = True
                waiting.appendleft(part)
            elif len(part) == 1:
                part[0].future.set_exception(error)
            elif failed_at is None:  # the commit failed, so any of them may be the cause
                waiting.extendleft([write] for write in reversed(part))
            else:
                waiting.extendleft((part[failed_at + 1 :], [part[failed_at]], part[:failed_at]))

    def _attempt(self, part: list[_Write[Any]]) -> tuple[int | None, BaseException | None]:
        """Run and commit; returns which write failed (None for the commit) and its error."""
        at: int | None = None
        try:
            self._connection.begin()
            for at, write in enumerate(part):  # noqa: B007 - read after the loop
                write.run(self._connection)
            at = None
            self._connection.commit()
        except duckdb.Error as error:
            failure: BaseException = translate(error)
        except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
            failure = error
        else:
            return None, None
        self._roll_back()
        return at, failure

    def _roll_back(self) -> None:
        try:
            self._connection.rollback()
        except duckdb.Error:
            # a failed commit has already ended its transaction
            return


def _closed() -> ShuttingDown:
    return ShuttingDown("The ledger is closed.")
