"""Files and folders that only their owner can read."""

from __future__ import annotations

import errno
import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from models.private_files import make_private_folder, narrow_tree, read_or_create, write_atomically


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_an_existing_file_is_read_and_not_written(tmp_path: Path) -> None:
    path = tmp_path / "key"
    assert read_or_create(path, b"first") == b"first"
    assert read_or_create(path, b"second") == b"first"
    assert [found.name for found in tmp_path.iterdir()] == ["key"]


def test_a_file_that_others_may_read_is_narrowed(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"first")
    path.chmod(0o644)
    assert read_or_create(path, b"second") == b"first"
    assert mode(path) == 0o600


def test_a_tree_is_narrowed_and_links_are_not_followed(tmp_path: Path) -> None:
    outside, tree = tmp_path / "outside", tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    for path in (outside, tree / "inner" / "file"):
        path.touch(0o666)
        path.chmod(0o666)
    (tree / "inner").chmod(0o777)
    (tree / "link").symlink_to(outside)
    (tree / "broken").symlink_to(tmp_path / "missing")
    narrow_tree(tree)
    assert [mode(path) for path in (tree, tree / "inner", tree / "inner" / "file")] == [0o700, 0o700, 0o600]
    assert mode(outside) == 0o666


def test_all_who_make_a_file_at_once_read_what_the_first_one_wrote(tmp_path: Path) -> None:
    path = tmp_path / "state" / "key"
    contents = [bytes([number]) * 32 for number in range(8)]
    with ThreadPoolExecutor(8) as pool:
        [read] = set(pool.map(lambda content: read_or_create(path, content), contents))
    assert read in contents
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert [found.name for found in path.parent.iterdir()] == ["key"]


@pytest.mark.parametrize(("before", "after"), [(0o755, 0o700), (0o700, 0o700), (0o1777, 0o1777)])
def test_a_folder_becomes_private_unless_it_is_shared(tmp_path: Path, before: int, after: int) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    folder.chmod(before)
    make_private_folder(folder)
    assert mode(folder) == after


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_a_file_that_is_replaced_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "audit.head"
    path.write_bytes(b"first")
    os.chown(path, 4321, 4322)
    write_atomically(path, b"second")
    found = path.stat()
    assert (path.read_bytes(), found.st_uid, found.st_gid, mode(path)) == (b"second", 4321, 4322, 0o600)


@pytest.mark.parametrize("code", [errno.EPERM, errno.EINVAL])
def test_who_may_not_give_files_away_replaces_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    path = tmp_path / "audit.head"
    path.write_bytes(b"first")
    asked: list[tuple[int, int]] = []

    def refuse(_fd: int, uid: int, gid: int) -> None:
        asked.append((uid, gid))
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fchown", refuse)
    found = os.fstat
    monkeypatch.setattr(os, "fstat", lambda fd: os.stat_result((*found(fd)[:4], 77, 88, *found(fd)[6:10])))
    write_atomically(path, b"second")
    old = path.stat()
    assert (asked, path.read_bytes()) == ([(old.st_uid, old.st_gid)], b"second")


def test_of_two_that_write_one_file_none_leaves_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, sync = tmp_path / "picture.jpg", os.fsync

    def other_begins(fd: int) -> None:
        sync(fd)
        monkeypatch.setattr(os, "fsync", sync)
        part = tmp_path / "picture.jpg.part"
        part.unlink()
        part.write_bytes(b"ha")

    path.write_bytes(b"whole")
    monkeypatch.setattr(os, "fsync", other_begins)
    with pytest.raises(FileExistsError):
        write_atomically(path, b"another")
    assert path.read_bytes() == b"whole"
    write_atomically(path, b"again")
    assert path.read_bytes() == b"again"


def test_a_link_in_place_of_the_unfinished_file_is_not_followed(tmp_path: Path) -> None:
    path, other = tmp_path / "audit.head", tmp_path / "other"
    other.write_bytes(b"of somebody else")
    (tmp_path / "audit.head.part").symlink_to(other)
    write_atomically(path, b"ours")
    assert (path.read_bytes(), other.read_bytes(), path.is_symlink()) == (b"ours", b"of somebody else", False)
