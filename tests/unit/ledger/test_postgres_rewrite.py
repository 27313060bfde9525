"""Tables of PostgreSQL that are written anew hold nothing of a deleted row, whoever works in its databases."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from dataclasses import replace

import pytest

psycopg = pytest.importorskip("psycopg")

from psycopg.conninfo import make_conninfo  # noqa: E402

from models.errors import Unavailable  # noqa: E402
from server.ledger import sessions  # noqa: E402
from server.ledger.columns import Cursor, count  # noqa: E402
from server.ledger.postgres import rewrite  # noqa: E402
from server.ledger.postgres.cursor import connect  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger  # noqa: E402
from server.ledger.schema import TABLES  # noqa: E402
from server.ledger.types import SessionState  # noqa: E402
from tests.postgres_server import ADMIN_DATABASE  # noqa: E402
from tests.unit.erasure.filled import fill_rows, mark_of  # noqa: E402
from tests.unit.ledger.makers import NOW, new_id, session  # noqa: E402
from tests.unit.ledger.postgres_files import files_with  # noqa: E402

GONE = mark_of("gone-client")
_MARKS = [mark_of(f"gone{part}") for part in ("", "-variant", "-event", "-tag", "-sealed", "-candidate", "-staff")]


@pytest.fixture
def ledger(postgres_url: str) -> Iterator[PostgresLedger]:
    with closing(PostgresLedger.open(postgres_url, lambda: NOW)) as one:
        yield one


@pytest.fixture
def of_18(postgres_url: str) -> None:
    """An older one cannot forget the statistics of a table without rows."""
    with psycopg.connect(postgres_url) as connection:
        if connection.info.server_version < 180000:
            pytest.skip("PostgreSQL is older than 18.")


@contextmanager
def _reading(url: str) -> Iterator[None]:
    with connect(url) as one:
        one.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        one.execute("SELECT 1 FROM turns")
        yield


@contextmanager
def _writing_elsewhere(url: str) -> Iterator[None]:
    with connect(make_conninfo(url, dbname=ADMIN_DATABASE)) as one:
        one.execute("SELECT pg_current_xact_id()")
        yield


@contextmanager
def _prepared(url: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as one:
        one.execute("BEGIN")
        one.execute("SELECT pg_current_xact_id()")
        one.execute("PREPARE TRANSACTION 'theirs'")
        try:
            yield
        finally:
            one.execute("ROLLBACK PREPARED 'theirs'")


@contextmanager
def _following(url: str) -> Iterator[None]:
    with psycopg.connect(url, autocommit=True) as one:
        one.execute("SELECT pg_create_logical_replication_slot('theirs', 'pgoutput')")
        try:
            yield
        finally:
            one.execute("SELECT pg_drop_replication_slot('theirs')")


@pytest.mark.parametrize("somebody", [_reading, _writing_elsewhere, _prepared, _following])
async def test_it_waits_for_who_still_sees_what_was_deleted(
    ledger: PostgresLedger,
    postgres_url: str,
    somebody: Callable[[str], AbstractContextManager[None]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Their rows, or values in the statistics of the planner, would be copied into the new files."""
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    _add(ledger)
    _analyze(postgres_url)
    assert files_with(GONE, postgres_url)
    with somebody(postgres_url), monkeypatch.context() as patched:
        patched.setattr(rewrite, "LONGEST_S", 0.2)
        _delete(ledger)
        with pytest.raises(Unavailable) as refused:
            await ledger.rewrite()
        assert refused.value.reason == "LEDGER_CONFLICT"
        if somebody is _following:
            assert len(files_with(GONE, postgres_url)) == 1, "those of the tables have nothing any more"
    await ledger.rewrite()
    assert not files_with(GONE, postgres_url)


def test_a_user_that_may_not_rewrite_the_statistics_is_told(ledger: PostgresLedger, postgres_url: str) -> None:
    """PostgreSQL lets the owner of the database do it. All others get a warning, and nothing is done."""
    user = f"app_{new_id().replace('-', '')}"
    with psycopg.connect(postgres_url, autocommit=True) as admin:
        admin.execute(f"CREATE ROLE {user} LOGIN")
        for (table,) in admin.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall():
            admin.execute(f"ALTER TABLE {table} OWNER TO {user}")
        as_user = make_conninfo(postgres_url, user=user)
        with pytest.raises(Unavailable, match="statistics") as refused:
            rewrite.write_anew(as_user)
        assert "own the database" in str(refused.value.hint)
        admin.execute(f"ALTER DATABASE {admin.info.dbname} OWNER TO {user}")
        rewrite.write_anew(as_user)


@pytest.mark.parametrize("others", [0, 1])
@pytest.mark.usefixtures("of_18")
async def test_no_value_stays_in_what_the_planner_knows(ledger: PostgresLedger, postgres_url: str, others: int) -> None:
    _add(ledger)
    _analyze(postgres_url)
    assert _is_known(GONE, postgres_url)
    for _ in range(others):
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    _delete(ledger)
    await ledger.rewrite()
    assert not _is_known(GONE, postgres_url)


@pytest.mark.parametrize("times", [1, 30])
@pytest.mark.usefixtures("of_18")
async def test_where_all_rows_are_deleted_no_byte_of_any_table_stays(
    ledger: PostgresLedger, postgres_url: str, times: int
) -> None:
    row = replace(session(), state=SessionState.COMPLETED, variant=mark_of("gone-variant"))
    for _ in range(times):
        ledger.write_now(lambda cursor: fill_rows(cursor, replace(row, id=new_id()), "gone") and None)
    with psycopg.connect(postgres_url, autocommit=True) as connection:
        connection.execute("ANALYZE")
    assert {mark for mark in _MARKS if files_with(mark, postgres_url)} == set(_MARKS)
    ledger.write_now(_delete_all)
    await ledger.rewrite()
    assert not [mark for mark in _MARKS if files_with(mark, postgres_url)]


async def test_the_tables_have_new_files(ledger: PostgresLedger) -> None:
    file = "SELECT pg_relation_filenode('sessions')::BIGINT"
    _add(ledger)
    _delete(ledger)
    before = ledger.write_now(lambda cursor: count(cursor, file))
    await ledger.rewrite()
    assert ledger.write_now(lambda cursor: count(cursor, file)) != before
    assert ledger.write_now(lambda cursor: count(cursor, "SELECT pg_relation_size('sessions')::BIGINT")) == 0


def _is_known(text: str, url: str) -> bool:
    known = "SELECT most_common_vals::TEXT FROM pg_stats WHERE tablename = 'sessions'"
    with psycopg.connect(url) as connection:
        return any(text in (values or "") for (values,) in connection.execute(known).fetchall())


def _delete_all(cursor: Cursor) -> None:
    for table in TABLES:
        cursor.execute(f"DELETE FROM {table.name}")


def _add(ledger: PostgresLedger) -> None:
    """Thirty sessions of one client, which is a frequent value for the planner then."""
    for _ in range(30):
        ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session(client_id=GONE)))


def _delete(ledger: PostgresLedger) -> None:
    def delete(cursor: Cursor) -> None:
        for table in ("events", "sessions"):
            cursor.execute(f"DELETE FROM {table} WHERE client_id = ?", [GONE])

    ledger.write_now(delete)


def _analyze(url: str) -> None:
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE sessions")
