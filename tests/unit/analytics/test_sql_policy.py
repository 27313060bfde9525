"""What analysts may ask, decided on DuckDB's own parse of the query; and that a query ends."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest

from server.analytics import query_guard, sql_policy
from server.analytics.query_guard import QueryGuard
from server.ledger.columns import Cursor, fetch_all
from server.ledger.migrations import migrate
from tests.unit.analytics.queries import BAD, GOOD
from tests.unit.ledger.makers import NOW

Ask = Callable[[str], str]


@pytest.fixture(scope="module")
def blank() -> Iterator[Cursor]:
    """One ledger for all queries; none of them changes it."""
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW)
    yield connection
    connection.close()


@pytest.fixture(scope="module")
def ask(blank: Cursor) -> Ask:
    return QueryGuard(blank.cursor, limit_s=5.0).refusal


@pytest.mark.parametrize("query", GOOD)
def test_good_queries_run(blank: Cursor, ask: Ask, query: str) -> None:
    assert ask(query) == ""
    blank.execute(query)


@pytest.mark.parametrize("query", BAD)
def test_bad_queries_are_refused(ask: Ask, query: str) -> None:
    assert ask(query) != ""


def test_the_policy_refuses_queries_that_duckdb_would_run(cursor: Cursor) -> None:
    """Those refused only because they cannot be planned say nothing about the policy."""
    passed = []
    for query in BAD:
        (serialized,) = cursor.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ("",)
        if len(query) <= sql_policy.LONGEST_QUERY and not sql_policy.judge(serialized).refused:
            passed.append(query)
    assert passed == []


def test_refusals_are_reported_without_the_query(cursor: Cursor) -> None:
    told: list[str] = []
    asked = QueryGuard(cursor.cursor, on_refused=told.append)
    assert asked.allows("SELECT 1")
    assert not asked.allows("SELECT * FROM read_text('/home/secret')")
    assert told == ["The function read_text may not be used."]


RUNAWAYS = (
    "SELECT sum(a.range * b.range % 7) FROM range(1000000) a, range(1000000) b",
    "SELECT count(*) FROM v_funnel a, v_funnel b, v_funnel c, v_funnel d, v_funnel e, v_funnel f, v_funnel g, "
    "v_funnel h, v_funnel i, v_funnel j, v_funnel k, v_funnel l, v_funnel m, v_funnel n, v_funnel o, v_funnel p",
    "SELECT count(*) FROM v_sessions a, v_sessions b, v_sessions c WHERE a.turns + b.turns <> c.turns",
    "SELECT max(length(repeat(session_id, 3))) FROM v_sessions a, generate_series(1, 1000000000) b",
)


@pytest.mark.parametrize("query", RUNAWAYS)
def test_a_query_that_does_not_end_is_refused(cursor: Cursor, query: str) -> None:
    cursor.execute(
        """INSERT INTO sessions SELECT i, 'a', i, 'STARTED', now()::TIMESTAMP, now()::TIMESTAMP, now()::TIMESTAMP, '',
        '[]', '', i FROM range(3000) r(i)"""
    )
    assert QueryGuard(cursor.cursor, limit_s=0.2).refusal(query) == "The query takes longer than 0.2 s."
    assert fetch_all(cursor, "SELECT count(*) AS n FROM v_sessions") == [{"n": 3000}]


def test_a_query_that_needs_too_much_memory_is_refused(cursor: Cursor) -> None:
    cursor.execute("SET memory_limit = '200MB'")
    cursor.execute("SET temp_directory = ''")
    refusal = QueryGuard(cursor.cursor).refusal("SELECT list(range) FROM range(200000000)")
    assert refusal == "The query needs too much memory."


def test_the_number_of_concurrent_trials_is_bounded(cursor: Cursor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_guard, "TRIALS", 1)
    asked = QueryGuard(cursor.cursor, limit_s=0.1)
    assert asked._trials.acquire()
    assert asked.refusal("SELECT * FROM range(3)") == "Too many long queries run at the moment."
    asked._trials.release()
    assert asked.refusal("SELECT * FROM range(3)") == ""
