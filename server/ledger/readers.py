"""The reader threads of the ledger. Each has a connection of its own to the open file."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import duckdb

from models.errors import VestibuleError
from server.ledger.columns import DuckDb, RunAgain
from server.ledger.errors import translate

T = TypeVar("T")

READERS = 2


class Readers:
    """Runs functions on snapshots, in read-only transactions.

    Args:
        open_cursor: Opens a connection to the ledger.
    """

    def __init__(self, open_cursor: Callable[[], DuckDb]) -> None:
        self._open_cursor = open_cursor
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-read")

    def submit(self, fn: Callable[[DuckDb], T]) -> Future[T]:
        """Run a function as soon as a thread is free. It sees the context variables of whoever submitted it."""
        return self._threads.submit(contextvars.copy_context().run, self._read, fn)

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Wait for the reads that run, close all connections, and let no read begin until the context ends."""
        gathered = threading.Barrier(READERS + 1)
        over = threading.Event()
        held = [self._threads.submit(self._step_aside, gathered, over) for _ in range(READERS)]
        gathered.wait()
        try:
            yield
        finally:
            over.set()
            for future in held:
                future.result()

    def close(self) -> None:
        """Finish what was submitted and close the connections."""
        with self.paused():
            self._threads.shutdown(wait=False)

    def _read(self, fn: Callable[[DuckDb], T]) -> T:
        cursor: DuckDb | None = getattr(self._local, "cursor", None)
        if cursor is None:
            cursor = self._local.cursor = self._open_cursor()
        failure: VestibuleError
        try:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                return fn(cursor)
            finally:
                cursor.rollback()
        except duckdb.FatalException:
            raise RunAgain from None  # the writer opens the file again
        except duckdb.Error as error:
            failure = translate(error)
        raise failure

    def _step_aside(self, gathered: threading.Barrier, over: threading.Event) -> None:
        """Close this thread's connection, then keep the thread busy."""
        cursor: DuckDb | None = getattr(self._local, "cursor", None)
        if cursor is not None:
            cursor.close()
            self._local.cursor = None
        gathered.wait()
        over.wait()
