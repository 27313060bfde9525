"""Backups of real ledgers: what is in them, and what is refused."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from models.errors import Conflict, NotFound, Overloaded, Unavailable, VestibuleError
from models.reasons import Reason
from server.analytics.snapshot import LedgerMark, mark_of
from server.backup import files as backup_files
from server.backup import take
from server.backup.check import open_backup
from server.backup.files import copy_hashed
from server.backup.install import install
from server.backup.layout import FileEntry, Manifest, is_known_path
from server.backup.take import BackupWriter
from server.ledger import dead_letters, sessions
from server.ledger.columns import count
from server.uploads.encrypted_frames import key_id_of
from tests.unit.backup.conftest import BUILD, NOW, Home, files_in, opened
from tests.unit.ledger import makers
from tests.unit.ledger.migrated import open_ledger


def test_everything_is_in_the_backup_and_readable_in_another_folder(home: Home, tmp_path: Path) -> None:
    manifest = home.backup(tmp_path / "b", tmp_path / "keys.json")
    paths = {entry.path for entry in manifest.files}
    assert {"ledger.duckdb", "audit.head"} < paths
    assert {f"spool/{name}" for name in home.needed} < paths
    assert len(paths) == 5, "the picture and the audio log, too"
    assert manifest.missing == ()
    assert (manifest.build, manifest.create_time) == (BUILD, NOW)
    backup = open_backup(tmp_path / "b", tmp_path / "keys.json")
    assert list(backup.problems([])) == []
    there = files_in(tmp_path / "there")
    install(backup, there)
    ledger, spool = opened(there)
    [name] = home.needed
    assert spool.read(name) == b"content"
    assert [b"".join(spool.log_pieces(stream)) for stream in spool.log_ids()] == [b"audio"]
    assert ledger.write_now(lambda cursor: sessions.get(cursor, home.session)).id == home.session
    letters = asyncio.run(ledger.read(lambda cursor: dead_letters.list_letters(cursor, page_size=10, page_token="")))
    assert len(letters[0]) == 1
    assert {file.name for file in there.pictures.iterdir()} == {file.name for file in home.pictures.iterdir()}
    ledger.close()
    assert there.streams_key.read_bytes() == bytes(range(32))
    assert not list((tmp_path / "there").rglob("restore.unfinished"))


def test_all_files_are_for_their_owner_alone(home: Home, tmp_path: Path) -> None:
    os.umask(0o022)
    home.backup(tmp_path / "b", tmp_path / "keys.json")
    backup = open_backup(tmp_path / "b", tmp_path / "keys.json")
    install(backup, files_in(tmp_path / "there"))
    made = [tmp_path / "keys.json", *(tmp_path / "b").rglob("*"), tmp_path / "b", *(tmp_path / "there").rglob("*")]
    wide = [path for path in made if stat.S_IMODE(path.stat().st_mode) & 0o077]
    assert wide == []


def test_the_folders_of_the_backup_and_of_its_keys_are_made(home: Home, tmp_path: Path) -> None:
    backup, keys = tmp_path / "backups" / "monday", tmp_path / "safe" / "keys.json"
    home.backup(backup, keys)
    assert list(open_backup(backup, keys).problems([])) == []
    assert stat.S_IMODE((tmp_path / "safe").stat().st_mode) == 0o700


def test_keys_are_not_in_the_backup(home: Home, tmp_path: Path) -> None:
    home.backup(tmp_path / "b", tmp_path / "keys.json")
    keys = json.loads((tmp_path / "keys.json").read_bytes())
    content = b"".join(file.read_bytes() for file in (tmp_path / "b").rglob("*") if file.is_file())
    for key in (*keys["spool"], keys["audit"], keys["subjects"]):
        assert key.encode() not in content
        assert home.spool.keys.current not in content
    with pytest.raises(Conflict, match="would be in the backup"):
        home.backup(tmp_path / "other", tmp_path / "other" / "keys.json")
    assert not (tmp_path / "other").exists()


def test_the_write_ahead_log_is_in_the_copy(home: Home, tmp_path: Path) -> None:
    wal = home.files.ledger.with_name("ledger.duckdb.wal")
    assert wal.stat().st_size > 0, "otherwise this test proves nothing"
    home.backup(tmp_path / "b")
    assert sorted(path.name for path in (tmp_path / "b").iterdir()) == [
        "audit.head",
        "ledger.duckdb",
        "manifest.json",
        "pictures",
        "spool",
    ]
    copied = open_ledger(tmp_path / "b" / "ledger.duckdb")
    assert copied.write_now(lambda cursor: count(cursor, "SELECT count(*) FROM sessions")) == 1
    copied.close()


def test_rows_of_after_the_mark_are_not_in_it_and_those_before_are(home: Home, tmp_path: Path) -> None:
    """A server goes on while its files are copied; what was committed when the mark was taken is in the copy."""
    sent: list[str] = []

    def mark() -> LedgerMark:
        row = makers.session()
        home.ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))
        sent.append(row.id)
        return home.ledger.submit_between_commits(lambda: mark_of(home.files.ledger)).result()

    writer = BackupWriter(home.files, mark, tmp_path / "b", None, BUILD)
    writer.write(NOW)
    copied = open_ledger(tmp_path / "b" / "ledger.duckdb")
    rows = copied.write_now(lambda cursor: cursor.execute("SELECT id FROM sessions").fetchall())
    copied.close()
    found = {row[0] for row in rows}
    assert found >= {home.session, *sent[:2]}, "the second mark is the one of the copy"
    assert sent[-1] not in found


def test_a_checkpoint_meanwhile_leaves_the_copy_whole(home: Home, tmp_path: Path) -> None:
    marks = 0

    def mark() -> LedgerMark:
        nonlocal marks
        marks += 1
        now = home.ledger.submit_between_commits(lambda: mark_of(home.files.ledger)).result()
        if marks == 2:  # after this one the file is copied
            home.ledger.submit_between_commits(lambda: home.ledger.cursor().execute("CHECKPOINT")).result()
        return now

    BackupWriter(home.files, mark, tmp_path / "b", None, BUILD).write(NOW)
    assert marks > 3, "the copy was made again"
    copied = open_ledger(tmp_path / "b" / "ledger.duckdb")
    assert copied.write_now(lambda cursor: count(cursor, "SELECT count(*) FROM sessions")) == 1
    copied.close()


def test_a_server_that_writes_to_named_files_is_noticed(home: Home, tmp_path: Path) -> None:
    writer = home.writer(tmp_path / "b", tmp_path / "keys.json")
    home.fill("later")
    with pytest.raises(Unavailable, match="A server works on these files") as refused:
        writer.write(NOW)
    assert refused.value.reason == "LEDGER_LOCKED"
    assert left_in(tmp_path) == {"home"}


def test_the_ledger_of_another_server_is_refused(home: Home, tmp_path: Path) -> None:
    writer = BackupWriter(home.files, lambda: LedgerMark(1, 0, 0), tmp_path / "b", None, BUILD)
    with pytest.raises(NotFound, match="another ledger") as refused:
        writer.write(NOW)
    assert "VESTIBULE_DATA_DIR" in refused.value.hint
    assert left_in(tmp_path) == {"home"}


@pytest.mark.parametrize("name", ["b", "b.part", "keys.json"])
def test_nothing_is_written_over(home: Home, tmp_path: Path, name: str) -> None:
    there = tmp_path / name
    there.mkdir()
    (there / "mine").write_bytes(b"mine")
    with pytest.raises(Conflict) as refused:
        home.backup(tmp_path / "b", tmp_path / "keys.json")
    assert refused.value.reason == "BACKUP_EXISTS"
    assert left_in(tmp_path) == {"home", name}
    assert (there / "mine").read_bytes() == b"mine"


def test_an_empty_folder_is_filled(home: Home, tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    home.backup(tmp_path / "b")
    assert (tmp_path / "b" / "manifest.json").exists()


def test_a_full_disk_leaves_nothing(home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at one sync after the other, up to the last one."""
    real = os.fsync
    for at in range(100):
        left = at

        def sync(file: int) -> None:
            nonlocal left
            if not left:
                raise OSError(errno.ENOSPC, "full")
            left -= 1
            real(file)

        with monkeypatch.context() as patch:
            patch.setattr(os, "fsync", sync)
            try:
                home.backup(tmp_path / "b", tmp_path / "keys.json")
            except Unavailable as refused:
                assert (refused.reason, refused.message) == ("BACKUP_FAILED", "The disk is full.")
            else:
                break
        assert left_in(tmp_path) == {"home"}
    assert at > 10, "each file is synced, and its folder"
    assert left_in(tmp_path) == {"home", "b", "keys.json"}


def test_a_disk_without_room_is_refused_before_it_is_full(home: Home, tmp_path: Path) -> None:
    mark: Callable[[], LedgerMark] = lambda: mark_of(home.files.ledger)  # noqa: E731
    little = BackupWriter(home.files, mark, tmp_path / "b", None, BUILD, free=lambda folder: 1000)
    with pytest.raises(VestibuleError, match="no room"):
        little.write(NOW)
    ledger_bytes = home.files.ledger.stat().st_size + 1024 * 1024
    sizes = iter([ledger_bytes, 10])
    enough_for_the_ledger = BackupWriter(home.files, mark, tmp_path / "b", None, BUILD, free=lambda _: next(sizes))
    with pytest.raises(Unavailable, match="no room for"):
        enough_for_the_ledger.write(NOW)
    assert left_in(tmp_path) == {"home"}


def test_files_that_go_because_the_hold_ended_give_its_reason(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def mark() -> LedgerMark:
        if (tmp_path / "b.part" / "spool").exists():
            raise Overloaded("The spool is nearly full.", reason=Reason.BACKUP_SPOOL_FULL)
        return mark_of(home.files.ledger)

    def too_late(source: Path, target: Path, path: str) -> FileEntry:
        if source.parent == home.files.spool:
            source.unlink()
        return copy_hashed(source, target, path)

    monkeypatch.setattr(take, "copy_hashed", too_late)
    with pytest.raises(Overloaded, match="nearly full"):
        BackupWriter(home.files, mark, tmp_path / "b", None, BUILD).write(NOW)
    assert left_in(tmp_path) == {"home"}


def test_what_was_gone_before_is_told_and_does_not_stop_the_backup(home: Home, tmp_path: Path) -> None:
    [name] = home.needed
    (home.files.spool / name).unlink()
    manifest = home.backup(tmp_path / "b", tmp_path / "keys.json")
    assert manifest.missing == (f"spool/{name}",)
    assert list(open_backup(tmp_path / "b", tmp_path / "keys.json").problems([])) == []


def test_media_that_no_job_needs_stay_out(home: Home, tmp_path: Path) -> None:
    home.spool.put(makers.new_id(), [b"left by a kill"])
    manifest = home.backup(tmp_path / "b")
    assert len(manifest.files) == 5


def test_the_manifest_names_the_keys_that_the_spool_needs(home: Home, tmp_path: Path) -> None:
    manifest = home.backup(tmp_path / "b")
    assert manifest.spool_keys == (home.spool.keys.current_id,)
    [name] = home.needed
    assert key_id_of((tmp_path / "b" / "spool" / name).read_bytes()[:29]) is not None


def test_a_backup_without_the_keys_of_the_server_is_not_sealed(home: Home, tmp_path: Path) -> None:
    for name in ("audit.key", "spool.key"):
        (home.files.state_dir / name).unlink()
    assert home.backup(tmp_path / "b").seal == ""
    with pytest.raises(NotFound, match=r"audit\.key, spool\.key") as refused:
        home.backup(tmp_path / "c", tmp_path / "keys.json")
    assert refused.value.reason == "BACKUP_KEYS_MISSING"
    assert left_in(tmp_path) == {"home", "b"}


def test_a_seal_survives_being_written_and_read(home: Home, tmp_path: Path) -> None:
    manifest = home.backup(tmp_path / "b", tmp_path / "keys.json")
    read = Manifest.model_validate_json((tmp_path / "b" / "manifest.json").read_bytes())
    assert read == manifest
    key = bytes.fromhex(json.loads((tmp_path / "keys.json").read_bytes())["audit"])
    assert read.is_sealed_with(key)
    assert not read.model_copy(update={"missing": ("spool/x",)}).is_sealed_with(key)
    assert not read.is_sealed_with(bytes(32))


@pytest.mark.parametrize(
    "path",
    [
        "../ledger.duckdb",
        "/etc/passwd",
        "spool/../../x",
        "spool/..",
        "pictures/a.png",
        "ledger.duckdb\n",
        "spool/4b6a3a0e-6f0e-4d0f-9a63-0d3b6d1f1f0a/x",
        "spool/4B6A3A0E-6f0e-4d0f-9a63-0d3b6d1f1f0a",
        "audit.key",
        "",
    ],
)
def test_no_other_path_is_known(path: str) -> None:
    assert not is_known_path(path)


def test_a_link_in_the_spool_is_not_followed(home: Home, tmp_path: Path) -> None:
    [name] = home.needed
    secret = tmp_path / "secret"
    secret.write_bytes(b"of somebody else")
    (home.files.spool / name).unlink()
    (home.files.spool / name).symlink_to(secret)
    with pytest.raises(VestibuleError, match="a file is a link"):
        home.backup(tmp_path / "b")
    assert left_in(tmp_path) == {"home", "secret"}


def test_a_pipe_does_not_hold_it_up(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(VestibuleError, match="no plain file"), backup_files.opened_plain(tmp_path / "pipe"):
        pass


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}
