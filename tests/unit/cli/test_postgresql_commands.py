"""Commands of an operator whose ledger is in PostgreSQL, or is to be moved there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

pytest.importorskip("psycopg")

from models.errors import InvalidInput
from server.access.audit import load_or_create_key
from server.cli.demo.processes import free_ports
from server.cli.main import cli
from server.ledger import api_keys, sessions
from server.ledger.columns import Cursor, count
from server.ledger.migrations import ALL
from server.ledger.opened import require_driver
from server.ledger.postgres.cursor import PostgresCursor, connect
from server.ledger.postgres.inspection import stored_schema
from server.ledger.postgres.ledger import PostgresLedger, Use
from server.ledger.postgres.schema import bring_up_to_date
from server.ledger.postgres.transactions import connected_alone
from server.ledger.types import utc_now
from tests.unit.ledger.makers import session
from tests.unit.ledger.migrated import open_ledger


@pytest.fixture
def home(tmp_path: Path, postgres_url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folders of a server that does not run; its ledger is in PostgreSQL."""
    [port] = free_ports(1)
    for name, value in {
        "VESTIBULE_DATA_DIR": tmp_path / "data",
        "VESTIBULE_STATE_DIR": tmp_path / "state",
        "VESTIBULE_ADDRESS": f"127.0.0.1:{port}",
        "VESTIBULE_LEDGER__URL": postgres_url,
    }.items():
        monkeypatch.setenv(name, str(value))
    (tmp_path / "data").mkdir()
    (tmp_path / "state").mkdir()
    return tmp_path


@pytest.fixture
def held(home: Path, postgres_url: str) -> Iterator[PostgresLedger]:
    """A running server has the ledger."""
    with closing(PostgresLedger.open(postgres_url, use=Use.ALONE)) as ledger:
        yield ledger


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, arguments)


def test_keys_are_made_in_postgresql_while_no_server_runs(home: Path, postgres_url: str) -> None:
    made = run("keys", "create", "--scope", "app", "--client", "shop", "--json")
    assert made.exit_code == 0, made.stderr
    with closing(PostgresLedger.open(postgres_url)) as ledger:
        assert [row.client_id for row in ledger.write_now(api_keys.list_keys)] == ["shop"]
    assert not (home / "data" / "ledger.duckdb").exists()


def test_no_key_is_made_beside_a_server_that_does_not_answer(home: Path, held: PostgresLedger) -> None:
    refused = run("keys", "create", "--scope", "app", "--client", "shop")
    assert refused.exit_code != 0
    assert "LEDGER_LOCKED" in refused.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ("ledger", "migrate", "--backup", "copy"),
        ("backup", "copy"),
        ("restore", ".", "--without-keys", "--check"),
        ("redact", "--ledger", "--dry-run"),
    ],
    ids=lambda arguments: " ".join(arguments[:2]),
)
def test_what_works_on_the_file_alone_is_refused(home: Path, arguments: tuple[str, ...]) -> None:
    refused = run(*arguments)
    assert refused.exit_code != 0
    assert "LEDGER_IN_POSTGRESQL" in refused.stderr + str(getattr(refused.exception, "reason", ""))


def test_the_ledger_is_checked_while_a_server_has_it(home: Path, held: PostgresLedger) -> None:
    held.write_now(partial(sessions.insert_or_get, row=session()))
    checked = run("ledger", "check", "--json")
    assert checked.exit_code == 0, checked.output
    assert json.loads(checked.stdout)["rows"]["sessions"] == 1
    held.write_now(lambda cursor: cursor.execute("UPDATE sessions SET state = 'LOST'"))
    broken = run("ledger", "check")
    assert (broken.exit_code, "The state is none that there is." in broken.stdout) == (1, True)


@pytest.fixture
def old(home: Path, postgres_url: str) -> int:
    """The schema of the database, which is that of an earlier release."""
    number = len(ALL) - 2
    with connect(postgres_url) as connection:
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")
        bring_up_to_date(PostgresCursor(connection), utc_now, up_to=number)
    return number


def test_migrate_refuses_without_a_dump_where_there_is_no_way_back(old: int, postgres_url: str) -> None:
    dry = run("ledger", "migrate", "--dry-run", "--json")
    assert (dry.exit_code, json.loads(dry.stdout)["schema"]) == (0, old), dry.output
    refused = run("ledger", "migrate")
    assert (refused.exit_code, "BACKUP_NEEDED" in refused.stderr) == (1, True)
    assert f"{len(ALL)}: {ALL[-1].does}" in refused.stderr
    assert stored_schema(postgres_url) == old


def test_migrate_brings_a_database_to_the_newest_schema(old: int, postgres_url: str) -> None:
    done = run("ledger", "migrate", "--no-backup", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["schema_before"], document["schema"]) == (old, len(ALL))
    assert [each["number"] for each in document["migrations"]] == [old + 1, old + 2]
    assert stored_schema(postgres_url) == len(ALL)
    assert run("ledger", "check").exit_code == 0
    assert "Nothing to do" in run("ledger", "migrate").stdout


def test_migrate_changes_nothing_while_a_server_of_the_earlier_release_runs(
    old: int, postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("server.ledger.postgres.transactions.LOCK_WAIT_S", 0.1)
    with closing(connected_alone(postgres_url)):
        refused = run("ledger", "migrate", "--no-backup")
    assert "LEDGER_LOCKED" in refused.stderr + str(getattr(refused.exception, "reason", ""))
    assert stored_schema(postgres_url) == old


def test_migrate_makes_no_ledger(old: int, postgres_url: str) -> None:
    with connect(postgres_url) as connection:
        connection.execute("DROP TABLE migrations")
    refused = run("ledger", "migrate", "--no-backup")
    assert "LEDGER_NOT_FOUND" in refused.stderr + str(getattr(refused.exception, "reason", ""))
    with connect(postgres_url) as connection:
        assert connection.execute("SELECT to_regclass('migrations')").fetchone() == (None,)


def test_a_look_at_the_audit_migrates_nothing(old: int, home: Path, postgres_url: str) -> None:
    load_or_create_key(home / "state")
    refused = run("audit", "verify")
    assert "LEDGER_OLDER" in refused.stderr + str(getattr(refused.exception, "reason", ""))
    assert stored_schema(postgres_url) == old


def test_a_folder_that_is_named_has_an_embedded_ledger(home: Path) -> None:
    kept = home / "kept"
    open_ledger(kept / "ledger.duckdb").close()
    assert run("ledger", "check", "--data-dir", str(kept)).exit_code == 0


def test_an_erasure_without_a_server_leaves_nothing_in_postgresql_or_in_a_mirror(home: Path, postgres_url: str) -> None:
    gone, kept = session(), session()
    with closing(PostgresLedger.open(postgres_url)) as ledger:
        for row in (gone, kept):
            ledger.write_now(partial(sessions.insert_or_get, row=row))
    left = [home / "data" / name for name in ("mirror.duckdb", "mirror.duckdb.wal", "mirror.fresh.duckdb")]
    left.append(home / "state" / "mirror" / "sessions.csv")
    left[-1].parent.mkdir()
    for file in left:
        file.write_text(gone.id)
    done = run("erase", "--session", gone.id, "--yes")
    assert done.exit_code == 0, done.stderr
    assert not any(file.exists() for file in left)
    with closing(PostgresLedger.open(postgres_url)) as ledger:
        everything = ledger.write_now(_everything)
    assert gone.id not in everything
    assert kept.id in everything


def test_an_embedded_ledger_is_copied_and_stays(home: Path, postgres_url: str) -> None:
    row = session()
    with closing(open_ledger(home / "data" / "ledger.duckdb")) as embedded:
        embedded.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
    copied = run("ledger", "copy", "--json")
    assert copied.exit_code == 0, copied.stderr
    rows = json.loads(copied.stdout)["rows"]
    assert (rows["sessions"], rows["events"], rows["turns"]) == (1, 1, 0)
    assert "sessions: 1" in copied.stderr
    with closing(PostgresLedger.open(postgres_url)) as ledger:
        assert ledger.write_now(lambda cursor: sessions.get(cursor, row.id)) == row
    with closing(open_ledger(home / "data" / "ledger.duckdb")) as embedded:
        assert embedded.write_now(_sessions) == 1
    again = run("ledger", "copy")
    assert "LEDGER_NOT_EMPTY" in again.stderr + str(getattr(again.exception, "reason", ""))


def test_a_copy_needs_a_database_and_a_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    none = run("ledger", "copy")
    assert "LEDGER_NOT_FOUND" in none.stderr + str(getattr(none.exception, "reason", ""))
    monkeypatch.delenv("VESTIBULE_LEDGER__URL")
    assert "VESTIBULE_LEDGER__URL" in run("ledger", "copy").stderr


def test_without_its_driver_postgresql_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched, pytest.raises(InvalidInput) as refused:
        patched.setattr("importlib.util.find_spec", lambda name: None)
        require_driver()
    assert refused.value.reason == "LEDGER_DRIVER_MISSING"


def _sessions(cursor: Cursor) -> int:
    return count(cursor, "SELECT count(*) FROM sessions")


def _everything(cursor: Cursor) -> str:
    """Every row of every table."""
    tables = cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'").fetchall()
    return "".join(str(cursor.execute(f"SELECT * FROM {table}").fetchall()) for (table,) in tables)
