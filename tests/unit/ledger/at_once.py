"""Transactions of PostgreSQL that run at the same time, each on a connection of its own."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

from models.errors import VestibuleError
from server.ledger.columns import Cursor, count

T = TypeVar("T")

_WAITING = """SELECT count(*) FROM pg_stat_activity
WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""


@contextmanager
def transaction(url: str) -> Iterator[Cursor]:
    """A transaction on a connection of its own, committed at the end. One that waits for a lock for long fails."""
    from server.ledger.postgres.cursor import PostgresCursor, connect

    with connect(url) as connection:
        connection.execute("SET lock_timeout = '20s'")
        connection.execute("SET deadlock_timeout = '50ms'")
        yield PostgresCursor(connection)


class PostgresLedger:
    """What services ask of a ledger: a function in a transaction."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def write(self, fn: Callable[[Cursor], T]) -> T:
        """Run a function in a transaction of its own."""
        with transaction(self._url) as cursor:
            return fn(cursor)

    read = write


def at_once(number: int, fn: Callable[[int], T]) -> list[T]:
    """Run a function in threads that begin together."""
    start = threading.Barrier(number)

    def run(place: int) -> T:
        start.wait()
        return fn(place)

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(run, range(number)))


def beside(url: str, first: Callable[[Cursor], object], second: Callable[[Cursor], T]) -> T | str:
    """Run two functions in transactions of which the second begins before the first has committed.

    The first commits when the second waits for a lock or has ended.

    Returns:
        What the second one gives, or the reason why it was refused.
    """

    def run() -> T | str:
        try:
            with transaction(url) as cursor:
                return second(cursor)
        except VestibuleError as error:
            return error.reason

    with ThreadPoolExecutor(1) as threads:
        with transaction(url) as cursor:
            first(cursor)
            later = threads.submit(run)
            _until_it_waits(url, later)
        return later.result()


def _until_it_waits(url: str, later: Future[T]) -> None:
    end = time.monotonic() + 60
    with transaction(url) as cursor:
        while not later.done() and not count(cursor, _WAITING):
            assert time.monotonic() < end
            cursor.execute("SELECT pg_stat_clear_snapshot()")
