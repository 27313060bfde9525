"""What analysts may ask, decided on DuckDB's own parse of the query."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import duckdb
import pytest

from server.analytics.sql_policy import LONGEST_QUERY, judge
from server.ledger.columns import Cursor
from server.ledger.migrate import migrate
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
    def judged(query: str) -> str:
        (serialized,) = blank.execute("SELECT json_serialize_sql(?::VARCHAR)", [query]).fetchone() or ("",)
        refused = judge(serialized)
        return refused.message if refused else ""

    return judged


@pytest.mark.parametrize("query", GOOD)
def test_good_queries_run(blank: Cursor, ask: Ask, query: str) -> None:
    assert ask(query) == ""
    blank.execute(query)


@pytest.mark.parametrize("query", [query for query in BAD if len(query) <= LONGEST_QUERY])
def test_bad_queries_are_refused(ask: Ask, query: str) -> None:
    assert ask(query) != ""
