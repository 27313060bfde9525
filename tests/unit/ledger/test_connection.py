"""The form of the file."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import duckdb
import pytest

from models.errors import InternalError
from server.ledger import checkpoints
from server.ledger.columns import Cursor, fetch_all
from server.ledger.connection import STORAGE
from server.ledger.embedded import EmbeddedLedger
from server.ledger.migrate import migrate
from server.ledger.rewrite import rewrite
from tests.unit.ledger.makers import NOW

EARLIER_STORAGE = "v1.0.0"
EARLIER, NEW = f"{EARLIER_STORAGE}+", f"{STORAGE}+"


def _form(path: Path) -> str:
    with duckdb.connect(str(path), read_only=True) as connection:
        [row] = fetch_all(
            connection, "SELECT tags['storage_version'] AS form FROM duckdb_databases() WHERE NOT internal"
        )
    return str(row["form"])


def _earlier(path: Path) -> None:
    with duckdb.connect(str(path), config={"storage_compatibility_version": EARLIER_STORAGE}) as connection:
        migrate(connection, lambda: NOW)
        _store(connection, "one")
    assert _form(path) == EARLIER


def _store(cursor: Cursor, event_id: str) -> None:
    cursor.execute(
        """INSERT INTO events (id, session_id, client_id, name, server_time, sequence, variant, properties,
            properties_meta) VALUES (?, 's', 'app', 'n', now()::TIMESTAMP, 0, '', '{}', '{}')""",
        [event_id],
    )


def _ids(path: Path) -> list[str]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [row["id"] for row in fetch_all(connection, "SELECT id FROM events ORDER BY id")]


def test_a_new_ledger_has_the_new_form_and_keeps_it_when_it_is_written_anew(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    EmbeddedLedger.open(path).close()
    assert _form(path) == NEW
    rewrite(path)
    assert _form(path) == NEW


def test_an_earlier_ledger_gets_the_new_form_with_its_rows_and_its_index(tmp_path: Path) -> None:
    path = tmp_path / "led'ger.duckdb"
    _earlier(path)
    for event_id in ("two", "three"):
        ledger = EmbeddedLedger.open(path)
        ledger.write_now(partial(_store, event_id=event_id))
        with pytest.raises(InternalError) as caught:
            ledger.write_now(lambda cursor: _store(cursor, "one"))
        assert caught.value.reason == "LEDGER_CONSTRAINT"
        ledger.close()
        assert _form(path) == NEW
    assert _ids(path) == ["one", "three", "two"]
    assert path.stat().st_mode & 0o777 == 0o600
    with duckdb.connect(str(path), read_only=True) as connection:
        assert fetch_all(connection, "SELECT table_name FROM duckdb_tables() WHERE table_name = 'new_storage'") == []


def test_an_earlier_ledger_stays_as_it_is_while_the_disk_has_no_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.duckdb"
    _earlier(path)
    monkeypatch.setattr(checkpoints.Checkpoints, "have_room", lambda _: False)
    EmbeddedLedger.open(path).close()
    assert _ids(path) == ["one"]
    assert _form(path) == EARLIER


def test_a_ledger_of_a_later_form_stays_as_it_is(tmp_path: Path) -> None:
    """A newer release of DuckDB gives a file its own form, where a person writes with it."""
    path = tmp_path / "ledger.duckdb"
    with duckdb.connect(str(path), config={"storage_compatibility_version": "latest"}) as connection:
        migrate(connection, lambda: NOW, up_to=1)
    later = _form(path)
    assert later > NEW
    EmbeddedLedger.open(path).close()
    assert _form(path) == later
