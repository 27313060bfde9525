"""DuckDB checkpoints while there is room, and the file is opened again after a fatal error."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from models.errors import Overloaded, VestibuleError
from server.ledger import checkpoints as module
from server.ledger import open_file
from server.ledger.checkpoints import MARGIN_BYTES, PAUSE_S, Checkpoints
from server.ledger.columns import Cursor, RunAgain
from server.ledger.connection import connect
from server.ledger.open_connection import TRY_AGAIN_S
from server.ledger.open_file import OpenFile


class Disk:
    """A disk whose room the test sets, and a clock."""

    def __init__(self) -> None:
        self.free = 10**12
        self.now_s = 100.0

    def __call__(self, folder: Path) -> int:
        return self.free

    def monotonic(self) -> float:
        return self.now_s


@pytest.fixture
def disk() -> Disk:
    return Disk()


def _threshold(connection: Cursor) -> str:
    row = connection.execute("SELECT current_setting('wal_autocheckpoint')").fetchone()
    assert row is not None
    return str(row[0])


def test_without_room_for_a_second_copy_nothing_is_checkpointed(tmp_path: Path, disk: Disk) -> None:
    path = tmp_path / "l.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        usual = _threshold(connection)
        checkpoints = Checkpoints(path, disk, disk.monotonic)
        checkpoints.fit(connection)
        assert _threshold(connection) == usual
        held = path.stat().st_size + path.with_name("l.duckdb.wal").stat().st_size
        disk.free = held + MARGIN_BYTES - 1
        checkpoints.fit(connection)
        assert _threshold(connection) == "16.0 TiB"
        disk.free += 1
        checkpoints.fit(connection)
        assert _threshold(connection) == usual


@pytest.fixture
def most_commits(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(module, "MOST_COMMITS", 50)
    return 50


def test_many_small_commits_are_checkpointed_before_the_wal_has_many_bytes(
    tmp_path: Path, disk: Disk, most_commits: int
) -> None:
    path = tmp_path / "l.duckdb"
    wal = path.with_name("l.duckdb.wal")
    with connect(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        checkpoints = Checkpoints(path, disk, disk.monotonic)
        sizes = []
        for number in range(2 * most_commits + 2):
            checkpoints.fit(connection)
            connection.execute("INSERT INTO t VALUES (?)", [number])
            sizes.append(wal.stat().st_size if wal.exists() else 0)
        at = [n for n in range(1, len(sizes)) if sizes[n] < sizes[n - 1]]
        assert at == [most_commits - 1, 2 * most_commits - 1]
        assert max(sizes) < 1024 * 1024
        assert _threshold(connection) == "16.0 MiB", "DuckDB's own bound on bytes holds again"


def test_what_waits_for_room_is_checkpointed_when_there_is_room(tmp_path: Path, disk: Disk, most_commits: int) -> None:
    path = tmp_path / "l.duckdb"
    with connect(path) as connection:
        connection.execute("CREATE TABLE t (n INTEGER)")
        checkpoints = Checkpoints(path, disk, disk.monotonic)
        disk.free = 0
        for number in range(most_commits + 2):
            checkpoints.fit(connection)
            connection.execute("INSERT INTO t VALUES (?)", [number])
        full = path.with_name("l.duckdb.wal").stat().st_size
        disk.free = 10**12
        checkpoints.fit(connection)
        connection.execute("INSERT INTO t VALUES (0)")
        assert not path.with_name("l.duckdb.wal").exists() or path.with_name("l.duckdb.wal").stat().st_size < full


def test_after_a_fatal_error_the_next_checkpoint_waits(tmp_path: Path, disk: Disk) -> None:
    checkpoints = Checkpoints(tmp_path / "l.duckdb", disk, disk.monotonic)
    checkpoints.opened_anew(pause_s=PAUSE_S)
    assert not checkpoints.have_room()
    disk.now_s += PAUSE_S
    assert checkpoints.have_room()


def test_a_folder_that_is_gone_has_no_room(tmp_path: Path) -> None:
    assert not Checkpoints(tmp_path / "gone" / "l.duckdb").have_room()


def test_the_file_is_opened_again_until_that_works(tmp_path: Path, disk: Disk, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "l.duckdb"
    file = OpenFile(connect(path), path, 10**8, Checkpoints(path, disk, disk.monotonic), disk.monotonic)
    file.broken = Overloaded("Full.")
    assert file.due
    with pytest.raises(RunAgain):
        file.cursor()

    for error in (duckdb.IOException("no"), OSError("no")):
        monkeypatch.setattr(open_file, "connect", _raising(error))
        file.open_again()
        assert isinstance(file.broken, VestibuleError)
        assert file.broken.reason == "LEDGER_IO"
        assert not file.due
        with pytest.raises(VestibuleError):
            file.cursor()
        disk.now_s += TRY_AGAIN_S
        assert file.due
    monkeypatch.setattr(open_file, "connect", connect)
    file.open_again()
    assert file.broken is None
    with file.cursor() as cursor:
        assert cursor.execute("SELECT 1").fetchone() == (1,)
    file.close()


def _raising(error: Exception) -> object:
    def refuse(path: Path, memory_bytes: int) -> Cursor:
        raise error

    return refuse
