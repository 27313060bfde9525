"""The SQL that makes the catalogue of analysts."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import duckdb

from server.analytics.catalogue import open_catalogue, show_views
from server.analytics.shown_sql import sql_of_file, sql_of_newest
from server.ledger.columns import DuckDb
from server.ledger.migrate import migrate
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import migrated_file

MIB = 1024 * 1024
OF_VIEWS = """SELECT table_name, column_name, data_type, comment FROM duckdb_columns()
WHERE database_name = 'memory' AND NOT internal ORDER BY ALL"""


def shown(connection: DuckDb) -> list[tuple[object, ...]]:
    return connection.execute(OF_VIEWS).fetchall()


def test_a_file_of_the_newest_schema_has_what_is_known_of_it_without_a_file(tmp_path: Path) -> None:
    assert sorted(sql_of_file(migrated_file(tmp_path / "ledger.duckdb"))) == sorted(sql_of_newest())


def test_the_catalogue_is_made_before_there_is_a_ledger_and_reads_it_afterwards(tmp_path: Path) -> None:
    file = migrated_file(tmp_path / "ledger.duckdb")
    with closing(open_catalogue(1, 256 * MIB)) as waiting, closing(open_catalogue(1, 256 * MIB)) as reading:
        show_views(waiting, sql_of_newest())
        show_views(reading, sql_of_newest(), file)
        assert shown(waiting) == shown(reading) != []
        assert reading.execute("SELECT count(*) FROM v_sessions").fetchone() == (0,)
        assert reading.execute("SELECT sessions FROM funnel(['a'])").fetchall() == [(0,)]


def test_an_older_file_has_the_views_and_macros_of_its_time(tmp_path: Path) -> None:
    file = tmp_path / "older.duckdb"
    with duckdb.connect(file) as connection:
        migrate(connection, lambda: NOW, up_to=12)
    with closing(open_catalogue(1, 256 * MIB)) as older:
        show_views(older, sql_of_file(file), file)
        views = {str(name) for name, *_ in shown(older)}
    assert "v_sessions" in views
    assert "v_model_comparisons" not in views


def test_a_name_of_a_file_of_somebody_else_stays_a_name(tmp_path: Path) -> None:
    file, name = tmp_path / "theirs.duckdb", 'a" INTEGER); CREATE TABLE main.planted (b'
    quoted = '"' + name.replace('"', '""') + '"'
    with duckdb.connect(file) as connection:
        connection.execute(f"CREATE VIEW v_sessions AS SELECT 1 AS {quoted}")
        connection.execute(f"COMMENT ON COLUMN v_sessions.{quoted} IS 'theirs'")
    with closing(open_catalogue(1, 256 * MIB)) as reading:
        show_views(reading, sql_of_file(file), file)
        assert shown(reading) == [("v_sessions", name, "INTEGER", "theirs")]
        assert reading.execute("SELECT table_name FROM duckdb_tables() WHERE database_name = 'memory'").fetchall() == []
