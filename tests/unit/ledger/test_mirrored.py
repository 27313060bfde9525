"""A mirror in DuckDB of a ledger in PostgreSQL: it ends as the tables are, whatever happened meanwhile."""

from __future__ import annotations

import asyncio
import random
import re
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

psycopg = pytest.importorskip("psycopg")

from models.errors import Unavailable  # noqa: E402
from server.ledger import events, jobs, mirrored, sessions, turns  # noqa: E402
from server.ledger.columns import Cursor, DuckDb, count, fetch_all, insert  # noqa: E402
from server.ledger.embedded import EmbeddedLedger  # noqa: E402
from server.ledger.mirrored import LEFT_OUT, MIRRORED_BY, Position  # noqa: E402
from server.ledger.postgres.cursor import PostgresCursor, connect  # noqa: E402
from server.ledger.postgres.increments import IncrementReader  # noqa: E402
from server.ledger.postgres.ledger import PostgresLedger, Use  # noqa: E402
from server.mirror import Mirror  # noqa: E402
from tests.eventually import eventually  # noqa: E402
from tests.unit.ledger.hard_values import TEXTS  # noqa: E402
from tests.unit.ledger.makers import NOW, event, job, new_id, session, turn, upload  # noqa: E402
from tests.unit.ledger.migrated import open_ledger  # noqa: E402

NUMBERS = [0.0, -0.0, 1e308, 5e-324, 0.1, float("inf"), float("nan"), None]


class Pair:
    """PostgreSQL, and the mirror of it."""

    def __init__(self, url: str, folder: Path) -> None:
        self.url = url
        self.truth = PostgresLedger.open(url, lambda: NOW)
        self.mirror = open_ledger(folder / "mirror.duckdb", lambda: NOW)
        columns = self.mirror.write_now(mirrored.columns_of)
        self.columns = {
            table: [name for name in names if not name.startswith("sealed")] for table, names in columns.items()
        }
        self.reader = IncrementReader(url, columns)
        self.copying = Mirror(self.reader, self.mirror, folder)

    def close(self) -> None:
        self.reader.close()
        self.truth.close()
        self.mirror.close()

    def rows(self, cursor: Cursor, table: str) -> list[str]:
        chosen = ", ".join(f'"{name}"' for name in self.columns[table] if name not in LEFT_OUT.get(table, ()))
        return sorted(repr(row) for row in cursor.execute(f"SELECT {chosen} FROM {table}").fetchall())

    def all_rows(self, ledger: PostgresLedger | EmbeddedLedger) -> dict[str, list[str]]:
        def read(cursor: Any) -> dict[str, list[str]]:
            return {table: self.rows(cursor, table) for table in MIRRORED_BY}

        return ledger.write_now(read)


@pytest.fixture
def pair(postgres_url: str, tmp_path: Path) -> Iterator[Pair]:
    with closing(Pair(postgres_url, tmp_path)) as both:
        yield both


def _some_work(draw: random.Random, cursor: Cursor, known: list[str]) -> None:
    """One thing that servers do, with values that are hard to copy."""
    now = NOW + timedelta(seconds=draw.random() * 1e5, microseconds=draw.randrange(10**6))
    if not known or draw.random() < 0.2:
        row = session()
        sessions.insert_or_get(cursor, row)
        known.append(row.id)
    chosen = draw.choice(known)
    text, number = draw.choice(TEXTS), draw.choice(NUMBERS)
    work: list[Callable[[], object]] = [
        lambda: cursor.execute("UPDATE sessions SET language = ?, update_time = ? WHERE id = ?", [text, now, chosen]),
        lambda: cursor.execute("DELETE FROM sessions WHERE id = ?", [chosen]),
        lambda: turns.insert_turn(cursor, turn(chosen, stream_id=new_id())),
        lambda: cursor.execute("UPDATE turns SET text = ?, reply = ? WHERE session_id = ?", [text, None, chosen]),
        lambda: cursor.execute("UPDATE turns SET confidence = coalesce(?, 0.5) WHERE session_id = ?", [number, chosen]),
        lambda: cursor.execute("DELETE FROM turns WHERE session_id = ?", [chosen]),
        lambda: events.insert_many(cursor, [event(chosen, new_id()) for _ in range(draw.randrange(1, 40))]),
        lambda: cursor.execute(
            "UPDATE events SET took_s = ?, variant = ? WHERE session_id = ?", [number, text, chosen]
        ),
        lambda: cursor.execute("DELETE FROM events WHERE session_id = ? AND id < 'a'", [chosen]),
        lambda: jobs.enqueue(cursor, job(chosen)),
        lambda: _attempt(cursor, chosen, draw.randrange(3)),
        lambda: cursor.execute("DELETE FROM job_attempts WHERE job_id = ? AND number = 1", [chosen]),
        lambda: insert(cursor, "uploads", {"id": new_id(), **_upload(chosen, text)}),
    ]
    draw.choice(work)()


def _attempt(cursor: Cursor, job_id: str, number: int) -> None:
    times = {"begin_time": NOW.replace(tzinfo=None), "end_time": NOW.replace(tzinfo=None)}
    insert(
        cursor,
        "job_attempts",
        {"job_id": job_id, "number": number, **times, "outcome": "done", "reason": "", "build": ""},
    )


def _upload(session_id: str, text: str) -> dict[str, Any]:
    row = upload(session_id)
    return {
        "session_id": session_id, "kind": "meter", "state": str(row.state), "size_bytes": 2**62, "sha256": text,
        "media_type": "", "create_time": NOW.replace(tzinfo=None), "update_time": NOW.replace(tzinfo=None),
        "progress": 0.5, "attempts": 0, "failure_reason": "", "text": text, "text_counts": '{"a": "\\u00e9"}',
        "text_safe": None, "artifact_path": "", "artifact_mime": "", "artifact_bytes": 0, "artifact_width": 0,
        "artifact_height": 0, "painted": 0,
    }  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
async def test_a_mirror_ends_as_the_tables_are(pair: Pair, seed: int) -> None:
    """Three servers write, and each commits or takes back what it wrote at a time of its own."""
    draw = random.Random(seed)
    connections = [connect(pair.url) for _ in range(3)]
    known: list[list[str]] = [[], [], []]
    for _ in range(150):
        place = draw.randrange(3)
        cursor = PostgresCursor(connections[place])
        _some_work(draw, cursor, known[place])
        if draw.random() < 0.3:
            connections[place].commit() if draw.random() < 0.8 else connections[place].rollback()
            if connections[place].info.transaction_status == 0:
                committed = {
                    row["id"] for row in pair.truth.write_now(lambda c: fetch_all(c, "SELECT id FROM sessions"))
                }
                known[place] = [each for each in known[place] if each in committed]
        if draw.random() < 0.2:
            await pair.copying.round()
    for connection in connections:
        connection.commit()
        connection.close()
    await pair.copying.round()
    truth = pair.all_rows(pair.truth)
    assert pair.all_rows(pair.mirror) == truth
    assert truth["events"] and truth["sessions"] and truth["job_attempts"], "else it shows nothing"
    with closing(Pair(pair.url, pair.mirror.path.parent / "anew")) as anew:
        await anew.copying.round()
        assert anew.all_rows(anew.mirror) == truth, "a mirror that begins now is the same"


async def test_what_a_slow_transaction_commits_after_a_later_one_is_not_lost(pair: Pair) -> None:
    slow, quick = session(), session()
    with connect(pair.url) as connection:
        sessions.insert_or_get(PostgresCursor(connection), slow)
        pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, quick))
        await pair.copying.round()
        await pair.copying.round()
        assert await pair.mirror.read(_ids) == {quick.id}
    await pair.copying.round()
    assert await pair.mirror.read(_ids) == {slow.id, quick.id}


async def test_a_round_reads_only_what_is_new(pair: Pair, tmp_path: Path) -> None:
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    await pair.copying.round()
    since = await pair.mirror.read(mirrored.position)
    (tmp_path / "one").mkdir()
    assert pair.reader.read(since, tmp_path / "one").tables == ()
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    (tmp_path / "two").mkdir()
    found = {each.table: each.rows.read_text() for each in pair.reader.read(since, tmp_path / "two").tables}
    assert {table: len(rows.splitlines()) for table, rows in found.items()} == {"events": 1, "sessions": 1}


async def test_a_mirror_that_was_away_for_long_begins_anew(pair: Pair) -> None:
    """What was deleted long ago is not remembered."""
    row = session()
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    await pair.copying.round()
    _run(pair.truth, "DELETE FROM sessions")
    _run(pair.truth, "DELETE FROM deleted_rows")
    later = Mirror(pair.reader, pair.mirror, pair.mirror.path.parent)
    await later.round()
    assert await pair.mirror.read(_ids) == {row.id}, "so this test would notice"
    _run(pair.mirror, "UPDATE mirror_position SET read_time = read_time - INTERVAL 31 MINUTE")
    await Mirror(pair.reader, pair.mirror, pair.mirror.path.parent).round()
    assert await pair.mirror.read(_ids) == set()


async def test_a_mirror_of_an_earlier_release_begins_anew(pair: Pair) -> None:
    """Its table of the position had other columns."""
    row = session()
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    _run(pair.mirror, "CREATE TABLE mirror AS SELECT 'x' AS source, 'y' AS generation, 'z' AS snapshot")
    await pair.copying.round()
    assert await pair.mirror.read(_ids) == {row.id}


async def test_deleted_rows_are_forgotten_after_an_hour(pair: Pair) -> None:
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    _run(pair.truth, "DELETE FROM sessions")
    kept = "SELECT count(*) FROM deleted_rows"
    await pair.copying.round()
    assert pair.truth.write_now(lambda cursor: count(cursor, kept)) == 1
    older = "UPDATE deleted_rows SET delete_time = delete_time - INTERVAL '61 minutes'"
    _run(pair.truth, older)
    await pair.copying.round()
    assert pair.truth.write_now(lambda cursor: count(cursor, kept)) == 0


def _position(source: str = "a", mirror: str = "g", oldest: int = 5, minutes: float = 0.0) -> Position:
    return Position(source, mirror, f"{oldest}:9:", NOW + timedelta(minutes=minutes))


@pytest.mark.parametrize(
    ("later", "leads"),
    [
        (_position(), True),
        (_position(oldest=7, minutes=29), True),
        (_position(oldest=7, minutes=31), False),
        (_position(minutes=-1), False),
        (_position(oldest=4), False),
        (_position(source="b"), False),
        (_position(mirror="h"), False),
    ],
)
def test_a_position_leads_to_a_later_one_of_the_same_database(later: Position, leads: bool) -> None:
    assert _position().leads_to(later) is leads


async def test_rows_of_a_restored_dump_are_stamped_anew(pair: Pair, tmp_path: Path) -> None:
    """Their transactions are of another server, and may have higher numbers. They would be read in every round."""
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    high = "ALTER TABLE sessions DISABLE TRIGGER sessions_changed; UPDATE sessions SET changed_in = '999999999'::XID8"
    with psycopg.connect(pair.url) as connection:
        for statement in high.split(";"):
            connection.execute(statement)
        connection.execute("ALTER TABLE sessions ENABLE TRIGGER sessions_changed")
    PostgresLedger.open(pair.url, lambda: NOW).close()
    await pair.copying.round()
    _run(pair.truth, "SELECT pg_current_xact_id()")
    await pair.copying.round()
    since = await pair.mirror.read(mirrored.position)
    (tmp_path / "later").mkdir()
    assert pair.reader.read(since, tmp_path / "later").tables == ()


async def test_views_macros_and_reports_find_their_tables(pair: Pair) -> None:
    def read(cursor: DuckDb) -> set[str]:
        views = "SELECT sql FROM duckdb_views() WHERE NOT internal"
        macros = "SELECT macro_definition FROM duckdb_functions() WHERE NOT internal"
        found = cursor.execute(f"{views} UNION ALL {macros}").fetchall()
        text = " ".join(row[0] for row in found if row[0])
        tables = {row[0] for row in cursor.execute("SELECT table_name FROM duckdb_tables()").fetchall()}
        return {table for table in tables if re.search(rf"\b{table}\b", text)}

    used = await pair.mirror.read(read)
    assert used - set(MIRRORED_BY) == set()
    row = session()
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    await pair.copying.round()
    shown = await pair.mirror.read(lambda cursor: fetch_all(cursor, "SELECT session_id, state FROM v_sessions"))
    assert [each["session_id"] for each in shown] == [row.id]


async def test_what_is_sealed_stays_where_it_is(pair: Pair) -> None:
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    pair.truth.write_now(_seal)
    assert set(pair.truth.write_now(_hidden)) == {"sealed", "keyed hash", b"secret"}
    for _ in range(2):
        await pair.copying.round()
        assert set(await pair.mirror.read(_hidden)) <= {"", b""}
        _run(pair.truth, "UPDATE sealed_values SET field = 'other'")
    await pair.copying.round()
    assert await pair.mirror.read(lambda cursor: _all(cursor, "SELECT field FROM sealed_values")) == [("other",)]


def _hidden(cursor: Cursor) -> list[Any]:
    sealed = "SELECT hash, ciphertext FROM sealed_values"
    rows = [*_all(cursor, "SELECT sealed_vocabulary FROM sessions"), *_all(cursor, sealed)]
    return [value for row in rows for value in row]


def _all(cursor: Cursor, query: str) -> list[tuple[Any, ...]]:
    return cursor.execute(query).fetchall()


def _seal(cursor: Cursor) -> None:
    names = ("session_id", "source_id", "type", "field", "key_id", "released_to", "request_id")
    given = dict.fromkeys(names, "") | {"id": new_id(), "hash": "keyed hash", "ciphertext": b"secret"}
    insert(cursor, "sealed_values", given | {"create_time": NOW.replace(tzinfo=None)})


@pytest.mark.parametrize("number", [3, 1_200])
async def test_rows_of_keys_that_are_no_text_are_replaced(pair: Pair, number: int) -> None:
    """Few keys are looked up one by one, and many in one go."""
    pair.truth.write_now(lambda cursor: _numbered(cursor, number))
    await pair.copying.round()
    _run(pair.truth, "UPDATE audit SET outcome = 'changed'")
    _run(pair.truth, "UPDATE daily_events SET events = 7 WHERE day <> DATE '2020-01-02'")
    _run(pair.truth, "DELETE FROM daily_events WHERE day = DATE '2020-01-03'")
    _run(pair.truth, "DELETE FROM audit WHERE number = 2")
    await pair.copying.round()
    assert pair.all_rows(pair.mirror) == pair.all_rows(pair.truth)
    assert await pair.mirror.read(lambda cursor: count(cursor, "SELECT count(*) FROM audit")) == number - 1


def _numbered(cursor: Cursor, number: int) -> None:
    cursor.execute(
        """INSERT INTO audit SELECT i, TIMESTAMP '2026-01-01', '', '', '', '', '', '', '', '', 1, ''
        FROM generate_series(1, ?::BIGINT) AS rows (i)""",
        [number],
    )
    cursor.execute(
        """INSERT INTO daily_events SELECT DATE '2020-01-01' + i::INTEGER, 'c', 's', 'n', '', 1, 1, 0, 0
        FROM generate_series(0, ?::BIGINT) AS rows (i)""",
        [number],
    )


async def test_an_old_transaction_does_not_make_each_round_read_the_same_again(pair: Pair, tmp_path: Path) -> None:
    with connect(pair.url) as old:
        old.execute("SELECT pg_current_xact_id()")
        pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
        await pair.copying.round()
        since = await pair.mirror.read(mirrored.position)
        (tmp_path / "again").mkdir()
        assert pair.reader.read(since, tmp_path / "again").tables == ()


async def test_a_database_that_was_made_anew_is_read_anew(pair: Pair) -> None:
    """As after a dump was restored into the same server of PostgreSQL."""
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    await pair.copying.round()
    _run(pair.truth, "DELETE FROM sessions")
    _run(pair.truth, "CREATE TABLE others (LIKE deleted_rows)")
    _run(pair.truth, "DROP TABLE deleted_rows")
    _run(pair.truth, "ALTER TABLE others RENAME TO deleted_rows")
    await pair.copying.round()
    assert await pair.mirror.read(_ids) == set()


async def test_a_round_that_is_cancelled_ends_its_reading_first(pair: Pair) -> None:
    with connect(pair.url) as other, connect(pair.url) as looking:
        other.execute("LOCK TABLE sessions IN ACCESS EXCLUSIVE MODE")
        running = asyncio.create_task(pair.copying.round())
        waits = "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = 'sessions'::REGCLASS"
        await eventually(lambda: looking.execute(waits).fetchone() == (1,))
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert not list(pair.mirror.path.parent.glob("tmp*"))
    await pair.copying.round()


async def test_while_postgres_does_not_answer_the_mirror_stays_as_it_was(pair: Pair, postgres_databases: str) -> None:
    row = session()
    pair.truth.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    await pair.copying.round()
    before = pair.copying.lag_s
    with psycopg.connect(postgres_databases.format("postgres"), autocommit=True) as connection:
        name = psycopg.conninfo.conninfo_to_dict(pair.url)["dbname"]
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'".encode())
    with pytest.raises(Unavailable) as failed:
        await pair.copying.round()
    assert failed.value.reason == "LEDGER_IO"
    assert await pair.mirror.read(_ids) == {row.id}
    assert pair.copying.lag_s > before
    await pair.copying.round()
    assert not list(pair.mirror.path.parent.glob("tmp*")), "no file is left"


async def test_one_process_has_a_ledger_alone(postgres_url: str) -> None:
    one = PostgresLedger.open(postgres_url, lambda: NOW, use=Use.ALONE)
    with pytest.raises(Unavailable) as refused:
        PostgresLedger.open(postgres_url, lambda: NOW, use=Use.ALONE)
    assert refused.value.reason == "LEDGER_LOCKED"
    one.close()
    PostgresLedger.open(postgres_url, lambda: NOW, use=Use.ALONE).close()


async def test_who_loses_the_connection_writes_nothing_while_another_one_has_the_ledger(
    postgres_url: str, postgres_databases: str
) -> None:
    one = PostgresLedger.open(postgres_url, lambda: NOW, use=Use.ALONE)
    with psycopg.connect(postgres_databases.format("postgres"), autocommit=True) as connection:
        name = psycopg.conninfo.conninfo_to_dict(postgres_url)["dbname"]
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'".encode())
        other: list[PostgresLedger] = []

        def opened() -> bool:
            try:
                other.append(PostgresLedger.open(postgres_url, lambda: NOW, use=Use.ALONE))
            except Unavailable:
                return False
            return True

        await eventually(opened)
    with pytest.raises(Unavailable):
        await one.write(lambda cursor: sessions.insert_or_get(cursor, session()))
    await eventually(lambda: one.is_elsewhere)
    with pytest.raises(Unavailable) as refused:
        await one.write(lambda cursor: sessions.insert_or_get(cursor, session()))
    assert refused.value.reason == "LEDGER_LOCKED"
    other[0].close()
    await eventually(lambda: not one.is_elsewhere)
    await one.write(lambda cursor: sessions.insert_or_get(cursor, session()))
    one.close()


def _ids(cursor: Cursor) -> set[str]:
    return {row[0] for row in cursor.execute("SELECT id FROM sessions").fetchall()}


def _run(ledger: PostgresLedger | EmbeddedLedger, statement: str) -> None:
    ledger.write_now(lambda cursor: cursor.execute(statement) and None)
