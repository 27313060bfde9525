"""What a ledger does on any engine: one writer thread that is given batches, and a few reader threads.

A write returns after its transaction is on disk. In the embedded file, writes that wait during a commit go into the
next one together, so many callers share one fsync. In PostgreSQL each is committed alone; see ``PostgresLedger``.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import AbstractContextManager, asynccontextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from models.errors import Overloaded, ShuttingDown, Unavailable, VestibuleError
from models.reasons import Reason
from server.ledger.columns import Cursor, RunAgain
from server.ledger.group_commit import Settled, Write
from server.ledger.open_connection import TRY_AGAIN_S, OpenConnection
from server.ledger.readers import Readers
from server.ledger.types import Clock
from server.ledger.write_queue import Alone, End, WriteQueue

T = TypeVar("T")
C_co = TypeVar("C_co", covariant=True)

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


class TransactionalLedger(ABC, Generic[C_co]):
    """Runs functions in transactions of an engine. They are given its cursor, of the type ``C_co``.

    Functions given to ``write`` must only touch their cursor, because they are rolled back and run again when another
    one of their batch fails. They never commit or roll back themselves.

    Args:
        writer: The connection of the writer thread.
        readers: The threads that read.
        clock: For the time of the last commit; callers may use it too.
        hint: What to do while the engine is not open.

    Attributes:
        where: What holds it, for the status.
    """

    where: ClassVar[str]

    def __init__(self, writer: OpenConnection, readers: Readers, clock: Clock, hint: str) -> None:
        self.clock = clock
        self._opened = writer
        self._readers = readers
        self._hint = hint
        self._health = WriterHealth()
        self._observe: Callable[[float], None] = _ignore
        self._queue = WriteQueue(QUEUE_LENGTH)
        self._closing = threading.Lock()
        self._closed = False
        self._writer = threading.Thread(target=self._write_until_closed, name="ledger-write", daemon=True)
        self._writer.start()

    async def write(self, fn: Callable[[C_co], T]) -> T:
        """Run a function in a transaction; returns its result after the commit is on disk.

        Raises:
            Overloaded: LEDGER_BUSY when too many writes wait.
            ShuttingDown: After ``close``.
            VestibuleError: What the function raised, or a translated error of the engine.
        """
        return await asyncio.wrap_future(self._submit(fn))

    async def write_many(self, fn: Callable[[C_co], T], rows: int, on_commit: Callable[[T], None]) -> T:
        """``write`` for many rows that came together. Other writes go first, see ``write_queue``.

        Args:
            fn: Writes them.
            rows: How many; at least 1.
            on_commit: Is given the result on the writer's thread, after the commit and before the next transaction.
        """
        return await asyncio.wrap_future(self._submit(fn, rows, on_commit))

    def write_now(self, fn: Callable[[C_co], T]) -> T:
        """``write`` for code without an event loop."""
        return self._submit(fn).result()

    async def read(self, fn: Callable[[C_co], T]) -> T:
        """Run a function on a snapshot, in a read-only transaction, beside the writer.

        Raises:
            VestibuleError: What the function raised, or a translated error of the engine.
        """
        for _ in range(READ_ATTEMPTS):
            try:
                return await asyncio.wrap_future(self._submit_read(fn))
            except RunAgain:  # after a fatal error; a write makes sure that the file is opened again
                with suppress(VestibuleError):
                    self._submit(_touch)
                await asyncio.sleep(READ_PAUSE_S)
        raise Unavailable("The ledger is opened again.", reason=Reason.LEDGER_IO, hint=self._hint)

    @abstractmethod
    async def rewrite(self) -> None:
        """Leave no byte of a deleted row in the files of the tables. Reads and writes wait meanwhile.

        Raises:
            VestibuleError: The ledger is as it was, and goes on.
        """

    @asynccontextmanager
    async def alone(self, work: str, wait_s: float) -> AsyncIterator[bool]:
        """Do work within the block that one server at a time does.

        Args:
            work: Its name.
            wait_s: How long to wait for another server that does it.

        Yields:
            Whether no other server does it.

        Raises:
            VestibuleError: The engine does not answer.
        """
        yield True

    @property
    def health(self) -> WriterHealth:
        """How its last writes ended."""
        return self._health

    @property
    def is_elsewhere(self) -> bool:
        """Whether another process took the ledger while this one was not connected."""
        broken = self._opened.broken
        return broken is not None and broken.reason is Reason.LEDGER_LOCKED

    def observe_commits(self, observe: Callable[[float], None]) -> None:
        """Have the seconds of each transaction told, on the writer's thread; it must not raise."""
        self._observe = observe

    def close(self) -> None:
        """Finish what was submitted, and close everything. Safe to repeat.

        Raises:
            VestibuleError: See ``OpenConnection.close``.
        """
        with self._closing:
            if self._closed:
                return
            self._closed = True
        self._queue.end()
        self._writer.join()
        self._readers.close()
        self._opened.close()

    def _submit(
        self, fn: Callable[[C_co], T], rows: int = 0, on_commit: Callable[[T], None] | None = None
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

    def _submit_read(self, fn: Callable[[C_co], T]) -> Future[T]:
        with self._closing:
            if self._closed:
                raise _closed()
            return self._readers.submit(fn)

    def _write_until_closed(self) -> None:
        item: Alone[Any] | End | None = None
        while not isinstance(item, End):
            batch, item = self._queue.take(TRY_AGAIN_S if self._opened.broken else None)
            self._open_if_due()
            if batch:
                began = time.perf_counter()
                self._note(self._opened.settle(batch, self._queue.more))
                self._observe(time.perf_counter() - began)
                self._open_if_due()
            if isinstance(item, Alone):
                item.run()

    def _open_if_due(self) -> None:
        if self._opened.due:
            with self._while_opening():
                self._opened.open_again()

    def _while_opening(self) -> AbstractContextManager[None]:
        """Holds while the engine is opened again."""
        return nullcontext()

    def _note(self, settled: Settled) -> None:
        if settled.committed:
            self._health = WriterHealth(self.clock())
        if settled.refused is not None:
            since = self._health.refused_since or self.clock()
            self._health = WriterHealth(self._health.last_commit, since, settled.refused.message)


Ledger: TypeAlias = TransactionalLedger[Cursor]
"""What most of the server is given: the embedded file, or PostgreSQL."""


def _touch(cursor: Any) -> None:
    cursor.execute("SELECT 1")


def _ignore(_seconds: float) -> None:
    return None


def _closed() -> ShuttingDown:
    return ShuttingDown("The ledger is closed.")
