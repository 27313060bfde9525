"""The reader threads of the ledger. Each has a connection of its own."""

from __future__ import annotations

import contextvars
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from server.ledger.columns import RunAgain
from server.ledger.transactions import Failure, Transactions

T = TypeVar("T")

READERS = 2


class Readers:
    """Runs functions on snapshots, in read-only transactions.

    Args:
        connect: Opens a connection to the ledger.
    """

    def __init__(self, connect: Callable[[], Transactions]) -> None:
        self._connect = connect
        self._local = threading.local()
        self._threads = ThreadPoolExecutor(READERS, thread_name_prefix="ledger-read")

    def submit(self, fn: Callable[[Any], T]) -> Future[T]:
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

    def _read(self, fn: Callable[[Any], T]) -> T:
        transactions = self._opened()
        if transactions is None:
            transactions = self._local.transactions = self._connect()
        failure: Failure
        try:
            transactions.begin_read()
            try:
                return fn(transactions.cursor)
            finally:
                transactions.roll_back()
        except Exception as error:  # noqa: BLE001 - not swallowed: it goes to the caller whose function raised it
            failure = transactions.explain(error)
        if failure.fatal:
            self._let_go()
            raise RunAgain  # once the writer has opened the ledger again
        raise failure.error

    def _opened(self) -> Transactions | None:
        opened: Transactions | None = getattr(self._local, "transactions", None)
        return opened

    def _let_go(self) -> None:
        """Close this thread's connection."""
        opened = self._opened()
        if opened is not None:
            opened.close()
            self._local.transactions = None

    def _step_aside(self, gathered: threading.Barrier, over: threading.Event) -> None:
        """Close this thread's connection, then keep the thread busy."""
        self._let_go()
        gathered.wait()
        over.wait()
