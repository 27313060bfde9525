"""Group commit, isolation of errors, snapshots, closing, locking."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb
import pytest

from models.errors import Conflict, InternalError, Overloaded, ShuttingDown, Unavailable, VestibuleError
from server.ledger import transactional
from server.ledger.columns import Cursor, RunAgain, count
from server.ledger.embedded import EmbeddedLedger
from server.ledger.errors import translate
from server.ledger.transactional import TransactionalLedger
from tests.unit.ledger.makers import NOW


def _store(number: int) -> Callable[[Cursor], int]:
    def write(cursor: Cursor) -> int:
        cursor.execute("INSERT INTO numbers VALUES (?)", [number])
        return number

    return write


def _numbers(cursor: Cursor) -> list[int]:
    return [row[0] for row in cursor.execute("SELECT n FROM numbers ORDER BY n").fetchall()]


@pytest.fixture
def numbered(ledger: TransactionalLedger[Any]) -> TransactionalLedger[Any]:
    ledger.write_now(lambda c: c.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)") and None)
    return ledger


async def _together(ledger: TransactionalLedger[Any], *fns: Callable[[Cursor], object]) -> list[object]:
    """Let the functions wait behind a held writer, so that they form one batch."""
    began, gate = threading.Event(), threading.Event()

    def hold(_cursor: Cursor) -> None:
        began.set()
        gate.wait()

    held = asyncio.create_task(ledger.write(hold))
    await asyncio.to_thread(began.wait)  # else a slow writer takes some of the others along
    tasks = [asyncio.create_task(ledger.write(fn)) for fn in fns]
    await asyncio.sleep(0)
    gate.set()
    await held
    return await asyncio.gather(*tasks, return_exceptions=True)


async def test_write_returns_what_the_function_returns(numbered: TransactionalLedger[Any]) -> None:
    assert await numbered.write(_store(7)) == 7
    assert await numbered.read(_numbers) == [7]


async def test_an_error_reaches_only_its_caller(numbered: TransactionalLedger[Any]) -> None:
    def refuses(cursor: Cursor) -> None:
        cursor.execute("INSERT INTO numbers VALUES (100)")
        raise Conflict("No.")

    def defect(cursor: Cursor) -> None:
        raise ZeroDivisionError

    results = await _together(
        numbered, _store(1), refuses, _store(2), _store(1), defect, _store(3), lambda c: c.execute("SELECT nonsense")
    )
    assert results[0] == 1
    assert isinstance(results[1], Conflict)
    assert results[2] == 2
    assert isinstance(results[3], InternalError)
    assert results[3].reason == "LEDGER_CONSTRAINT"
    assert isinstance(results[4], ZeroDivisionError)
    assert results[5] == 3
    assert isinstance(results[6], InternalError)
    assert await numbered.read(_numbers) == [1, 2, 3]


async def test_waiting_writes_share_a_commit(ledger: EmbeddedLedger) -> None:
    transactions: list[int] = []

    def note(cursor: Cursor) -> None:
        transactions.append(count(cursor, "SELECT txid_current()"))

    await _together(ledger, *[note] * 20)
    assert len(transactions) == 20
    assert len(set(transactions)) == 1


async def test_after_a_failed_commit_the_writes_are_committed_one_by_one(numbered: TransactionalLedger[Any]) -> None:
    outcomes = iter([True, False])  # The held write's commit, then that of the batch.

    class Refusing:
        """Fails one commit, as a full disk would."""

        def __getattr__(self, name: str) -> object:
            return getattr(real, name)

        def commit(self) -> None:
            if not next(outcomes, True):
                real.roll_back()
                raise duckdb.IOException("disk full at value 12345")
            real.commit()

    real = numbered._opened.transactions
    numbered._opened.transactions = Refusing()  # type: ignore[assignment]
    results = await _together(numbered, _store(1), _store(2))
    numbered._opened.transactions = real
    assert results == [1, 2]
    assert await numbered.read(_numbers) == [1, 2]


async def test_a_write_that_raises_run_again_is_run_once_more_alone(numbered: TransactionalLedger[Any]) -> None:
    attempts: list[int] = []

    def learns(cursor: Cursor) -> str:
        attempts.append(count(cursor, "SELECT txid_current()"))
        if len(attempts) == 1:
            raise RunAgain
        return "learnt"

    def never_learns(cursor: Cursor) -> None:
        raise RunAgain

    first, second, third = await _together(numbered, _store(1), learns, never_learns)
    assert (first, second) == (1, "learnt")
    assert isinstance(third, RunAgain)
    assert len(set(attempts)) == len(attempts)


async def _many_together(ledger: TransactionalLedger[Any], *fns: Callable[[Cursor], int]) -> list[Any]:
    """Like ``_together``, of writes of many rows. Returns the results that each was told of, then those of all."""
    told: list[int] = []
    began, gate = threading.Event(), threading.Event()

    def hold(cursor: Cursor) -> int:
        began.set()
        gate.wait()
        return count(cursor, "SELECT txid_current()")

    held = asyncio.create_task(ledger.write_many(hold, 1, lambda _: None))
    await asyncio.to_thread(began.wait)
    tasks = [asyncio.create_task(ledger.write_many(fn, 1, told.append)) for fn in fns]
    await asyncio.sleep(0)
    gate.set()
    return [told, *await asyncio.gather(held, *tasks, return_exceptions=True)]


async def test_writes_of_many_rows_share_the_commit_of_one_that_is_open(ledger: EmbeddedLedger) -> None:
    def note(cursor: Cursor) -> int:
        return count(cursor, "SELECT txid_current()")

    told, held, *transactions = await _many_together(ledger, *[note] * 4)
    assert transactions == told == [held] * 4


async def test_an_error_among_writes_of_many_rows_reaches_only_its_caller(numbered: TransactionalLedger[Any]) -> None:
    told, _, *results = await _many_together(numbered, *map(_store, (1, 2, 1, 3)))
    assert (results[:2], results[3]) == ([1, 2], 3)
    assert isinstance(results[2], InternalError)
    assert sorted(told) == [1, 2, 3]  # once each, though DuckDB rolled their transaction back and split it
    assert await numbered.read(_numbers) == [1, 2, 3]


async def test_a_waiting_write_that_is_cancelled_is_not_run(numbered: TransactionalLedger[Any]) -> None:
    gate = threading.Event()
    held = asyncio.create_task(numbered.write(lambda _: gate.wait() and None))
    await asyncio.sleep(0)
    waiting = asyncio.create_task(numbered.write(_store(1)))
    await asyncio.sleep(0)
    waiting.cancel()
    await asyncio.sleep(0)
    gate.set()
    await held
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await numbered.read(_numbers) == []


async def test_reads_cannot_write(numbered: TransactionalLedger[Any]) -> None:
    with pytest.raises(VestibuleError):
        await numbered.read(_store(1))
    assert await numbered.read(_numbers) == []


async def test_a_full_queue_refuses(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(transactional, "QUEUE_LENGTH", 1)
    ledger = EmbeddedLedger.open(tmp_path / "l.duckdb", lambda: NOW)
    gate, begun = threading.Event(), threading.Event()

    def hold(_: Cursor) -> bool:
        begun.set()
        return gate.wait()

    held = ledger._submit(hold)
    begun.wait()
    waiting = ledger._submit(lambda _: None)
    with pytest.raises(Overloaded) as caught:
        await ledger.write(lambda _: None)
    assert caught.value.reason == "LEDGER_BUSY"
    gate.set()
    assert held.result() and waiting.result() is None
    ledger.close()


async def test_close_finishes_waiting_writes_and_refuses_new_ones(tmp_path: Path) -> None:
    ledger = EmbeddedLedger.open(tmp_path / "l.duckdb", lambda: NOW)
    ledger.write_now(lambda c: c.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY)") and None)
    tasks = [asyncio.create_task(ledger.write(_store(n))) for n in range(50)]
    await asyncio.sleep(0)
    await ledger.read(_numbers)
    await asyncio.to_thread(ledger.close)
    ledger.close()
    assert await asyncio.gather(*tasks) == list(range(50))
    for call in (ledger.write(_store(99)), ledger.read(_numbers)):
        with pytest.raises(ShuttingDown):
            await call
    assert not (tmp_path / "l.duckdb.wal").exists()
    again = EmbeddedLedger.open(tmp_path / "l.duckdb", lambda: NOW)
    assert await again.read(_numbers) == list(range(50))
    again.close()


def test_only_the_owner_may_read_the_files(ledger: EmbeddedLedger) -> None:
    assert ledger.path.stat().st_mode & 0o777 == 0o600
    assert ledger.path.parent.stat().st_mode & 0o777 == 0o700


def test_a_second_server_is_told_to_take_other_folders(ledger: EmbeddedLedger) -> None:
    program = (
        "import sys, pathlib; from models.errors import Unavailable\n"
        "from server.ledger.embedded import EmbeddedLedger\n"
        "try: EmbeddedLedger.open(pathlib.Path(sys.argv[1]))\n"
        "except Unavailable as error: print(error.reason, error.hint)"
    )
    child = subprocess.run(
        [sys.executable, "-c", program, str(ledger.path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert child.stdout.startswith("LEDGER_LOCKED")
    assert "--data-dir" in child.stdout
    assert "--state-dir" in child.stdout


def test_a_file_that_is_not_a_ledger_is_refused(tmp_path: Path) -> None:
    (tmp_path / "l.duckdb").write_bytes(b"not a database")
    with pytest.raises(Unavailable) as caught:
        EmbeddedLedger.open(tmp_path / "l.duckdb")
    assert caught.value.reason == "LEDGER_IO"


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (duckdb.TransactionException("x secret"), Unavailable, "LEDGER_CONFLICT"),
        (duckdb.TransactionException("Failed to commit: IO Error: secret"), Unavailable, "LEDGER_IO"),
        (duckdb.IOException("x secret"), Unavailable, "LEDGER_IO"),
        (duckdb.IOException("Could not set lock on file secret"), Unavailable, "LEDGER_LOCKED"),
        (duckdb.FatalException("x secret"), Unavailable, "LEDGER_IO"),
        (duckdb.FatalException("secret: No space left on device"), Overloaded, "LEDGER_FULL"),
        (duckdb.TransactionException("secret: Disk quota exceeded"), Overloaded, "LEDGER_FULL"),
        (duckdb.OutOfMemoryException("x secret"), Unavailable, "LEDGER_MEMORY"),
        (duckdb.InterruptException("x secret"), Unavailable, "LEDGER_INTERRUPTED"),
        (duckdb.ConstraintException("x secret"), InternalError, "LEDGER_CONSTRAINT"),
        (duckdb.ConnectionException("x secret"), InternalError, "LEDGER_CLOSED"),
        (duckdb.BinderException("x secret"), InternalError, "LEDGER_QUERY"),
    ],
)
def test_translated_errors_do_not_quote_duckdb(error: duckdb.Error, kind: type[VestibuleError], reason: str) -> None:
    ours = translate(error)
    assert type(ours) is kind
    assert ours.reason == reason
    assert "secret" not in f"{ours} {ours.hint}"
    assert ours.__cause__ is None
