"""``vestibule backup`` and ``restore``, against a real port with the real service, and against files."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, Thread
from typing import Any

import grpc.aio
import pytest
from click.testing import CliRunner, Result
from vestibule.v1 import admin_pb2_grpc

from server.access.audit_book import AuditBook
from server.backup.hold import FilesHold
from server.cli.main import cli
from server.ledger.columns import count
from server.ledger.types import utc_now
from server.rpc.interceptors.base import HookInterceptor
from server.rpc.interceptors.errors import MapErrors
from server.runtime.folders import UNFINISHED_RESTORE
from server.services.admin import AdminService
from server.setting_groups import AuditSettings
from server.uploads.spool import Spool
from tests.unit.backup.conftest import Home


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    made = Home(tmp_path / "home")
    monkeypatch.setenv("VESTIBULE_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(made.files.data_dir))
    monkeypatch.setenv("VESTIBULE_STATE_DIR", str(made.files.state_dir))
    yield made
    made.ledger.close()


@contextmanager
def serving(home: Home) -> Iterator[str]:
    """The address of a port with the admin service, in a thread of its own, because the commands block."""
    ready, ended, found = Event(), asyncio.Event(), list[Any]()

    async def serve() -> None:
        nothing: Any = None
        book = AuditBook(home.ledger, AuditSettings(), home.files.state_dir, utc_now, "1.2.3")
        hold = FilesHold(home.spool, home.ledger, book, asyncio.Lock())
        service = AdminService(
            nothing, nothing, nothing, nothing, nothing, nothing, book, nothing, nothing, hold, nothing
        )
        server = grpc.aio.server(interceptors=[HookInterceptor(MapErrors())])
        admin_pb2_grpc.add_AdminServiceServicer_to_server(service, server)
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        found.extend((asyncio.get_running_loop(), f"127.0.0.1:{port}"))
        ready.set()
        await ended.wait()
        await server.stop(0)

    thread = Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert ready.wait(60)
    yield found[1]
    found[0].call_soon_threadsafe(ended.set)
    thread.join(60)


def run(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [*map(str, arguments)])


def folders(tmp_path: Path) -> tuple[str | Path, ...]:
    return "--data-dir", tmp_path / "there" / "data", "--state-dir", tmp_path / "there" / "state"


def test_a_running_server_is_backed_up_and_restored_in_another_folder(home: Home, tmp_path: Path) -> None:
    with serving(home) as address:
        done = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", "--address", address, "--json")
        again = run("backup", tmp_path / "c", "--address", address)
    assert (done.exit_code, again.exit_code) == (0, 0), done.output + again.output
    report = json.loads(done.stdout)
    assert (report["files"], report["missing"]) == (5, [])
    assert "It has no keys." in again.stdout
    checked = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", "--check")
    assert checked.exit_code == 0, checked.output
    assert "waiting media" in checked.stdout
    assert "Each file is as the manifest says." in checked.stdout
    restored = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *folders(tmp_path))
    assert restored.exit_code == 0, restored.output
    assert "erase it again" in restored.stdout
    verified = run("audit", "verify", *folders(tmp_path))
    assert (verified.exit_code, verified.stdout.splitlines()[-1].split()) == (0, ["intact", "yes"])
    listed = run("audit", "list", "--action", "backup", "--json", *folders(tmp_path))
    assert len(json.loads(listed.stdout)) == 1, "the first is in its own copy, the second is not"


def test_a_backup_that_is_refused_before_it_begins_is_not_in_the_audit(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "mine").touch()
    with serving(home) as address:
        done = run("backup", tmp_path / "b", "--address", address)
    assert done.exit_code == 1
    assert "b exists already. [BACKUP_EXISTS]" in done.stderr
    assert (
        home.ledger.write_now(lambda cursor: count(cursor, "SELECT count(*) FROM audit WHERE action = 'backup'")) == 0
    )


def test_a_stopped_server_is_backed_up(home: Home, tmp_path: Path) -> None:
    home.ledger.close()
    files = ("--data-dir", home.files.data_dir, "--state-dir", home.files.state_dir)
    done = run("backup", tmp_path / "b", "--keys", tmp_path / "keys.json", *files)
    assert done.exit_code == 0, done.output
    assert "Keep the file of keys elsewhere" in done.stdout
    missing = run("backup", tmp_path / "c", "--data-dir", tmp_path / "none", "--state-dir", tmp_path / "none2")
    assert "LEDGER_NOT_FOUND" in missing.stderr
    assert not (tmp_path / "c").exists()


def test_the_folders_of_another_server_are_told(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VESTIBULE_DATA_DIR", str(tmp_path / "elsewhere"))
    with serving(home) as address:
        done = run("backup", tmp_path / "b", "--address", address)
    assert done.exit_code == 1
    assert "VESTIBULE_DATA_DIR" in done.stderr
    assert not (tmp_path / "b.part").exists()


def test_the_state_folder_of_another_server_is_told(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("nothing", "other"):
        (tmp_path / "other" / "spool").mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("VESTIBULE_STATE_DIR", str(tmp_path / folder))
        with serving(home) as address:
            done = run("backup", tmp_path / "b", "--address", address)
        assert done.exit_code == 1
        assert "STATE_FOLDER_WRONG" in done.stderr
        assert not (tmp_path / "b").exists()
        assert not (tmp_path / "b.part").exists()


def test_a_hold_that_ends_because_the_spool_is_nearly_full_says_so(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Spool, "needs_room", property(lambda spool: True))
    with serving(home) as address:
        done = run("backup", tmp_path / "b", "--address", address)
    assert done.exit_code == 1
    assert "BACKUP_SPOOL_FULL" in done.stderr
    assert "Run it again" in done.stderr
    assert not (tmp_path / "b").exists()
    assert not (tmp_path / "b.part").exists()


@pytest.mark.parametrize("output", [(), ("--json",)])
def test_media_that_is_missing_is_a_failure_unless_that_is_known(
    home: Home, tmp_path: Path, output: tuple[str, ...]
) -> None:
    [name] = home.needed
    (home.files.spool / name).unlink()
    with serving(home) as address:
        done = run("backup", tmp_path / "b", "--address", address, *output)
        known = run("backup", tmp_path / "c", "--address", address, "--allow-missing", *output)
    assert (done.exit_code, known.exit_code) == (1, 0)
    assert "1 file is missing" in done.stderr
    assert "missing" not in known.stderr
    for found in (done, known):
        assert f"spool/{name}" in found.stdout
    assert run("restore", tmp_path / "b", "--without-keys", "--check").exit_code == 0, "it is a whole backup otherwise"


def test_the_keys_are_asked_for(home: Home, tmp_path: Path) -> None:
    home.backup(tmp_path / "b", tmp_path / "keys.json")
    assert run("restore", tmp_path / "b", *folders(tmp_path)).exit_code == 2
    both = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", "--without-keys", *folders(tmp_path))
    assert both.exit_code == 2
    for one in (folders(tmp_path)[:2], folders(tmp_path)[2:]):
        assert "FOLDER_UNNAMED" in run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *one).stderr
    done = run("restore", tmp_path / "b", "--without-keys", *folders(tmp_path))
    assert done.exit_code == 0, done.output
    assert "- media that wait: their jobs end as dead letters" in done.stdout
    verified = run("audit", "verify", *folders(tmp_path))
    assert verified.exit_code == 1


def test_a_damaged_backup_is_told_by_the_check_and_not_restored(home: Home, tmp_path: Path) -> None:
    home.backup(tmp_path / "b", tmp_path / "keys.json")
    [name] = home.needed
    (tmp_path / "b" / "spool" / name).write_bytes(b"")
    for arguments in ((), ("--check",)):
        done = run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *arguments, *folders(tmp_path))
        assert done.exit_code == 1
        assert f"spool/{name} was changed." in done.stderr
        assert "BACKUP_DAMAGED" in done.stderr
    assert not (tmp_path / "there").exists()


def test_a_half_restored_folder_is_refused_by_the_commands(home: Home, tmp_path: Path) -> None:
    home.backup(tmp_path / "b", tmp_path / "keys.json")
    assert run("restore", tmp_path / "b", "--keys", tmp_path / "keys.json", *folders(tmp_path)).exit_code == 0
    (tmp_path / "there" / "state" / UNFINISHED_RESTORE).touch()
    refused = run("audit", "verify", *folders(tmp_path))
    assert refused.exit_code == 1
    assert "RESTORE_UNFINISHED" in refused.stderr
