"""A long read whose caller gives up is interrupted, and its reader is free for others at once."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import duckdb
import pytest

from server.ledger.columns import Cursor, count
from server.ledger.embedded import EmbeddedLedger
from server.ledger.long_reads import LongReads
from server.ledger.readers import READERS

LONG = "SELECT count(*) FROM range(100_000) AS a, range(100_000) AS b WHERE (a.range * b.range) % 7 = 3"
"""Takes a minute or more, unless somebody ends it."""


class Watched:
    """A function of a read that tells when it began and how it ended.

    Args:
        before: Runs between its two statements.
    """

    def __init__(self, before: Callable[[], object] = lambda: None) -> None:
        self._before = before
        self.began = threading.Event()
        self.ended = ""

    def __call__(self, cursor: Cursor) -> int:
        count(cursor, "SELECT 1")
        self.began.set()
        self._before()
        try:
            found = count(cursor, LONG)
        except duckdb.Error as error:
            self.ended = type(error).__name__
            raise
        self.ended = "counted"
        return found


async def give_up(reading: asyncio.Task[int]) -> None:
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading


async def test_the_reader_of_a_read_that_is_given_up_is_free_at_once(ledger: EmbeddedLedger) -> None:
    long = LongReads(ledger)
    for _ in range(2 * READERS):  # each reader in turn
        watched = Watched()
        reading = asyncio.create_task(long.read(watched))
        await asyncio.to_thread(watched.began.wait)
        await give_up(reading)
        assert await long.read(lambda cursor: count(cursor, "SELECT 2")) == 2
        assert watched.ended == "InterruptException"
    both = [ledger.read(lambda cursor: count(cursor, "SELECT 3")) for _ in range(READERS)]
    assert await asyncio.gather(*both) == [3] * READERS


async def test_a_read_that_is_given_up_between_two_statements_ends(ledger: EmbeddedLedger) -> None:
    long, goes_on = LongReads(ledger), threading.Event()
    watched = Watched(goes_on.wait)
    reading = asyncio.create_task(long.read(watched))
    await asyncio.to_thread(watched.began.wait)
    await give_up(reading)  # DuckDB forgets this interruption, because no statement runs
    goes_on.set()
    assert await long.read(lambda cursor: count(cursor, "SELECT 2")) == 2
    assert watched.ended == "InterruptException"


async def test_a_read_that_is_given_up_before_it_begins_never_runs(ledger: EmbeddedLedger) -> None:
    long, goes_on = LongReads(ledger), threading.Event()
    held = [asyncio.create_task(ledger.read(lambda cursor: goes_on.wait())) for _ in range(READERS)]
    waiting = Watched()
    reading = asyncio.create_task(long.read(waiting))
    await asyncio.sleep(0)
    await give_up(reading)
    goes_on.set()
    await asyncio.gather(*held)
    assert await long.read(lambda cursor: count(cursor, "SELECT 2")) == 2
    assert not waiting.began.is_set()


async def test_a_read_that_nobody_gives_up_is_left_alone(ledger: EmbeddedLedger) -> None:
    long = LongReads(ledger)
    assert await long.read(lambda cursor: count(cursor, "SELECT count(*) FROM range(1_000_000)")) == 1_000_000
    with pytest.raises(ZeroDivisionError):
        await long.read(lambda cursor: 1 // 0)
    assert await long.read(lambda cursor: count(cursor, "SELECT 2")) == 2
