"""Migrations from an empty file, from an older schema and from a newer one."""

from __future__ import annotations

import hashlib
import json
import re
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest

from models.errors import InternalError
from server.ledger import all_views, claims, sessions, streams, table_schema, uploads
from server.ledger.all_macros import ALL_MACROS
from server.ledger.columns import Cursor, DuckDb, count, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.macro_views import V_MACROS
from server.ledger.migrate import migrate, needed_schema, require_newest
from server.ledger.migration_marks import MARKED_FROM, Change, one_way
from server.ledger.migrations import (
    ALL,
    count_attempts_at_reports_from_the_first,
    count_events_of_sessions,
    keep_time_zones,
    place_openings_first,
)
from server.ledger.types import Artifact
from server.ledger.view_migrations import renew_macros
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.stored import read_now

RENEWAL = max(number for number, step in enumerate(ALL, start=1) if step.change is renew_macros)
"""The last migration that renews the macros."""
MIGRATIONS, MACROS = 51, "75b18d380ad713b3"
VIEWS = "d9326b01eebddd7a"


def before(change: Change) -> int:
    """Number of the migration before this one."""
    return [step.change for step in ALL].index(change)


def test_an_empty_file_gets_every_migration_once(cursor: DuckDb) -> None:
    applied = [row["number"] for row in fetch_all(cursor, "SELECT * FROM migrations ORDER BY number")]
    assert applied == list(range(1, len(ALL) + 1))
    assert migrate(cursor, lambda: NOW) == 0


@pytest.mark.parametrize("version", range(1, len(ALL)))
def test_migrating_an_older_schema_keeps_its_rows(version: int) -> None:
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW, up_to=version)
    connection.execute(
        """INSERT INTO jobs (id, kind, key, session_id, payload, state, policy, create_time, next_attempt_time,
            attempts, lease_owner, last_reason)
        VALUES ('j', 'k', 'key', 's', '{}', 'QUEUED', 'network', now()::TIMESTAMP, now()::TIMESTAMP, 2, '', '')"""
    )
    assert migrate(connection, lambda: NOW) == len(ALL) - version
    assert fetch_all(connection, "SELECT job_id, attempts FROM v_jobs") == [{"job_id": "j", "attempts": 2}]


def test_migrated_views_count_sessions_under_way() -> None:
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW, up_to=4)
    connection.execute("CREATE OR REPLACE VIEW v_session_stages AS SELECT id AS session_id, 1 AS reached FROM sessions")
    connection.execute("CREATE OR REPLACE VIEW v_funnel AS SELECT count(*) AS sessions FROM v_session_stages")
    migrate(connection, lambda: NOW)
    assert [row["under_way"] for row in fetch_all(connection, "FROM v_funnel")] == [0, 0, 0, 0]
    assert fetch_all(connection, "SELECT ended FROM v_session_stages") == []


def test_a_migrated_ledger_has_openings_before_the_events_of_their_apps() -> None:
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW, up_to=before(place_openings_first))
    for name in ("slow", "right"):
        connection.execute(
            """INSERT INTO events (id, session_id, client_id, name, server_time, stage, device_time, event_time, clock,
                sequence, variant, properties, properties_meta)
            VALUES (uuid()::VARCHAR, $1, 'c', 'stage_entered', '2026-11-01', 'STARTED', NULL, '2026-11-01', 'server',
                    0, '', '{}', '{}'),
                (uuid()::VARCHAR, $1, 'c', 'f', '2026-11-01', NULL, $2, $2, 'device', 1, '', '{}', '{}')""",
            [name, datetime(2026, 10, 31) if name == "slow" else datetime(2026, 11, 2)],
        )
    migrate(connection, lambda: NOW)
    openings = connection.execute("SELECT session_id, event_time, server_time FROM events WHERE stage = 'STARTED'")
    assert {name: (at, seen) for name, at, seen in openings.fetchall()} == {
        "slow": (datetime(2026, 10, 31), datetime(2026, 11, 1)),
        "right": (datetime(2026, 11, 1), datetime(2026, 11, 1)),
    }


def test_waiting_reports_of_an_older_ledger_count_from_their_first_attempt() -> None:
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW, up_to=before(count_attempts_at_reports_from_the_first))
    made, due = datetime(2026, 11, 30), datetime(2026, 12, 4)
    for channel, attempts in (("mail", 0), ("folder", 1)):
        connection.execute(
            """INSERT INTO weekly_reports BY NAME SELECT '2026-W48' AS week, $1 AS channel, 'id' AS report_id,
            'WAITING' AS state, $2 AS attempts, $3 AS create_time, $4 AS next_attempt_time, '' AS last_reason""",
            [channel, attempts, made, due],
        )
    migrate(connection, lambda: NOW)
    rows = connection.execute("SELECT channel, first_attempt_time FROM weekly_reports").fetchall()
    assert dict(rows) == {"mail": due, "folder": made}


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


@pytest.mark.parametrize(("language", "detects"), [("", True), ("de", False)])
def test_a_stream_of_an_older_schema_can_be_resumed(tmp_path: Path, language: str, detects: bool) -> None:
    """An older schema does not say whether a language was given. It was detected only if none is stored."""
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=5)
        connection.execute(
            """INSERT INTO streams (id, session_id, token_hash, encoding, sample_rate_hz, channels, language,
                create_time, update_time, next_offset, finalized_samples, next_utterance, carry, open)
            VALUES ('st', 's', 'cd', 'PCM_S16LE', 16000, 1, ?, now()::TIMESTAMP, now()::TIMESTAMP,
                7, 8, 9, 'sealed', true)""",
            [language],
        )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    ledger.write_now(lambda cursor: streams.save_progress(cursor, "st", NOW, next_utterance=10))
    row = read_now(ledger, lambda cursor: streams.get(cursor, "st"))
    ledger.close()
    assert (row.language, row.detects, row.next_utterance, row.sealed_state) == (language, detects, 10, b"sealed")


@pytest.mark.parametrize(
    ("columns", "artifact"),
    [
        ("'u.png', 'image/png', 300, 40, 30, 2", Artifact("u.png", "image/png", 300, painted=2, width=40, height=30)),
        ("'u.flac', 'audio/flac', 900, 0, 0, 1", Artifact("u.flac", "audio/flac", 900, painted=1)),
        ("'', '', 0, 0, 0, 0", None),
    ],
)
def test_an_upload_of_an_older_schema_keeps_its_artifact(
    tmp_path: Path, columns: str, artifact: Artifact | None
) -> None:
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=6)
        connection.execute(
            f"""INSERT INTO uploads (id, session_id, kind, state, size_bytes, sha256, media_type, create_time,
                update_time, progress, attempts, failure_reason, picture_path, picture_mime, picture_bytes,
                picture_width, picture_height, painted)
            VALUES ('u', 's', 'meter', 'DONE', 1, '', 'image/jpeg', now()::TIMESTAMP, now()::TIMESTAMP, 1, 1, '',
                {columns})"""
        )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    assert read_now(ledger, lambda cursor: uploads.get(cursor, "u")).artifact == artifact
    assert read_now(ledger, lambda cursor: fetch_all(cursor, "SELECT upload_id FROM v_uploads")) == [{"upload_id": "u"}]
    assert read_now(ledger, _indexes) == {"uploads_session_id"}
    ledger.close()


def test_jobs_of_an_older_schema_are_found_by_the_handlers_of_today(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=15)
        for name, media_type in (("picture", "image/heic"), ("paper", "application/pdf"), ("sound", "audio/ogg")):
            connection.execute(
                """INSERT INTO uploads (id, session_id, kind, state, size_bytes, sha256, media_type, create_time,
                    update_time, progress, attempts, failure_reason, artifact_path, artifact_mime, artifact_bytes,
                    artifact_width, artifact_height, painted)
                VALUES (?, ?, '', 'ACCEPTED', 1, '', ?, now()::TIMESTAMP, now()::TIMESTAMP, 0, 0, '', '', '', 0, 0, 0,
                    0)""",
                [name, name, media_type],
            )
            connection.execute(
                """INSERT INTO jobs (id, kind, key, session_id, payload, state, policy, create_time,
                    next_attempt_time, attempts, lease_owner, last_reason)
                VALUES (?, 'read_upload', ?, ?, ?, 'QUEUED', 'network', ?, ?, 0, '', '')""",
                [name, f"read_upload:{name}", name, json.dumps({"upload_id": name, "spool_id": name}), NOW, NOW],
            )
        connection.execute(
            """INSERT INTO dead_letters (id, job_id, kind, session_id, reason, message, attempts, policy, create_time,
                closed_as, closed_reason) VALUES ('l', 'sound', 'read_upload', 'sound', 'R', '', 1, '', ?, '', '')""",
            [NOW],
        )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    for kind, expected in (("read_picture", ["paper", "picture"]), ("read_recording", ["sound"])):
        claim = partial(claims.claim, owner="me", now=NOW, lease_s=30, limit=9, kinds=(kind,))
        assert sorted(job.id for job in ledger.write_now(claim)) == expected
    assert read_now(ledger, lambda cursor: fetch_all(cursor, "SELECT kind FROM dead_letters")) == [
        {"kind": "read_recording"}
    ]
    ledger.close()


def test_events_of_an_older_schema_get_the_time_at_which_they_happened(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    now = NOW.replace(tzinfo=None)
    devices: dict[str, datetime | None] = {"right": now, "late": now - timedelta(days=3), "first": datetime(9999, 1, 1)}
    devices |= {"second": datetime(9999, 1, 2), "year_1": datetime(1, 1, 1), "server": None}
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=19)
        connection.execute(
            "INSERT INTO sessions VALUES ('s', 'app', '', 'STARTED', $1, $1, $1, '', '', '', 0, '')",
            [now - timedelta(days=4)],
        )
        for name, device in devices.items():
            connection.execute(
                "INSERT INTO events VALUES (?, 's', 'app', ?, ?, NULL, ?, 0, '', NULL, '{}', '{}')",
                [name, name, now, device],
            )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    found = read_now(
        ledger, lambda cursor: fetch_all(cursor, "SELECT name, event_time, clock, device_time FROM events")
    )
    ledger.close()
    assert {row["name"]: (row["event_time"], row["clock"]) for row in found} == {
        "right": (now, "device"),
        "late": (now - timedelta(days=3), "device"),
        "first": (now - timedelta(days=1), "corrected"),
        "second": (now, "corrected"),
        "year_1": (now, "server"),
        "server": (now, "server"),
    }
    assert {row["name"]: row["device_time"] for row in found} == devices


def test_events_of_an_older_schema_count_for_the_bound_of_their_session(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    now = NOW.replace(tzinfo=None)
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=before(count_events_of_sessions))
        for name in ("s", "silent"):
            connection.execute(
                "INSERT INTO sessions VALUES ($1, 'app', $1, 'STARTED', $2, $2, $2, '', '', '', 0, '', 0)", [name, now]
            )
        for name, device in (("one", now), ("two", now), ("of_the_server", None)):
            connection.execute(
                "INSERT INTO events VALUES ($1, 's', 'app', $1, $2, NULL, $3, 0, '', NULL, '{}', '{}', $2, '')",
                [name, now, device],
            )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    found = read_now(ledger, lambda cursor: fetch_all(cursor, "SELECT id, event_count FROM sessions ORDER BY id"))
    ledger.close()
    assert found == [{"id": "s", "event_count": 2}, {"id": "silent", "event_count": 0}]


def test_a_session_of_an_older_schema_keeps_the_days_of_utc(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, lambda: NOW, up_to=before(keep_time_zones))
        connection.execute(
            """INSERT INTO sessions (id, client_id, request_id, state, create_time, update_time, stage_time, language,
                sealed_vocabulary, variant, turn_count)
            VALUES ('s', 'app', 'r', 'STARTED', $1, $1, $1, '', '', '', 0)""",
            [NOW.replace(tzinfo=None)],
        )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    assert read_now(ledger, lambda cursor: sessions.get(cursor, "s")).time_zone == "UTC"
    ledger.close()


def _indexes(cursor: DuckDb) -> set[str]:
    rows = fetch_all(cursor, "SELECT index_name FROM duckdb_indexes() WHERE table_name = 'uploads'")
    return {row["index_name"] for row in rows}


def test_a_failed_migration_is_rolled_back(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(cursor: Cursor) -> None:
        cursor.execute("CREATE TABLE half (a INTEGER)")
        cursor.execute("SELECT no_such_function()")

    monkeypatch.setattr("server.ledger.migrate.ALL", (*ALL, one_way(breaks)))
    connection = duckdb.connect(":memory:")
    with pytest.raises(duckdb.Error):
        migrate(connection, lambda: NOW, up_to=len(ALL) + 1)
    assert count(connection, "SELECT max(number) FROM migrations") == len(ALL)
    assert count(connection, "SELECT count(*) FROM duckdb_tables() WHERE table_name = 'half'") == 0


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
    for number, step in enumerate(ALL, start=1):
        earlier = shown(connection)
        migrate(connection, lambda: NOW, up_to=number)
        if keeps(earlier, shown(connection)):
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
