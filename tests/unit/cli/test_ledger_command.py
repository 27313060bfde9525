"""``vestibule ledger check`` and ``migrate``: on files of a stopped server, and beside processes that hold them."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import duckdb
import pytest
from click.testing import CliRunner, Result

from server.cli.main import cli
from server.ledger import migrations
from server.ledger.integrity import catalogue
from server.ledger.migrate import migrate, schema_of
from server.ledger.migration_marks import both_ways
from server.ledger.migrations import ALL
from server.ledger.types import utc_now
from server.ledger.view_migrations import renew_macros
from tests.unit.ledger.migrated import migrated_file, newest_schema

OLD = len(ALL) - 2


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder with the data and the state of a server that never ran."""
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path / "data"))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path / "state"))
    (tmp_path / "data").mkdir()
    (tmp_path / "state" / "spool").mkdir(parents=True)
    return tmp_path


@pytest.fixture(scope="module")
def earlier(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("earlier") / "ledger.duckdb"
    with duckdb.connect(path) as connection:
        migrate(connection, utc_now, up_to=OLD)
    return path


@pytest.fixture
def old(home: Path, earlier: Path) -> Path:
    """The ledger of an earlier release."""
    return Path(shutil.copy(earlier, home / "data"))


@pytest.fixture
def kept_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    """A check compares with a ledger that was made before; in other tests it makes one."""
    monkeypatch.setattr(catalogue, "made_anew", newest_schema)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, ["ledger", *map(str, arguments)])


def schema(path: Path) -> int:
    with duckdb.connect(path, read_only=True) as connection:
        return schema_of(connection)


def holder(path: Path) -> subprocess.Popen[str]:
    """A process that has the ledger open as a server has it."""
    program = f"import duckdb, sys; c = duckdb.connect({str(path)!r}); print('open', flush=True); sys.stdin.read()"
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "open\n"
    return process


def test_check_of_a_whole_ledger_exits_with_0(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    migrated_file(home / "data" / "ledger.duckdb")
    done = run("check")
    assert done.exit_code == 0, done.output
    assert "Nothing is wrong." in done.stdout
    monkeypatch.setattr(catalogue, "made_anew", newest_schema)
    assert run("check", "--data-dir", home / "data").exit_code == 0


@pytest.mark.usefixtures("kept_schema")
def test_check_tells_broken_rows_by_their_ids_and_exits_with_1(home: Path) -> None:
    path = migrated_file(home / "data" / "ledger.duckdb")
    with duckdb.connect(path) as connection:
        connection.execute("INSERT INTO participants VALUES ('gone-1', 'Maria Lopez')")
    told = run("check", "--json")
    document = json.loads(told.stdout)
    assert (told.exit_code, document["whole"]) == (1, False)
    (problem,) = document["problems"]
    assert (problem["check"], problem["rows"], problem["ids"]) == ("references", 1, ["gone-1"])
    assert "Maria" not in told.output + run("check").output


def test_check_of_an_old_ledger_says_what_waits_and_whether_there_is_a_way_back(old: Path) -> None:
    before = old.read_bytes()
    told = run("check", "--json")
    document = json.loads(told.stdout)
    assert (told.exit_code, document["schema"], document["release_schema"]) == (0, OLD, len(ALL))
    assert [each["number"] for each in document["migrations"]] == [OLD + 1, OLD + 2]
    assert document["migrations"][-1]["does"] == ALL[-1].does
    assert document["migrations"][-1]["goes_back"] is False
    assert old.read_bytes() == before


def test_check_exits_with_2_when_there_is_nothing_to_look_at(home: Path) -> None:
    done = run("check")
    assert (done.exit_code, "LEDGER_NOT_FOUND" in done.stderr) == (2, True)


def test_both_commands_refuse_a_ledger_that_another_process_holds(old: Path) -> None:
    process = holder(old)
    try:
        checked, migrated = run("check"), run("migrate", "--no-backup")
    finally:
        process.communicate("")
    assert (checked.exit_code, "LEDGER_LOCKED" in checked.stderr) == (2, True)
    assert (migrated.exit_code, "LEDGER_LOCKED" in migrated.stderr) == (1, True)
    assert schema(old) == OLD


def test_a_damaged_file_is_a_sentence_and_no_stack_trace(home: Path) -> None:
    path = migrated_file(home / "data" / "ledger.duckdb")
    content = bytearray(path.read_bytes())
    content[4096 : 3 * 4096] = bytes(2 * 4096)
    path.write_bytes(content)
    checked, migrated = run("check"), run("migrate")
    assert (checked.exit_code, migrated.exit_code) == (1, 1)
    assert "does not open it" in checked.stdout
    assert "Traceback" not in checked.output + migrated.output


def test_migrate_refuses_without_a_backup_where_there_is_no_way_back(old: Path) -> None:
    refused = run("migrate")
    assert (refused.exit_code, "BACKUP_NEEDED" in refused.stderr) == (1, True)
    assert f"{len(ALL)}: {ALL[-1].does}" in refused.stderr
    assert schema(old) == OLD


@pytest.mark.usefixtures("kept_schema")
def test_migrate_makes_the_backup_of_the_ledger_as_it_was(old: Path, home: Path) -> None:
    done = run("migrate", "--backup", home / "b", "--json")
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert (document["schema_before"], document["schema"]) == (OLD, len(ALL))
    assert (schema(old), schema(home / "b" / "ledger.duckdb")) == (len(ALL), OLD)
    assert run("check").exit_code == 0


def test_a_backup_that_fails_leaves_the_ledger_as_it_was(old: Path, home: Path) -> None:
    (home / "b").mkdir()
    (home / "b" / "mine").touch()
    failed = run("migrate", "--backup", home / "b")
    assert (failed.exit_code, "BACKUP_EXISTS" in failed.stderr) == (1, True)
    assert schema(old) == OLD


def test_a_dry_run_changes_nothing(old: Path) -> None:
    before = old.read_bytes()
    done = run("migrate", "--dry-run")
    assert done.exit_code == 0
    assert f"The ledger has schema {OLD}. Nothing was changed." in done.stdout
    assert old.read_bytes() == before


def test_a_migration_that_goes_back_needs_no_backup(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = migrated_file(home / "data" / "ledger.duckdb")
    longer = (*ALL, both_ways(renew_macros))
    for module in ("server.ledger.migrate", "server.ledger.waiting"):
        monkeypatch.setattr(f"{module}.ALL", longer)
    monkeypatch.setattr("server.ledger.migrate.migrate.__kwdefaults__", {"up_to": len(longer)})
    done = run("migrate")
    assert done.exit_code == 0, done.output
    assert schema(path) == len(longer)
    monkeypatch.undo()
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(home / "data"))
    assert len(migrations.ALL) == len(longer) - 1
    assert run("check").exit_code == 0, "the earlier release uses it"
    assert "Nothing to do" in run("migrate", "--data-dir", home / "data", "--state-dir", home / "state").stdout


def test_two_processes_that_migrate_at_once_migrate_once(old: Path) -> None:
    command = [sys.executable, "-m", "server.cli", "ledger", "migrate", "--no-backup"]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(2)]
    ended = [(*process.communicate(timeout=240), process.returncode) for process in both]
    assert 0 in [code for _, _, code in ended], ended
    for out, err, code in ended:
        assert code == 0 or "LEDGER_LOCKED" in err, (out, err)
    with duckdb.connect(old, read_only=True) as connection:
        rows = connection.execute("SELECT number FROM migrations ORDER BY number").fetchall()
    assert [number for (number,) in rows] == list(range(1, len(ALL) + 1))


def test_the_folders_belong_together(old: Path) -> None:
    assert "FOLDER_UNNAMED" in run("migrate", "--data-dir", old.parent).stderr


def test_a_ledger_of_another_program_is_left_alone(home: Path) -> None:
    path = home / "data" / "ledger.duckdb"
    duckdb.connect(path).close()
    refused = run("migrate", "--no-backup")
    assert "LEDGER_NOT_FOUND" in refused.stderr
    assert schema(path) == 0
    assert list(path.parent.iterdir()) == [path]
