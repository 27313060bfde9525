"""The schema of PostgreSQL: made of the embedded one, and brought forward by the same migrations."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import duckdb
import pytest

from models.errors import InternalError
from server.ledger import schema
from server.ledger.columns import Cursor, Row, count, fetch_all
from server.ledger.migrate import migrate
from server.ledger.migrations import ALL
from tests.unit.ledger.at_once import transaction
from tests.unit.ledger.makers import NOW

OWN_TABLES = ("deleted_rows", "mirrors")
"""For mirrors; DuckDB has none of them."""
NO_LOCALE = "this machine has no locale but C"
COLUMNS = """SELECT table_name, column_name, data_type, is_nullable, column_default, collation_name
FROM information_schema.columns WHERE table_schema = current_schema() ORDER BY table_name, column_name"""
COMMENTS = """SELECT c.relname, a.attname, col_description(c.oid, a.attnum) AS comment
FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
WHERE c.relkind = 'r' AND a.attnum > 0 AND NOT a.attisdropped
    AND c.relnamespace = current_schema()::regnamespace ORDER BY 1, 2"""
INDEXES = """SELECT indexname, replace(indexdef, current_schema() || '.', '') AS indexdef FROM pg_indexes
WHERE schemaname = current_schema() ORDER BY indexname"""
TRIGGERS = """SELECT replace(pg_get_triggerdef(t.oid), current_schema() || '.', '') AS definition
FROM pg_trigger AS t JOIN pg_class AS c ON c.oid = t.tgrelid
WHERE NOT t.tgisinternal AND c.relnamespace = current_schema()::regnamespace ORDER BY 1"""
FUNCTIONS = """SELECT proname, replace(pg_get_functiondef(oid), current_schema() || '.', '') AS definition
FROM pg_proc WHERE pronamespace = current_schema()::regnamespace ORDER BY proname"""


def _bring_up_to_date(cursor: Cursor, up_to: int = len(ALL)) -> int:
    from server.ledger.postgres.schema import bring_up_to_date

    return bring_up_to_date(cursor, lambda: NOW, up_to=up_to)


def _in_new_schema(cursor: Cursor, name: str) -> None:
    cursor.execute(f"CREATE SCHEMA {name}")
    cursor.execute(f"SET search_path = {name}")


def _described(cursor: Cursor) -> list[list[Row]]:
    return [fetch_all(cursor, query) for query in (COLUMNS, COMMENTS, INDEXES, TRIGGERS, FUNCTIONS)]


def test_a_fresh_schema_has_the_tables_and_records_of_the_embedded_one(postgres_url: str) -> None:
    embedded = duckdb.connect()
    migrate(embedded, lambda: NOW)
    with transaction(postgres_url) as cursor:
        tables = {row["table_name"] for row in fetch_all(cursor, COLUMNS)}
        assert tables == {*OWN_TABLES, *(table.name for table in schema.TABLES)}
        names = "SELECT table_name, column_name, comment FROM duckdb_columns() WHERE NOT internal ORDER BY 1, 2"
        ours = {(row["table_name"], row["column_name"]): row["comment"] for row in fetch_all(embedded, names)}
        for row in fetch_all(cursor, COMMENTS):
            if (
                row["attname"] not in ("rowid", "changed_in", "lane_client", "lane_time")
                and row["relname"] not in OWN_TABLES
            ):
                assert ours[row["relname"], row["attname"]] == row["comment"]
        recorded = "SELECT number, name, apply_time FROM migrations ORDER BY number"
        assert fetch_all(cursor, recorded) == fetch_all(embedded, recorded)
        assert _bring_up_to_date(cursor) == 0


def test_every_later_migration_runs_on_postgresql_too(postgres_url: str) -> None:
    """A schema that was begun earlier ends as a fresh one. A new migration that does not run here fails this test."""
    from server.ledger.postgres.schema import BASE

    with transaction(postgres_url) as cursor:
        fresh = _described(cursor)
        _in_new_schema(cursor, "earlier")
        assert _bring_up_to_date(cursor, BASE) == BASE
        assert _bring_up_to_date(cursor) == len(ALL) - BASE
        assert _described(cursor) == fresh
        assert count(cursor, "SELECT max(number) FROM migrations") == len(ALL)


def test_a_start_makes_functions_indexes_and_row_ids_that_an_earlier_release_did_not_have(postgres_url: str) -> None:
    """Also where the release has no migration."""
    from server.ledger.postgres.schema import BASE

    with transaction(postgres_url) as cursor:
        fresh = _described(cursor)
        for name, up_to in (("before", len(ALL)), ("long_before", BASE)):
            _in_new_schema(cursor, name)
            _bring_up_to_date(cursor, up_to)
            cursor.execute("DROP INDEX jobs_open, dead_letters_open")
            cursor.execute("ALTER TABLE approvals DROP COLUMN rowid")
            cursor.execute("ALTER TABLE events DROP COLUMN changed_in")
            cursor.execute("DROP FUNCTION note_deleted_events CASCADE")
            cursor.execute("DROP TRIGGER events_changed ON events")
            cursor.execute("DROP FUNCTION to_seconds")
            changed = "CREATE OR REPLACE FUNCTION len(list VARCHAR[]) RETURNS INTEGER LANGUAGE sql IMMUTABLE RETURN 7"
            cursor.execute(changed)
            assert _described(cursor) != fresh
            _bring_up_to_date(cursor)
            assert _described(cursor) == fresh


def test_a_start_that_has_nothing_to_make_does_not_wait_for_those_who_write(postgres_url: str) -> None:
    with transaction(postgres_url) as writing, transaction(postgres_url) as starting:
        for table in schema.TABLES:
            writing.execute(f"LOCK TABLE {table.name} IN ROW EXCLUSIVE MODE")
        starting.execute("SET lock_timeout = '1s'")
        assert _bring_up_to_date(starting) == 0


def test_every_column_of_text_is_compared_by_its_bytes(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        texts = [row for row in fetch_all(cursor, COLUMNS) if row["data_type"] == "character varying"]
        assert len(texts) > 100
        assert {row["collation_name"] for row in texts} == {"C"}


def test_the_test_server_orders_texts_by_a_language(postgres_url: str) -> None:
    """Else no test would notice a column that is not compared by its bytes."""
    with transaction(postgres_url) as cursor:
        if count(cursor, "SELECT count(*) FROM pg_database WHERE datname = 'ledger' AND datcollate = 'C'"):
            if os.environ.get("CI"):
                pytest.fail(NO_LOCALE)
            pytest.skip(NO_LOCALE)
        assert count(cursor, "SELECT ('a' < 'B')::INTEGER") == 1


def test_two_servers_that_start_at_once_make_one_schema(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        cursor.execute("CREATE SCHEMA shared")

    def start(_: int) -> int:
        with transaction(postgres_url) as cursor:
            cursor.execute("SET search_path = shared")
            return _bring_up_to_date(cursor)

    with ThreadPoolExecutor(2) as threads:
        assert sorted(threads.map(start, range(2))) == [0, len(ALL)]


def test_a_schema_of_a_newer_release_is_refused(postgres_url: str) -> None:
    with transaction(postgres_url) as cursor:
        cursor.execute("UPDATE migrations SET number = number + 1000")
        with pytest.raises(InternalError) as refused:
            _bring_up_to_date(cursor)
        assert refused.value.reason == "LEDGER_NEWER"
