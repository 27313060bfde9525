"""A ledger that could not be made does not stop the next start, and nobody else's file is deleted for that."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from models.errors import VestibuleError
from server.ledger import embedded
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.half_made import delete_half_made

HEADER_BYTES = 3 * 4096
LOCKER = """
import fcntl, sys
file = open(sys.argv[1], "r+b")
fcntl.lockf(file, fcntl.LOCK_EX)
print("locked", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("size", [0, 1, 9, 4096, 8192, HEADER_BYTES - 1])
def test_a_ledger_whose_making_was_killed_is_made_anew(tmp_path: Path, size: int) -> None:
    path = tmp_path / "ledger.duckdb"
    duckdb.connect(str(path)).close()
    path.write_bytes(path.read_bytes()[:size])
    EmbeddedLedger.open(path).close()
    assert path.stat().st_size > HEADER_BYTES


def test_a_part_of_a_header_is_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    path.touch()
    delete_half_made(path)
    assert not path.exists()
    delete_half_made(path)


def test_a_short_file_that_is_not_duckdbs_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    path.write_text("Notes about meters.\n")
    with pytest.raises(VestibuleError):
        EmbeddedLedger.open(path)
    assert path.read_text() == "Notes about meters.\n"


def test_a_file_that_was_cut_short_stays_with_its_wal(tmp_path: Path) -> None:
    path, wal = tmp_path / "ledger.duckdb", tmp_path / "ledger.duckdb.wal"
    path.touch()
    wal.write_bytes(b"writes")
    with pytest.raises(VestibuleError):
        EmbeddedLedger.open(path)
    assert path.exists()
    assert wal.read_bytes() == b"writes"


def test_longer_files_links_and_folders_stay(tmp_path: Path) -> None:
    whole, link, folder = tmp_path / "whole", tmp_path / "link", tmp_path / "folder"
    whole.write_bytes(bytes(HEADER_BYTES))
    (tmp_path / "short").write_bytes(b"short")
    link.symlink_to(tmp_path / "short")
    folder.mkdir()
    for path in (whole, link, folder):
        delete_half_made(path)
        assert path.exists()
    assert (tmp_path / "short").exists()


def test_a_file_that_another_process_is_making_stays(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    path.touch()
    other = subprocess.Popen([sys.executable, "-c", LOCKER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"locked\n"
        delete_half_made(path)
        assert path.exists()
        other.communicate()
    delete_half_made(path)
    assert not path.exists()


def test_a_ledger_that_another_process_made_meanwhile_is_not_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "ledger.duckdb"

    def refused(path: Path, memory_bytes: int) -> Cursor:
        duckdb.connect(str(path)).close()
        raise duckdb.IOException("No space left on device")

    monkeypatch.setattr(embedded, "connect", refused)
    with pytest.raises(VestibuleError):
        EmbeddedLedger.open(path)
    assert path.stat().st_size >= HEADER_BYTES


def test_a_link_to_a_file_that_is_gone_is_not_deleted(tmp_path: Path) -> None:
    path = tmp_path / "ledger.duckdb"
    path.symlink_to(tmp_path / "gone" / "ledger.duckdb")
    with pytest.raises(VestibuleError):
        EmbeddedLedger.open(path)
    assert path.is_symlink()
