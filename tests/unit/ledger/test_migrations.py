"""Migrations from an empty file, from an older schema and from a newer one."""

from __future__ import annotations

import hashlib
import re

import duckdb
import pytest

from models.errors import InternalError
from server.ledger import all_views, table_schema
from server.ledger.all_macros import ALL_MACROS
from server.ledger.columns import Cursor, DuckDb, count, fetch_all
from server.ledger.macro_views import V_MACROS
from server.ledger.migrate import migrate, needed_schema, require_newest
from server.ledger.migration_marks import MARKED_FROM, one_way
from server.ledger.migrations import (
    ALL,
)
from server.ledger.view_migrations import renew_macros
from tests.unit.ledger.makers import NOW

RENEWAL = max(number for number, step in enumerate(ALL, start=1) if step.change is renew_macros)
"""The last migration that renews the macros."""
MIGRATIONS, MACROS = 51, "75b18d380ad713b3"
VIEWS = "d9326b01eebddd7a"


def test_an_empty_file_gets_every_migration_once(cursor: DuckDb) -> None:
    applied = [row["number"] for row in fetch_all(cursor, "SELECT * FROM migrations ORDER BY number")]
    assert applied == list(range(1, len(ALL) + 1))
    assert migrate(cursor, lambda: NOW) == 0


def test_a_migrated_ledger_has_the_macros_of_a_new_one() -> None:
    old, new = duckdb.connect(":memory:"), duckdb.connect(":memory:")
    migrate(old, lambda: NOW, up_to=RENEWAL - 1)
    for macro in ALL_MACROS:
        old.execute(f"CREATE OR REPLACE MACRO {macro.signature()} AS TABLE SELECT 1 AS earlier")
    migrate(old, lambda: NOW)
    migrate(new, lambda: NOW)
    assert macros_of(old) == macros_of(new)


def test_a_changed_macro_comes_with_a_migration() -> None:
    """A ledger keeps its macros until a migration renews them.

    After a change of a macro, add a migration that does so to the end of ``ALL``, and put both new values here.
    """
    statements = "".join(statement for macro in ALL_MACROS for statement in macro.statements())
    assert (RENEWAL, hashlib.sha256(statements.encode()).hexdigest()[:16]) == (MIGRATIONS, MACROS)


def test_a_changed_view_comes_with_a_migration() -> None:
    """A ledger keeps its views until a migration makes them again, also those whose text shared code makes.

    A view that is on a released version stays as it is: give the changed one another constant, and a migration of its
    own. Then put the new value here. The view of the macros is renewed with them.
    """
    statements = "".join(
        statement for view in all_views.ALL_VIEWS if view is not V_MACROS for statement in view.statements()
    )
    assert hashlib.sha256(statements.encode()).hexdigest()[:16] == VIEWS


def macros_of(connection: DuckDb) -> list[dict[str, object]]:
    return fetch_all(
        connection,
        """SELECT function_name, macro_definition FROM duckdb_functions()
        WHERE function_type = 'table_macro' AND NOT internal ORDER BY function_name""",
    )


def test_a_failed_migration_is_rolled_back(cursor: DuckDb, monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(changed: Cursor) -> None:
        changed.execute("CREATE TABLE half (a INTEGER)")
        changed.execute("SELECT no_such_function()")

    monkeypatch.setattr("server.ledger.migrate.ALL", (*ALL, one_way(breaks)))
    with pytest.raises(duckdb.Error):
        migrate(cursor, lambda: NOW, up_to=len(ALL) + 1)
    assert count(cursor, "SELECT max(number) FROM migrations") == len(ALL)
    assert count(cursor, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'") == 0


def test_a_newer_schema_is_refused(cursor: DuckDb) -> None:
    cursor.execute("INSERT INTO migrations VALUES (99, 'from the future', now()::TIMESTAMP, false)")
    with pytest.raises(InternalError) as caught:
        migrate(cursor, lambda: NOW)
    assert caught.value.reason == "LEDGER_NEWER"


def test_a_newer_schema_from_which_one_can_go_back_is_used(cursor: DuckDb) -> None:
    cursor.execute("INSERT INTO migrations VALUES (99, 'from the future', now()::TIMESTAMP, true)")
    assert migrate(cursor, lambda: NOW) == 0
    require_newest(cursor)
    assert needed_schema(cursor, 99) == len(ALL)


def test_a_way_back_ends_at_the_last_migration_that_has_none(cursor: DuckDb) -> None:
    cursor.execute(
        "INSERT INTO migrations VALUES (98, 'a', now()::TIMESTAMP, false), (99, 'b', now()::TIMESTAMP, true)"
    )
    with pytest.raises(InternalError, match="needs a release with schema 98"):
        require_newest(cursor)


def test_each_migration_says_what_it_does_in_one_sentence_and_whether_one_can_go_back() -> None:
    for step in ALL:
        assert re.fullmatch(r"[A-Z].+\.", step.does), step.name
        assert step.goes_back in (True, False), step.name


def test_every_row_of_a_migration_has_its_mark(cursor: DuckDb) -> None:
    marks = [row["goes_back"] for row in fetch_all(cursor, "SELECT goes_back FROM migrations ORDER BY number")]
    assert marks == [step.goes_back and number >= MARKED_FROM for number, step in enumerate(ALL, start=1)]


def shown(connection: DuckDb) -> dict[str, set[tuple[str, ...]]]:
    """What an earlier release uses: tables and views with their columns, keys, and macros with their parameters."""
    queries = {
        "tables": "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE NOT internal",
        "keys": "SELECT table_name, constraint_text FROM duckdb_constraints()",
        "macros": "SELECT function_name, unnest(parameters) FROM duckdb_functions() WHERE NOT internal",
    }
    return {name: set(connection.execute(query).fetchall()) for name, query in queries.items()}


def keeps(earlier: dict[str, set[tuple[str, ...]]], later: dict[str, set[tuple[str, ...]]]) -> bool:
    """Whether a migration left what earlier releases use. It may add views, their columns, and macros."""
    added = later["tables"] - earlier["tables"]
    only_views = all(name.startswith("v_") for name, *_ in added)
    return only_views and later["keys"] == earlier["keys"] and all(earlier[name] <= later[name] for name in later)


def test_a_migration_that_goes_back_leaves_what_earlier_releases_use() -> None:
    connection = duckdb.connect(":memory:")
    fitting = set()
    later = shown(connection)
    for number, step in enumerate(ALL, start=1):
        earlier = later
        migrate(connection, lambda: NOW, up_to=number)
        later = shown(connection)
        if keeps(earlier, later):
            fitting.add(step.name)
        else:
            assert not step.goes_back, step.name
    assert "renew_macros" in fitting
    assert not fitting & {"create_tables", "keep_flows", "keep_time_zones", "call_pictures_and_recordings_artifacts"}


def test_every_table_view_and_column_has_a_comment(cursor: DuckDb) -> None:
    silent = fetch_all(
        cursor,
        """SELECT table_name || '.' || column_name AS name FROM duckdb_columns() WHERE NOT internal AND comment IS NULL
        UNION ALL SELECT table_name FROM duckdb_tables() WHERE comment IS NULL
        UNION ALL SELECT view_name FROM duckdb_views() WHERE NOT internal AND comment IS NULL""",
    )
    assert silent == []


def test_views_show_no_secret_columns(cursor: DuckDb) -> None:
    shown = {
        row["column_name"]
        for row in fetch_all(
            cursor, "SELECT column_name FROM duckdb_columns() WHERE table_name LIKE 'v\\_%' ESCAPE '\\'"
        )
    }
    assert {"session_id", "text", "drop_off_rate"} <= shown
    assert not shown & {
        "token_hash",
        "carry",
        "payload",
        "sealed_vocabulary",
        "lease_owner",
        "request_id",
        "artifact_path",
        "words",
        "peer",
        "hash",
    }


def test_a_view_lists_every_macro_with_its_parameters_and_comment(cursor: DuckDb) -> None:
    listed = {row["name"]: row for row in fetch_all(cursor, "FROM v_macros")}
    assert list(listed) == [macro.name for macro in ALL_MACROS]
    assert all(listed[macro.name]["comment"] == macro.comment for macro in ALL_MACROS)
    made = fetch_all(
        cursor, "SELECT function_name, parameters FROM duckdb_functions() WHERE function_type = 'table_macro'"
    )
    for name, parameters in (
        (row["function_name"], row["parameters"]) for row in made if row["function_name"] in listed
    ):
        told = [line.partition(":")[0] for line in listed[name]["parameters"].splitlines()]
        assert set(told) == set(parameters)
    assert listed["funnel"]["call"].startswith("funnel(steps, within := NULL, ordering := 'ordered'")


def test_the_documented_views_exist() -> None:
    names = {view.name for view in all_views.ALL_VIEWS}
    assert {"v_sessions", "v_funnel", "v_session_timeline", "v_uploads", "v_jobs", "v_dead_letters", "v_turns"} <= names
    assert "v_audit" in names


def test_a_comment_may_hold_a_quote() -> None:
    assert table_schema.comment_on("TABLE", "t", "it's") == "COMMENT ON TABLE t IS 'it''s'"
