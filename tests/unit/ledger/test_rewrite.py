"""A rewritten ledger has the same rows, views, indexes, constraints and comments, and no byte of a replaced text."""

from __future__ import annotations

import stat
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest

from models.errors import InternalError, Unavailable
from models.text import RedactedText
from server.ledger import rewrite as module
from server.ledger import sessions, turns
from server.ledger.columns import Cursor, fetch_all
from server.ledger.rewrite import rewrite
from server.ledger.schema import TABLES
from tests.unit.ledger.makers import NOW, session, turn
from tests.unit.ledger.migrated import open_ledger

SAID = "a text that was replaced and is long enough to be stored as it is"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A ledger in which a text was replaced; its folder's name has a quote."""
    file = tmp_path / "it's" / "ledger.duckdb"
    ledger = open_ledger(file, lambda: NOW)

    def fill(cursor: Cursor) -> None:
        row, _ = sessions.insert_or_get(cursor, session())
        said = RedactedText.restore(SAID, {}, safe_for_llm=True)  # DuckDB compresses several that are alike
        turns.insert_turn(cursor, replace(turn(row.id), text=said))

    ledger.write_now(fill)
    ledger.close()
    ledger = open_ledger(file, lambda: NOW)
    ledger.write_now(lambda cursor: cursor.execute("UPDATE turns SET text = 'new'"))
    ledger.close()
    return file


def content(file: Path) -> dict[str, list[str]]:
    """Everything in a ledger: rows and catalogue."""
    queries = {table.name: f"FROM {table.name}" for table in TABLES} | {
        "columns": "SELECT table_name, column_name, comment, is_nullable, data_type FROM duckdb_columns()",
        "tables": "SELECT table_name, comment FROM duckdb_tables()",
        "views": "SELECT view_name, comment, sql FROM duckdb_views() WHERE NOT internal",
        "indexes": "SELECT index_name, sql FROM duckdb_indexes()",
        "constraints": "SELECT table_name, constraint_text FROM duckdb_constraints()",
    }
    with duckdb.connect(str(file), read_only=True) as connection:
        return {name: sorted(map(repr, fetch_all(connection, sql))) for name, sql in queries.items()}


def test_everything_is_there_and_the_earlier_text_is_not(path: Path) -> None:
    before = content(path)
    assert SAID.encode() in path.read_bytes(), "otherwise this test proves nothing"
    rewrite(path)
    assert content(path) == before
    assert SAID.encode() not in path.read_bytes()
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.duckdb"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    ledger = open_ledger(path, lambda: NOW)
    ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, session()))
    ledger.close()


def test_a_run_after_an_interrupted_one_starts_anew(path: Path) -> None:
    for name in ("ledger.fresh.duckdb", "ledger.fresh.duckdb.wal"):
        (path.parent / name).write_bytes(b"half a copy")
    before = content(path)
    rewrite(path)
    assert content(path) == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.duckdb"]


def test_a_log_beside_the_ledger_is_refused(path: Path) -> None:
    wal = path.with_name(f"{path.name}.wal")
    wal.write_bytes(b"writes of a server")
    before = path.read_bytes()
    with pytest.raises(Unavailable) as caught:
        rewrite(path)
    assert caught.value.reason == "LEDGER_LOCKED"
    assert (path.read_bytes(), wal.read_bytes()) == (before, b"writes of a server")


def test_a_copy_that_differs_is_not_used(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes()
    rows = iter([2, 1])
    monkeypatch.setattr(module, "_inventory", lambda _connection, _database: ({"turns": next(rows)}, set()))
    with pytest.raises(InternalError) as caught:
        rewrite(path)
    assert caught.value.reason == "LEDGER_COPY_DIFFERS"
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.duckdb"]


def test_a_disk_that_refuses_leaves_the_ledger(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuses(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    before = path.read_bytes()
    monkeypatch.setattr(Path, "replace", refuses)
    with pytest.raises(Unavailable) as caught:
        rewrite(path)
    assert caught.value.reason == "LEDGER_IO"
    assert path.read_bytes() == before
    assert sorted(file.name for file in path.parent.iterdir()) == ["ledger.duckdb"]
