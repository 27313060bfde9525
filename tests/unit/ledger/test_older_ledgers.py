"""Ledgers of older schemas, which a migration brings to the newest one with their rows."""

from __future__ import annotations

import json
import shutil
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import duckdb
import pytest

from server.ledger import claims, sessions, streams, uploads
from server.ledger.columns import Cursor, DuckDb, fetch_all
from server.ledger.embedded import EmbeddedLedger
from server.ledger.migrate import migrate
from server.ledger.migration_marks import Change
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

RENEWALS = [number for number, step in enumerate(ALL, start=1) if step.change is renew_macros]
"""The migrations that renew the macros."""


def before(change: Change) -> int:
    """Number of the migration before this one."""
    return [step.change for step in ALL].index(change)


class OlderLedgers:
    """Empty ledgers of older schemas. Each is made once, from the one before it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[int, Path] = {}

    def put(self, number: int, path: Path) -> Path:
        """Put one with the first migrations at a path."""
        if number not in self._made:
            file = self._folder / f"{number}.duckdb"
            if earlier := [made for made in self._made if made < number]:
                shutil.copyfile(self._made[max(earlier)], file)
            with duckdb.connect(file, config={"storage_compatibility_version": "v1.0.0"}) as connection:
                migrate(connection, lambda: NOW, up_to=number)
            self._made[number] = file
        shutil.copyfile(self._made[number], path)
        return path


@pytest.fixture(scope="module")
def older(tmp_path_factory: pytest.TempPathFactory) -> OlderLedgers:
    return OlderLedgers(tmp_path_factory.mktemp("older"))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a test has its ledger."""
    return tmp_path / "ledger.duckdb"


def insert_job(cursor: Cursor, job_id: str) -> None:
    cursor.execute(
        """INSERT INTO jobs (id, kind, key, session_id, payload, state, policy, create_time, next_attempt_time,
            attempts, lease_owner, last_reason)
        VALUES ($1, 'k', $1, 's', '{}', 'QUEUED', 'network', now()::TIMESTAMP, now()::TIMESTAMP, 2, '', '')""",
        [job_id],
    )


def attempts(cursor: DuckDb) -> dict[str, int]:
    """Of all jobs that analysts see."""
    return dict(cursor.execute("SELECT job_id, attempts FROM v_jobs").fetchall())


def test_each_migration_keeps_the_rows_of_every_schema_before_it() -> None:
    connection = duckdb.connect(":memory:")
    for number in range(1, len(ALL)):
        assert migrate(connection, lambda: NOW, up_to=number) == 1
        insert_job(connection, f"of {number}")
    assert migrate(connection, lambda: NOW) == 1
    assert attempts(connection) == {f"of {number}": 2 for number in range(1, len(ALL))}


@pytest.mark.parametrize("version", [1, *RENEWALS])
def test_an_older_schema_is_migrated_at_once(older: OlderLedgers, path: Path, version: int) -> None:
    """All renewals but the last are left out then. Schemas between the same two come through the same states."""
    with duckdb.connect(older.put(version, path)) as connection:
        insert_job(connection, "j")
        assert migrate(connection, lambda: NOW) == len(ALL) - version
        assert attempts(connection) == {"j": 2}


def test_migrated_views_count_sessions_under_way(older: OlderLedgers, path: Path) -> None:
    connection = duckdb.connect(older.put(4, path))
    connection.execute("CREATE OR REPLACE VIEW v_session_stages AS SELECT id AS session_id, 1 AS reached FROM sessions")
    connection.execute("CREATE OR REPLACE VIEW v_funnel AS SELECT count(*) AS sessions FROM v_session_stages")
    migrate(connection, lambda: NOW)
    assert [row["under_way"] for row in fetch_all(connection, "FROM v_funnel")] == [0, 0, 0, 0]
    assert fetch_all(connection, "SELECT ended FROM v_session_stages") == []


def test_a_migrated_ledger_has_openings_before_the_events_of_their_apps(older: OlderLedgers, path: Path) -> None:
    connection = duckdb.connect(older.put(before(place_openings_first), path))
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


def test_waiting_reports_of_an_older_ledger_count_from_their_first_attempt(older: OlderLedgers, path: Path) -> None:
    connection = duckdb.connect(older.put(before(count_attempts_at_reports_from_the_first), path))
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


def test_a_stream_of_an_older_schema_can_be_resumed(older: OlderLedgers, path: Path) -> None:
    """An older schema does not say whether a language was given. It was detected only if none is stored."""
    languages = {"detects": "", "given": "de"}
    with duckdb.connect(older.put(5, path)) as connection:
        for name, language in languages.items():
            connection.execute(
                """INSERT INTO streams (id, session_id, token_hash, encoding, sample_rate_hz, channels, language,
                    create_time, update_time, next_offset, finalized_samples, next_utterance, carry, open)
                VALUES (?, 's', 'cd', 'PCM_S16LE', 16000, 1, ?, now()::TIMESTAMP, now()::TIMESTAMP,
                    7, 8, 9, 'sealed', true)""",
                [name, language],
            )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    for name, language in languages.items():
        ledger.write_now(partial(streams.save_progress, stream_id=name, now=NOW, next_utterance=10))
        row = read_now(ledger, partial(streams.get, stream_id=name))
        assert (row.language, row.detects, row.next_utterance) == (language, name == "detects", 10)
        assert row.sealed_state == b"sealed"
    ledger.close()


def test_an_upload_of_an_older_schema_keeps_its_artifact(older: OlderLedgers, path: Path) -> None:
    artifacts = {
        "picture": Artifact("u.png", "image/png", 300, painted=2, width=40, height=30),
        "recording": Artifact("u.flac", "audio/flac", 900, painted=1),
        "nothing": None,
    }
    with duckdb.connect(older.put(6, path)) as connection:
        for name, made in artifacts.items():
            kept = made or Artifact("", "", 0, painted=0)
            connection.execute(
                """INSERT INTO uploads (id, session_id, kind, state, size_bytes, sha256, media_type, create_time,
                    update_time, progress, attempts, failure_reason, picture_path, picture_mime, picture_bytes,
                    picture_width, picture_height, painted)
                VALUES (?, 's', 'meter', 'DONE', 1, '', 'image/jpeg', now()::TIMESTAMP, now()::TIMESTAMP, 1, 1, '',
                    ?, ?, ?, ?, ?, ?)""",
                [name, kept.path, kept.media_type, kept.size_bytes, kept.width, kept.height, kept.painted],
            )
    ledger = EmbeddedLedger.open(path, lambda: NOW)
    for name, made in artifacts.items():
        assert read_now(ledger, partial(uploads.get, upload_id=name)).artifact == made, name
    shown = read_now(ledger, lambda cursor: fetch_all(cursor, "SELECT upload_id FROM v_uploads"))
    assert {row["upload_id"] for row in shown} == {*artifacts}
    assert read_now(ledger, _indexes) == {"uploads_session_id"}
    ledger.close()


def test_jobs_of_an_older_schema_are_found_by_the_handlers_of_today(older: OlderLedgers, path: Path) -> None:
    with duckdb.connect(older.put(15, path)) as connection:
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


def test_events_of_an_older_schema_get_the_time_at_which_they_happened(older: OlderLedgers, path: Path) -> None:
    now = NOW.replace(tzinfo=None)
    devices: dict[str, datetime | None] = {"right": now, "late": now - timedelta(days=3), "first": datetime(9999, 1, 1)}
    devices |= {"second": datetime(9999, 1, 2), "year_1": datetime(1, 1, 1), "server": None}
    with duckdb.connect(older.put(19, path)) as connection:
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


def test_events_of_an_older_schema_count_for_the_bound_of_their_session(older: OlderLedgers, path: Path) -> None:
    now = NOW.replace(tzinfo=None)
    with duckdb.connect(older.put(before(count_events_of_sessions), path)) as connection:
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


def test_a_session_of_an_older_schema_keeps_the_days_of_utc(older: OlderLedgers, path: Path) -> None:
    with duckdb.connect(older.put(before(keep_time_zones), path)) as connection:
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
