"""An open ledger is written anew while others read and write, and work between commits sees only whole ones."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from models.errors import Unavailable
from models.reasons import Reason
from server.ledger.columns import Cursor, count
from server.ledger.connection import connect
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

SECRET = "a text that was deleted and is long enough to be stored as it is"


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "ledger.duckdb", lambda: NOW)

    def fill(cursor: Cursor) -> None:
        cursor.execute("CREATE TABLE said (id INTEGER PRIMARY KEY, text VARCHAR)")
        cursor.execute("INSERT INTO said VALUES (0, ?)", [SECRET])

    opened.write_now(fill)
    yield opened
    opened.close()


def rows(cursor: Cursor) -> int:
    return count(cursor, "SELECT count(*) FROM said")


def bytes_on_disk(ledger: EmbeddedLedger) -> bytes:
    return b"".join(file.read_bytes() for file in ledger.path.parent.iterdir())


async def test_no_byte_of_a_deleted_row_is_left(ledger: EmbeddedLedger) -> None:
    await ledger.between_commits(lambda: ledger.cursor().execute("CHECKPOINT"))
    await ledger.write(lambda cursor: cursor.execute("DELETE FROM said"))
    assert SECRET.encode() in bytes_on_disk(ledger), "otherwise this test proves nothing"
    await ledger.rewrite()
    assert SECRET.encode() not in bytes_on_disk(ledger)
    await ledger.write(lambda cursor: cursor.execute("INSERT INTO said VALUES (1, 'after')"))
    assert await ledger.read(rows) == 1


async def test_writes_and_reads_during_a_rewrite_are_all_answered(ledger: EmbeddedLedger) -> None:
    async def add(number: int) -> None:
        await ledger.write(lambda cursor: cursor.execute("INSERT INTO said VALUES (?, 'x')", [number]))

    async def look() -> int:
        return await ledger.read(rows)

    work = [work for number in range(1, 60) for work in (add(number), look())]
    await asyncio.gather(*work, ledger.rewrite(), ledger.rewrite(), look())
    assert await look() == 60


async def test_what_was_written_after_a_rewrite_is_there_after_a_restart(ledger: EmbeddedLedger) -> None:
    await ledger.rewrite()
    await ledger.write(lambda cursor: cursor.execute("INSERT INTO said VALUES (7, 'kept')"))
    ledger.close()
    again = open_ledger(ledger.path, lambda: NOW)
    assert await again.read(rows) == 2
    again.close()


async def test_a_file_that_is_open_elsewhere_is_not_replaced(ledger: EmbeddedLedger) -> None:
    with connect(ledger.path) as other:
        with pytest.raises(Unavailable) as refused:
            await ledger.rewrite()
        assert refused.value.reason is Reason.LEDGER_LOCKED
        await ledger.write(lambda cursor: cursor.execute("INSERT INTO said VALUES (2, 'still')"))
        assert rows(other) == 2
    assert [file.name for file in ledger.path.parent.iterdir() if "fresh" in file.name] == []


async def test_work_between_commits_waits_for_the_writes_before_it(ledger: EmbeddedLedger) -> None:
    seen: list[tuple[int, str]] = []

    def look() -> None:
        with ledger.cursor() as cursor:
            seen.append((rows(cursor), threading.current_thread().name))

    writes = [
        ledger.write(lambda cursor, n=number: cursor.execute("INSERT INTO said VALUES (?, 'x')", [n]))  # type: ignore[misc]
        for number in range(1, 20)
    ]
    await asyncio.gather(*writes, ledger.between_commits(look))
    assert seen == [(20, "ledger-write")]


async def test_an_error_between_commits_goes_to_its_caller(ledger: EmbeddedLedger) -> None:
    def fail() -> None:
        raise Unavailable("no", reason=Reason.LEDGER_IO)

    with pytest.raises(Unavailable, match="no"):
        await ledger.between_commits(fail)
    assert await ledger.read(rows) == 1
