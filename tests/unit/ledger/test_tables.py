"""Analysts see views only. The policy knows every table under them, from all migrations."""

from __future__ import annotations

import pytest

from server.analytics import sql_policy
from server.ledger import schema
from server.ledger.columns import Cursor, fetch_all


def test_the_schema_names_every_table(cursor: Cursor) -> None:
    made = {row["table_name"] for row in fetch_all(cursor, "SELECT table_name FROM duckdb_tables() WHERE NOT internal")}
    assert made == {table.name for table in schema.TABLES}


@pytest.mark.parametrize("table", [table.name for table in schema.TABLES])
def test_a_cte_with_the_name_of_a_table_is_refused(cursor: Cursor, table: str) -> None:
    query = f"SELECT o.* FROM (WITH {table} AS (SELECT 1 AS a) SELECT * FROM {table}) AS x, {table} AS o"
    [row] = fetch_all(cursor, "SELECT json_serialize_sql(?) AS parsed", [query])
    assert sql_policy.judge(row["parsed"])
