"""A ledger in PostgreSQL beside another server, and while PostgreSQL goes away."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import InternalError, Overloaded, Unavailable, VestibuleError  # noqa: E402
from server.ledger import open_connection  # noqa: E402
from server.ledger.columns import Cursor, count  # noqa: E402
from server.ledger.postgres.errors import translate, translated  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger  # noqa: E402
from tests.eventually import eventually  # noqa: E402
from tests.unit.ledger.makers import NOW  # noqa: E402

errors = psycopg.errors


@pytest.fixture
def one(postgres_url: str) -> Iterator[PostgresLedger]:
    opened = PostgresLedger.open(postgres_url, lambda: NOW)
    opened.write_now(lambda c: c.execute("CREATE TABLE numbers (n INTEGER PRIMARY KEY, said INTEGER)") and None)
    yield opened
    opened.close()


@pytest.fixture
def other(one: PostgresLedger, postgres_url: str) -> Iterator[PostgresLedger]:
    opened = PostgresLedger.open(postgres_url, lambda: NOW)
    yield opened
    opened.close()


@pytest.fixture
def administer(postgres_databases: str, postgres_url: str) -> Callable[[str], None]:
    """Runs a statement from another database; ``{}`` is the name of the ledger's."""
    name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]

    def run(statement: str) -> None:
        with psycopg.connect(postgres_databases.format("postgres"), autocommit=True) as connection:
            connection.execute(statement.format(name).encode())

    return run


END_ALL = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{}'"


def _add(number: int) -> Callable[[Cursor], bool]:
    """Store a number unless it is there; returns whether it was stored."""

    def write(cursor: Cursor) -> bool:
        if count(cursor, "SELECT count(*) FROM numbers WHERE n = ?", [number]):
            return False
        cursor.execute("INSERT INTO numbers VALUES (?, 0)", [number])
        return True

    return write


def _all(cursor: Cursor) -> list[int]:
    return [row[0] for row in cursor.execute("SELECT n FROM numbers ORDER BY n").fetchall()]


async def test_what_two_servers_look_for_and_then_store_is_stored_once(
    one: PostgresLedger, other: PostgresLedger
) -> None:
    both = await asyncio.gather(*[ledger.write(_add(n)) for n in range(200) for ledger in (one, other)])
    assert sum(both) == 200
    assert await one.read(_all) == list(range(200))


async def test_a_key_that_another_server_stores_after_the_look_is_found_by_the_next_run(
    one: PostgresLedger, other: PostgresLedger
) -> None:
    looked: list[int] = []

    def slow(cursor: Cursor) -> bool:
        there = count(cursor, "SELECT count(*) FROM numbers WHERE n = 7")
        looked.append(there)
        if there:
            return False
        other.write_now(_add(7))
        cursor.execute("INSERT INTO numbers VALUES (7, 0)")
        return True

    assert await one.write(slow) is False
    assert looked == [0, 1]


async def test_of_two_servers_that_wait_for_each_other_both_get_their_turn(
    one: PostgresLedger, other: PostgresLedger
) -> None:
    await asyncio.gather(*[one.write(_add(n)) for n in (1, 2)])
    met = threading.Barrier(2)
    runs: list[int] = []

    # The second run takes its first row before the other one gets it, now and then. Then it is ended once more.
    def in_order(first: int, second: int) -> Callable[[Cursor], None]:
        def write(cursor: Cursor) -> None:
            runs.append(first)
            cursor.execute("UPDATE numbers SET said = said + 1 WHERE n = ?", [first])
            if len(runs) <= 2:
                met.wait(30)
            cursor.execute("UPDATE numbers SET said = said + 1 WHERE n = ?", [second])

        return write

    await asyncio.gather(one.write(in_order(1, 2)), other.write(in_order(2, 1)))
    assert len(runs) > 2, "PostgreSQL ended one of them, and it was run again"
    assert await one.read(lambda c: c.execute("SELECT said FROM numbers").fetchall()) == [(2,), (2,)]


async def test_a_lost_connection_is_told_to_the_caller_and_opened_again(
    one: PostgresLedger, administer: Callable[[str], None]
) -> None:
    assert await one.read(_all) == []
    administer(END_ALL)
    with pytest.raises(Unavailable) as caught:
        await one.write(_add(1))
    assert caught.value.reason == "LEDGER_IO"
    assert await one.write(_add(2))
    assert await one.read(_all) == [2]
    administer(END_ALL)
    assert await one.read(_all) == [2], "a read is run again"


async def test_while_postgres_takes_no_connections_writes_are_refused(
    one: PostgresLedger, administer: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(open_connection, "TRY_AGAIN_S", 0.0)
    administer("ALTER DATABASE {} WITH ALLOW_CONNECTIONS false")
    administer(END_ALL)
    for _ in range(3):
        with pytest.raises(Unavailable) as caught:
            await one.write(_add(1))
        assert caught.value.reason == "LEDGER_IO"
        assert caught.value.hint
    assert one.health.refused_since == NOW
    administer("ALTER DATABASE {} WITH ALLOW_CONNECTIONS true")
    stored = False
    for _ in range(100):  # the writer opens it before the next write at the earliest
        try:
            stored = await one.write(_add(2))
            break
        except Unavailable:
            continue
    assert stored
    await eventually(lambda: one.health.refused_since is None)  # it is noted after the caller was told


async def test_a_write_that_was_not_committed_is_gone_with_the_connection(
    one: PostgresLedger, administer: Callable[[str], None]
) -> None:
    def dies(cursor: Cursor) -> None:
        cursor.execute("INSERT INTO numbers VALUES (1, 0)")
        administer(END_ALL)
        cursor.execute("INSERT INTO numbers VALUES (2, 0)")

    with pytest.raises(Unavailable):
        await one.write(dies)
    assert await one.read(_all) == []


def test_a_server_that_does_not_answer_is_named_without_its_url() -> None:
    with pytest.raises(Unavailable) as caught:
        PostgresLedger.open("postgresql://me:a-secret-word@127.0.0.1:1/ledger")
    assert caught.value.reason == "LEDGER_IO"
    assert caught.value.hint
    assert "secret" not in f"{caught.value!r} {caught.value} {caught.value.__cause__} {caught.value.__context__}"


@pytest.mark.parametrize(
    ("error", "kind", "reason"),
    [
        (errors.DeadlockDetected("x secret"), Unavailable, "LEDGER_CONFLICT"),
        (errors.SerializationFailure("x secret"), Unavailable, "LEDGER_CONFLICT"),
        (errors.LockNotAvailable("x secret"), Unavailable, "LEDGER_CONFLICT"),
        (errors.QueryCanceled("x secret"), Unavailable, "LEDGER_INTERRUPTED"),
        (errors.OutOfMemory("x secret"), Unavailable, "LEDGER_MEMORY"),
        (errors.DiskFull("x secret"), Overloaded, "LEDGER_FULL"),
        (errors.ReadOnlySqlTransaction("x secret"), Unavailable, "LEDGER_IO"),
        (errors.AdminShutdown("x secret"), Unavailable, "LEDGER_IO"),
        (psycopg.OperationalError("x secret"), Unavailable, "LEDGER_IO"),
        (errors.NotNullViolation("x secret"), InternalError, "LEDGER_CONSTRAINT"),
        (errors.UndefinedColumn("x secret"), InternalError, "LEDGER_QUERY"),
        (psycopg.DataError("x secret"), InternalError, "LEDGER_QUERY"),
    ],
)
def test_translated_errors_do_not_quote_postgresql(error: Any, kind: type[VestibuleError], reason: str) -> None:
    ours = translate(error)
    assert type(ours) is kind
    assert ours.reason == reason
    assert "secret" not in f"{ours} {ours.hint}"
    assert ours.__cause__ is None


def test_an_error_that_was_translated_leads_to_no_text_of_postgresql() -> None:
    with pytest.raises(Unavailable) as caught, translated():
        raise errors.LockNotAvailable("secret")
    assert (caught.value.__cause__, caught.value.__context__) == (None, None)
