"""Restoring: into empty folders alone, whole or not at all, and nothing of a backup is trusted."""

from __future__ import annotations

import errno
import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from models.errors import Conflict, InvalidInput, VestibuleError
from server.backup import files as backup_files
from server.backup import install as installing
from server.backup.check import OpenedBackup, open_backup
from server.backup.install import install
from server.ledger.connection import connect
from server.ledger.migrate import migrate
from server.ledger.migrations import ALL
from server.ledger.types import utc_now
from server.preflight import check_settings
from server.runtime.folders import UNFINISHED_RESTORE, refuse_unfinished_restore
from server.settings import Settings
from tests.unit.backup.conftest import NOW, Home, files_in, opened, writer_of
from tests.unit.ledger.migrated import open_ledger

Change = Callable[[Path], None]


class Made:
    """A backup with its keys, in a folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.keys = folder / "b", folder / "keys.json"
        self.there = files_in(folder / "there")

    def open(self) -> OpenedBackup:
        return open_backup(self.folder, self.keys)

    def manifest(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "manifest.json").read_bytes())
        return found

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        (self.folder / "manifest.json").write_text(json.dumps(manifest))


class Template(NamedTuple):
    """What each test gets a copy of: a backup, and the server that it is of."""

    home: Home
    backup: Made


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Template]:
    folder = tmp_path_factory.mktemp("template")
    home, backup = Home(folder / "home"), Made(folder)
    home.backup(backup.folder, backup.keys)
    yield Template(home, backup)
    home.ledger.close()


@pytest.fixture
def made(template: Template, tmp_path: Path) -> Made:
    shutil.copytree(template.backup.folder, tmp_path / "b")
    shutil.copy2(template.backup.keys, tmp_path)
    return Made(tmp_path)


def content_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("name", ["data", "state"])
def test_a_folder_with_anything_in_it_is_refused(made: Made, tmp_path: Path, name: str) -> None:
    mine = tmp_path / "there" / name / "mine"
    mine.parent.mkdir(parents=True)
    mine.write_bytes(b"mine")
    with pytest.raises(Conflict, match="is not empty") as refused:
        install(made.open(), made.there)
    assert refused.value.reason == "RESTORE_NOT_EMPTY"
    assert content_of(tmp_path / "there") == {f"{name}/mine": b"mine"}


def test_one_folder_in_the_other_is_refused(made: Made, tmp_path: Path) -> None:
    nested = files_in(tmp_path / "there")
    for data, state in (("x", "x"), ("x", "x/state"), ("x/data", "x")):
        folders = {"data_dir": tmp_path / data, "state_dir": tmp_path / state}
        with pytest.raises(Conflict, match="one is in the other"):
            install(made.open(), _with(nested, folders))
    assert not (tmp_path / "x").exists()


def _with(files: Any, changes: dict[str, Path]) -> Any:
    return replace(files, **changes)


class Killed(BaseException):
    """Stands for a SIGKILL: nothing is cleaned up after it."""


def test_a_kill_at_any_step_leaves_folders_that_are_refused_until_it_is_repeated(
    made: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(made.open(), made.there)
    whole = content_of(tmp_path / "there")
    for step in range(200):
        shutil.rmtree(tmp_path / "there")
        killed = _install_until(step, made, monkeypatch)
        if not killed:
            break
        both = (made.there.data_dir, made.there.state_dir)
        if content_of(tmp_path / "there") == whole:
            continue  # it was killed after its last change
        if any(any(path.iterdir()) for path in both if path.exists()):
            with pytest.raises(Conflict, match="was interrupted") as refused:
                refuse_unfinished_restore(*both)
            assert refused.value.reason == "RESTORE_UNFINISHED"
        last = content_of(tmp_path / "there").keys() - {f"state/{UNFINISHED_RESTORE}"} == whole.keys()
        if last:  # all is there, and one of the two marks is gone: a person deletes the folders
            with pytest.raises(Conflict, match="is not empty"):
                install(made.open(), made.there)
            continue
        install(made.open(), made.there)
        assert content_of(tmp_path / "there") == whole
    assert step > 10
    assert content_of(tmp_path / "there") == whole


def _install_until(step: int, made: Made, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Install, and be killed before a step; returns whether that came before its end."""
    left, dead = step, False

    def counted(real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*given: Any, **named: Any) -> Any:
            nonlocal left, dead
            dead = dead or not left
            if dead:
                raise Killed
            left -= 1
            return real(*given, **named)

        return call

    with monkeypatch.context() as patch:
        steps = (
            (os, "fsync"),
            (installing, "copy_hashed"),
            (installing, "_empty"),
            (Path, "unlink"),
            (Path, "replace"),
        )
        for owner, name in steps:
            patch.setattr(owner, name, counted(getattr(owner, name)))
        with suppress(Killed):
            install(made.open(), made.there)
    return dead


@pytest.mark.parametrize("name", ["data", "state"])
def test_a_server_does_not_start_on_half_a_restore(tmp_path: Path, name: str) -> None:
    files = files_in(tmp_path)
    (tmp_path / name).mkdir()
    (tmp_path / name / UNFINISHED_RESTORE).touch()
    with pytest.raises(Conflict, match="was interrupted") as refused:
        check_settings(Settings(data_dir=files.data_dir, state_dir=files.state_dir))
    assert "vestibule restore" in refused.value.hint


def test_a_full_disk_leaves_the_folders_empty(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    copied: list[str] = []
    real = backup_files.copy_hashed

    def full(source: Path, target: Path, path: str) -> Any:
        if len(copied) == 3:
            raise OSError(28, "full")
        copied.append(path)
        return real(source, target, path)

    monkeypatch.setattr(installing, "copy_hashed", full)
    with pytest.raises(VestibuleError, match="The disk is full"):
        install(made.open(), made.there)
    assert list(made.there.data_dir.iterdir()) == list(made.there.state_dir.iterdir()) == []


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-20] ^= 1
    path.write_bytes(content)


def _link(path: Path) -> None:
    other = path.with_name("other")
    path.rename(other)
    path.symlink_to(other)


@pytest.mark.parametrize("change", [_flip, Path.unlink, _link, lambda path: path.write_bytes(b"")])
@pytest.mark.parametrize("pattern", ["spool/*", "pictures/*", "audit.head", "ledger.duckdb"])
def test_a_file_that_was_changed_is_found_and_not_restored(made: Made, pattern: str, change: Change) -> None:
    change(next(made.folder.glob(pattern)))
    backup = made.open()
    assert list(backup.problems([])) != []
    with pytest.raises(VestibuleError) as refused:
        install(backup, made.there)
    assert refused.value.reason == "BACKUP_DAMAGED"
    assert list(made.there.data_dir.iterdir()) == list(made.there.state_dir.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (_flip, "was changed"),
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(b""), "was changed"),
        (lambda path: path.write_bytes(path.read_bytes()[:-1000]), "was changed"),
        (lambda path: path.write_bytes(b"no ledger" * 5000), "was changed"),
    ],
)
@pytest.mark.parametrize("name", ["ledger.duckdb", "audit.head"])
def test_what_is_wrong_with_a_file_is_told_once(made: Made, name: str, change: Change, what: str) -> None:
    change(made.folder / name)
    assert list(made.open().problems([])) == [f"{name} {what}."]


def test_a_file_that_the_disk_does_not_read_is_told(made: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    spool = next(made.folder.glob("spool/*"))
    bad, real = {spool, made.folder / "ledger.duckdb"}, os.open

    def refuse(path: Any, *given: Any, **named: Any) -> int:
        if path in bad:
            raise OSError(errno.EIO, "Input/output error")
        return real(path, *given, **named)

    monkeypatch.setattr(os, "open", refuse)
    assert list(made.open().problems([])) == [
        "ledger.duckdb cannot be read (EIO).",
        f"spool/{spool.name} cannot be read (EIO).",
    ]


def test_a_ledger_that_is_none_though_the_manifest_has_it_does_not_blame_the_disk(made: Made) -> None:
    ledger = made.folder / "ledger.duckdb"
    ledger.write_bytes(b"no ledger" * 5000)
    manifest = made.manifest()
    [entry] = [entry for entry in manifest["files"] if entry["path"] == ledger.name]
    entry |= json.loads(backup_files.hashed(ledger, ledger.name).model_dump_json())
    made.write_manifest(manifest)
    assert list(open_backup(made.folder, None).problems([])) == [
        "ledger.duckdb is as the manifest says, but it is no ledger that this release can open."
    ]


def test_a_folder_that_is_a_link_is_refused(made: Made) -> None:
    _link(made.folder / "spool")
    with pytest.raises(VestibuleError, match="a folder is a link"):
        made.open()


@pytest.mark.parametrize("path", ["../../outside", "/tmp/outside", "spool/../../outside", "audit.key"])
def test_a_path_that_leaves_the_folder_is_refused_with_and_without_keys(made: Made, path: str) -> None:
    manifest = made.manifest()
    manifest["files"][1]["path"] = path
    made.write_manifest(manifest)
    for keys in (None, made.keys):
        with pytest.raises(VestibuleError, match="names files that no backup has") as refused:
            open_backup(made.folder, keys)
        assert path not in refused.value.message


def _lists_twice(manifest: dict[str, Any]) -> None:
    manifest["files"].append(manifest["files"][0])


def _forgets_the_ledger(manifest: dict[str, Any]) -> None:
    manifest["files"] = [entry for entry in manifest["files"] if entry["path"] != "ledger.duckdb"]


@pytest.mark.parametrize("change", [_lists_twice, _forgets_the_ledger])
def test_a_manifest_that_cannot_be_is_refused(made: Made, change: Callable[[dict[str, Any]], None]) -> None:
    manifest = made.manifest()
    change(manifest)
    made.write_manifest(manifest)
    with pytest.raises(VestibuleError, match="names files"):
        open_backup(made.folder, None)


def test_a_manifest_that_was_changed_with_its_files_is_refused_by_the_keys(made: Made) -> None:
    """Whoever changes a file and its hash passes without keys; the seal of the manifest finds it."""
    picture = next(made.folder.glob("pictures/*"))
    picture.write_bytes(b"of somebody else")
    manifest = made.manifest()
    [entry] = [entry for entry in manifest["files"] if entry["path"].startswith("pictures/")]
    entry |= json.loads(backup_files.hashed(picture, entry["path"]).model_dump_json())
    made.write_manifest(manifest)
    assert list(open_backup(made.folder, None).problems([])) == []
    with pytest.raises(InvalidInput, match="changed after the backup was made") as refused:
        made.open()
    assert refused.value.reason == "BACKUP_KEYS_WRONG"


def test_keys_of_another_server_are_refused(made: Made) -> None:
    keys = json.loads(made.keys.read_bytes())
    keys["audit"] = "ab" * 32
    made.keys.write_text(json.dumps(keys))
    with pytest.raises(InvalidInput, match="keys of another server"):
        made.open()


def test_a_key_of_the_spool_that_is_missing_is_told(made: Made, template: Template) -> None:
    home = template.home
    keys = json.loads(made.keys.read_bytes())
    mine = keys["spool"]
    keys["spool"] = []
    made.keys.write_text(json.dumps(keys))
    key_id = home.spool.keys.current_id
    assert list(made.open().problems([])) == [f"The key {key_id} of the spool is not among the keys."]
    assert list(made.open().problems([home.spool.keys.current])) == [], "a setting gives it"
    keys["spool"] = [mine[0][:-4]]
    made.keys.write_text(json.dumps(keys))
    with pytest.raises(InvalidInput, match="cannot be read"):
        made.open()


@pytest.mark.parametrize("changes", [{"spool": ["?"]}, {"spool": ["QQ=="]}, {"streams": "?"}])
def test_keys_that_are_none_are_refused_before_anything_is_written(made: Made, changes: dict[str, Any]) -> None:
    made.keys.write_text(json.dumps(json.loads(made.keys.read_bytes()) | changes))
    with pytest.raises(InvalidInput, match="cannot be read") as refused:
        made.open()
    assert refused.value.reason == "BACKUP_INVALID"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"format": 2}', b"[" * 100_000])
def test_documents_that_cannot_be_read_are_refused_without_their_content(made: Made, content: bytes) -> None:
    made.keys.write_bytes(content)
    with pytest.raises(InvalidInput, match=r"The file of keys cannot be read\.") as refused:
        made.open()
    assert refused.value.reason == "BACKUP_INVALID"
    (made.folder / "manifest.json").write_bytes(content)
    with pytest.raises(InvalidInput, match=r"The manifest cannot be read\."):
        made.open()


def test_a_folder_that_is_no_backup_and_keys_that_are_not_there_are_refused(made: Made, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="There is no none"):
        open_backup(made.folder, tmp_path / "none")
    with pytest.raises(InvalidInput, match=r"There is no manifest\.json"):
        open_backup(tmp_path, None)


def test_a_backup_of_a_newer_release_is_refused(made: Made) -> None:
    manifest = made.manifest() | {"schema_number": len(ALL) + 1}
    made.write_manifest(manifest)
    with pytest.raises(VestibuleError) as refused:
        open_backup(made.folder, None)
    assert refused.value.reason == "LEDGER_NEWER"


def test_a_backup_of_an_older_schema_is_restored_and_migrated_at_the_start(tmp_path: Path) -> None:
    """The schema is that of before the artifacts got their name."""
    files = files_in(tmp_path / "home")
    files.state_dir.mkdir(parents=True)
    files.data_dir.mkdir()
    connection = connect(files.ledger)
    migrate(connection, utc_now, up_to=6)
    connection.execute("INSERT INTO breakers VALUES ('llm_api', 'open', 3, now())")
    connection.close()
    manifest = writer_of(files, tmp_path / "b").write(NOW)
    assert manifest.schema_number == 6
    backup = open_backup(tmp_path / "b", None)
    assert list(backup.problems([])) == []
    there = files_in(tmp_path / "there")
    install(backup, there)
    ledger = open_ledger(there.ledger)
    assert ledger.write_now(lambda cursor: cursor.execute("SELECT name FROM breakers").fetchall()) == [("llm_api",)]
    ledger.close()


def test_the_chain_of_the_audit_is_verified_with_the_keys(home: Home, tmp_path: Path) -> None:
    home.ledger.write_now(lambda cursor: cursor.execute("UPDATE audit SET subject = 'key:victim' WHERE number = 2"))
    made = Made(tmp_path)
    home.backup(made.folder, made.keys)
    [problem] = made.open().problems([])
    assert problem.startswith("Audit: Row 2 was changed")
    assert list(open_backup(made.folder, None).problems([])) == [], "without keys nobody can tell"


def test_a_restore_without_keys_brings_none(made: Made) -> None:
    install(open_backup(made.folder, None), made.there)
    names = {path.name for path in made.there.state_dir.iterdir()}
    assert names == {"audit.head", "spool"}
    ledger, spool = opened(made.there)
    ledger.close()
    [name] = spool.ids()
    with pytest.raises(VestibuleError) as refused:
        spool.read(name)
    assert refused.value.reason == "SPOOL_KEY_UNKNOWN"
