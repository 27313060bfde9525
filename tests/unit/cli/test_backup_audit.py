"""Who copied the files of a stopped server, and who made a server from a backup, is in the audit."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import duckdb
import pytest
from click.testing import CliRunner, Result

from models.reasons import Reason
from server.cli.main import cli
from server.ledger import copied
from server.ledger.connection import connect
from server.ledger.migrate import migrate
from server.ledger.types import utc_now
from tests.unit.backup.conftest import Home

OLD_SCHEMA = 6
"""It has no audit."""


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """The files of a stopped server."""
    made = Home(tmp_path / "home")
    made.ledger.close()
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    return made


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def of(home: Path) -> tuple[str | Path, ...]:
    return "--data-dir", home / "data", "--state-dir", home / "state"


def audited(home: Path, action: str) -> list[dict[str, Any]]:
    listed = run("audit", "list", "--action", action, "--json", *of(home))
    assert listed.exit_code == 0, listed.output
    rows: list[dict[str, Any]] = json.loads(listed.stdout)
    return rows


def intact(home: Path) -> bool:
    return run("audit", "verify", *of(home)).exit_code == 0


def test_a_backup_of_a_stopped_server_is_audited_in_the_ledger_and_in_the_copy(home: Home, tmp_path: Path) -> None:
    first = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(home.home))
    again = run("backup", tmp_path / "c", *of(home.home))
    assert (first.exit_code, again.exit_code) == (0, 0), first.output + again.output
    assert "audit" not in first.output
    rows = audited(home.home, "backup")
    assert [(row["subject"], row["object_type"], row["outcome"]) for row in rows] == [("offline", "ledger", "done")] * 2
    assert intact(home.home)
    run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(tmp_path / "there"))
    assert len(audited(tmp_path / "there", "backup")) == 1, "its own row, and not that of the second"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_backup_by_root_leaves_all_files_to_the_user_of_the_server(home: Home, tmp_path: Path) -> None:
    for path in (home.home, *home.home.rglob("*")):
        os.chown(path, 4321, 4322)
    done = run("backup", tmp_path / "b", *of(home.home))
    assert done.exit_code == 0, done.output
    assert len(audited(home.home, "backup")) == 1
    assert [path for path in home.home.rglob("*") if (path.stat().st_uid, path.stat().st_gid) != (4321, 4322)] == []


def test_a_restore_is_audited_with_the_time_of_its_backup(home: Home, tmp_path: Path) -> None:
    made = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", "--json", *of(home.home))
    checked = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", "--check")
    assert checked.exit_code == 0, checked.output
    done = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(tmp_path / "there"))
    assert done.exit_code == 0, done.output
    [row] = audited(tmp_path / "there", "restore")
    time = json.loads(made.stdout)["create_time"]
    assert (row["subject"], row["object_type"], row["object_id"]) == ("offline", "backup", f"{time[:19]}Z")
    assert intact(tmp_path / "there")
    assert audited(home.home, "restore") == [], "neither the check nor the restore changes what it reads"
    again = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", "--check")
    assert again.exit_code == 0, again.output


def test_a_restore_without_keys_says_that_the_audit_has_no_row(home: Home, tmp_path: Path) -> None:
    run("backup", tmp_path / "b", *of(home.home))
    done = run("restore", tmp_path / "b", "--without-keys", *of(tmp_path / "there"))
    assert done.exit_code == 0, done.output
    assert "The audit has no row of this restore: there is no key of the audit." in done.stderr
    assert not (tmp_path / "there" / "state" / "audit.key").exists()


def test_a_backup_of_a_ledger_without_an_audit_says_so_and_migrates_nothing(home: Home, tmp_path: Path) -> None:
    home.files.ledger.unlink()
    connection = connect(home.files.ledger)
    migrate(connection, utc_now, up_to=OLD_SCHEMA)
    connection.close()
    done = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(home.home))
    assert done.exit_code == 0, done.output
    assert "The audit has no row of this backup: the ledger is of a release without it." in done.stderr
    restored = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(tmp_path / "there"))
    assert restored.exit_code == 0, restored.output
    for place in (home.home, tmp_path / "there"):
        with duckdb.connect(str(place / "data" / "ledger.duckdb"), read_only=True) as ledger:
            assert ledger.execute("SELECT max(number) FROM migrations").fetchall() == [(OLD_SCHEMA,)]


def test_a_break_of_the_chain_is_left_for_the_server_to_find(home: Home, tmp_path: Path) -> None:
    with duckdb.connect(str(home.files.ledger)) as ledger:
        ledger.execute("DELETE FROM audit WHERE number = 3")
    before = (home.files.state_dir / "audit.head").read_bytes()
    assert run("backup", tmp_path / "b", *of(home.home)).exit_code == 0
    assert (home.files.state_dir / "audit.head").read_bytes() == before
    assert not intact(home.home)


def test_a_disk_that_takes_no_row_does_not_keep_the_data_from_being_saved(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = connect

    def full(path: Path) -> Any:
        if path.parent.name == "data":
            raise duckdb.IOException("No space left on device")
        return real(path)

    monkeypatch.setattr(copied, "connect", full)
    done = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(home.home))
    assert done.exit_code == 0, done.output
    assert "The audit has no row of this backup: The disk of the ledger is full." in done.stderr
    refused = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *of(tmp_path / "there"))
    assert refused.exit_code == 1
    assert "LEDGER_FULL" in refused.stderr
    assert list((tmp_path / "there" / "data").iterdir()) == list((tmp_path / "there" / "state").iterdir()) == []


def test_a_head_that_cannot_be_kept_is_an_older_one(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("server.access.audit_head.write_atomically", full)
    done = run("backup", tmp_path / "b", *of(home.home))
    assert done.exit_code == 0, done.output
    assert "audit_head_not_kept" in done.stderr
    assert len(audited(home.home, "backup")) == 1
    assert intact(home.home)


def test_a_server_that_holds_the_ledger_refuses_the_backup(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: Any) -> None:
        raise duckdb.IOException("Could not set lock on file")

    monkeypatch.setattr(copied, "connect", locked)
    done = run("backup", tmp_path / "b", *of(home.home))
    assert done.exit_code == 1
    assert f"[{Reason.LEDGER_LOCKED}]" in done.stderr
    assert "Leave --data-dir out" in done.stderr
    assert not (tmp_path / "b").exists()


def test_a_backup_that_cannot_be_made_leaves_no_row(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    assert "BACKUP_EXISTS" in run("backup", tmp_path / "b", *of(home.home)).stderr
    assert audited(home.home, "backup") == []
