"""Copies of a ledger that is written meanwhile: each is one moment of it, and nothing is copied twice."""

from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from models.errors import Overloaded, Unavailable
from server.analytics import file_copies, snapshot
from server.analytics.endpoint import mark_between_commits
from server.analytics.snapshot import ATTEMPTS, BLOCK_BYTES, HEADER_BYTES, LedgerMark, SnapshotFolder
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger

pytestmark = pytest.mark.slow  # it writes real ledgers


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    opened.write_now(lambda cursor: cursor.execute("CREATE TABLE pairs (number INTEGER, text VARCHAR)"))
    yield opened
    opened.close()


@pytest.fixture
def copies(ledger: EmbeddedLedger, tmp_path: Path) -> SnapshotFolder:
    return SnapshotFolder(ledger.path, tmp_path / "copies", lambda: mark_between_commits(ledger))


def write_pair(ledger: EmbeddedLedger, number: int, size: int = 10) -> None:
    """Two rows in one transaction."""

    def insert(cursor: Cursor) -> None:
        for _ in range(2):
            cursor.execute("INSERT INTO pairs VALUES (?, repeat('x', ?))", [number, size])

    ledger.write_now(insert)


def numbers(path: Path) -> list[int]:
    with duckdb.connect(str(path), read_only=True) as connection:
        return [row[0] for row in connection.execute("SELECT number FROM pairs ORDER BY 1").fetchall()]


def renewed(copies: SnapshotFolder) -> Path:
    path = copies.renew()
    assert path is not None
    return path


def checkpoint(ledger: EmbeddedLedger) -> None:
    ledger.submit_between_commits(lambda: ledger.cursor().execute("CHECKPOINT")).result()


def test_a_snapshot_has_every_commit_whether_in_the_wal_or_in_the_file(
    ledger: EmbeddedLedger, copies: SnapshotFolder
) -> None:
    write_pair(ledger, 1)
    assert numbers(renewed(copies)) == [1, 1]
    checkpoint(ledger)
    write_pair(ledger, 2)
    assert numbers(renewed(copies)) == [1, 1, 2, 2]


def test_without_a_commit_nothing_is_copied(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    renewed(copies)
    assert copies.renew() is None
    ledger.write_now(lambda cursor: cursor.execute("SELECT 1"))
    assert copies.renew() is None


def test_the_file_is_copied_again_only_after_a_checkpoint(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    checkpoint(ledger)
    first = renewed(copies).stat().st_ino
    write_pair(ledger, 1)
    second = renewed(copies)
    assert second.stat().st_ino == first, "the same file under another name, with a new WAL"
    checkpoint(ledger)
    assert renewed(copies).stat().st_ino != first


def test_only_the_last_snapshot_is_kept_and_only_its_owner_can_read_it(
    ledger: EmbeddedLedger, copies: SnapshotFolder, tmp_path: Path
) -> None:
    for number in range(3):
        write_pair(ledger, number)
        renewed(copies)
    kept = sorted((tmp_path / "copies").iterdir())
    assert [file.name for file in kept] == ["3.duckdb", "3.duckdb.wal"]
    assert {stat.S_IMODE(file.stat().st_mode) for file in kept} == {0o600}
    assert stat.S_IMODE(kept[0].parent.stat().st_mode) == 0o700


def test_what_a_killed_process_left_is_brought_up_to_date(
    ledger: EmbeddedLedger, copies: SnapshotFolder, tmp_path: Path
) -> None:
    write_pair(ledger, 1)
    left = renewed(copies).stat().st_ino
    checkpoint(ledger)
    write_pair(ledger, 2)
    again = SnapshotFolder(ledger.path, tmp_path / "copies", lambda: mark_between_commits(ledger))
    assert [file.name for file in (tmp_path / "copies").iterdir()] == ["earlier.duckdb"]
    made = renewed(again)
    assert made.stat().st_ino == left
    assert numbers(made) == [1, 1, 2, 2]


def test_a_file_that_a_starting_process_renames_meanwhile_is_deleted_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = tmp_path / "7.duckdb"
    left.write_bytes(b"erased")
    real = Path.unlink

    def unlink(path: Path, missing_ok: bool = False) -> None:
        if left.exists():
            left.replace(tmp_path / snapshot.EARLIER)
        real(path, missing_ok)

    monkeypatch.setattr(Path, "unlink", unlink)
    snapshot.delete_snapshots(tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("content", [b"", b"no ledger at all", bytes(30_000_000)])
def test_a_file_of_any_content_becomes_an_exact_copy(ledger: EmbeddedLedger, tmp_path: Path, content: bytes) -> None:
    write_pair(ledger, 1, size=2_000_000)
    checkpoint(ledger)
    folder = tmp_path / "copies"
    folder.mkdir()
    (folder / "7.duckdb").write_bytes(content)
    made = renewed(SnapshotFolder(ledger.path, folder, lambda: mark_between_commits(ledger)))
    assert made.read_bytes() == ledger.path.read_bytes()


def test_after_a_checkpoint_only_what_changed_is_written_into_the_copy_before(
    ledger: EmbeddedLedger, copies: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = "INSERT INTO pairs SELECT 0, concat(uuid(), uuid()) FROM range(4 * 122_880)"  # DuckDB's groups of rows
    ledger.write_now(lambda cursor: cursor.execute(full))
    checkpoint(ledger)
    turns = []
    for number in range(1, 5):  # DuckDB may move rows once or twice within the file, then leaves them
        write_pair(ledger, number)
        checkpoint(ledger)
        turns.append(renewed(copies).stat().st_ino)
    written: list[int] = []
    real = os.pwrite

    def pwrite(file: int, piece: bytes, offset: int) -> int:
        written.append(len(piece))
        return real(file, piece, offset)

    monkeypatch.setattr("os.pwrite", pwrite)
    for number in (5, 6):
        write_pair(ledger, number)
        checkpoint(ledger)
        made = renewed(copies)
        assert made.stat().st_ino == turns[(number - 1) % 2], "the two files take turns"
        assert made.read_bytes() == ledger.path.read_bytes()
    assert 0 < sum(written) < ledger.path.stat().st_size / 5


def test_a_copy_that_somebody_reads_is_left_alone(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    write_pair(ledger, 1)
    checkpoint(ledger)
    first = renewed(copies)
    read = first.stat().st_ino
    with duckdb.connect() as reader:
        reader.execute(f"ATTACH '{first}' AS early (READ_ONLY)")
        for number in (2, 3, 4):
            write_pair(ledger, number)
            checkpoint(ledger)
            assert renewed(copies).stat().st_ino != read
        assert reader.execute("SELECT number FROM early.pairs").fetchall() == [(1,), (1,)]


def swap_two_equal_values(ledger: EmbeddedLedger, value: int) -> None:
    ledger.write_now(lambda cursor: cursor.execute(f"UPDATE plain SET value = {value} WHERE number IN (100, 200)"))
    checkpoint(ledger)


def test_changes_that_duckdbs_checksum_does_not_show_are_copied(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    """Two equal changes cancel out in that checksum, so it cannot tell which blocks changed."""
    ledger.write_now(lambda cursor: cursor.execute("SET force_compression = 'uncompressed'"))
    ledger.write_now(
        lambda cursor: cursor.execute("CREATE TABLE plain AS SELECT range AS number, 7 AS value FROM range(2000)")
    )
    checkpoint(ledger)
    unseen = 0
    before: dict[int, bytes] = {}
    for value in range(10, 20):
        swap_two_equal_values(ledger, value)
        made = renewed(copies)
        content = made.read_bytes()
        assert content == ledger.path.read_bytes()
        for start in range(HEADER_BYTES, len(content), BLOCK_BYTES):
            block = content[start : start + BLOCK_BYTES]
            earlier = before.get(start, block)
            unseen += earlier[:8] == block[:8] and earlier != block
            before[start] = block
        with duckdb.connect(str(made), read_only=True) as connection:
            assert connection.execute("SELECT count(*) FROM plain WHERE value = ?", [value]).fetchone() == (2,)
    assert unseen, "otherwise this shows nothing"


async def test_nothing_of_what_was_erased_stays_in_any_copy(
    ledger: EmbeddedLedger, copies: SnapshotFolder, tmp_path: Path
) -> None:
    secret = "maria.lopez@example.com " * 20_000  # too long to be compressed away
    ledger.write_now(lambda cursor: cursor.execute("CREATE TABLE said AS SELECT ? AS text", [secret]))
    for number in (1, 2, 3):
        write_pair(ledger, number)
        checkpoint(ledger)
        renewed(copies)

    def holding() -> list[str]:
        return [file.name for file in (tmp_path / "copies").iterdir() if b"maria.lopez" in file.read_bytes()]

    assert len(holding()) == 2, "both copies"
    ledger.write_now(lambda cursor: cursor.execute("DELETE FROM said"))
    checkpoint(ledger)
    renewed(copies)
    assert holding(), "a block that is free keeps what was in it, in the ledger and in the copy"
    await ledger.rewrite()
    assert b"maria.lopez" not in ledger.path.read_bytes()
    renewed(copies)
    assert holding() == []


async def test_a_ledger_that_was_written_anew_is_copied_anew(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    write_pair(ledger, 1)
    renewed(copies)
    ledger.write_now(lambda cursor: cursor.execute("DELETE FROM pairs"))
    await ledger.rewrite()
    write_pair(ledger, 2)
    assert numbers(renewed(copies)) == [2, 2]


def test_snapshots_during_writes_and_checkpoints_are_whole(ledger: EmbeddedLedger, copies: SnapshotFolder) -> None:
    """Checkpoints come between the copies."""
    written = [0]
    enough = threading.Event()

    def write() -> None:
        while not enough.is_set():
            write_pair(ledger, written[0] + 1, size=50_000)
            written[0] += 1
            if written[0] % 15 == 0:
                checkpoint(ledger)

    path = renewed(copies)
    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(15):
            before = written[0]
            path = copies.renew() or path
            found = numbers(path)
            last = max(found, default=0)
            assert found == [number for number in range(1, last + 1) for _ in range(2)], "whole transactions, in order"
            assert last >= before, "everything that was acknowledged before"
    finally:
        enough.set()
        writer.join()


def test_a_checkpoint_during_a_copy_makes_the_copy_void(
    ledger: EmbeddedLedger, copies: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_pair(ledger, 1)
    real, interrupted = file_copies.copy_whole, [1]

    def copy_whole(source: int, target: Path, length: int) -> bool:
        copied = real(source, target, length)
        if interrupted:
            interrupted.pop()
            checkpoint(ledger)
            write_pair(ledger, 2)
        return copied

    monkeypatch.setattr(snapshot, "copy_whole", copy_whole)
    assert numbers(renewed(copies)) == [1, 1, 2, 2]


def test_a_ledger_that_changes_all_the_time_is_given_up(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    asked: list[int] = []

    def ask() -> LedgerMark:
        write_pair(ledger, 1)
        checkpoint(ledger)
        asked.append(1)
        return mark_between_commits(ledger)

    copies = SnapshotFolder(ledger.path, tmp_path / "copies", ask)
    with pytest.raises(Unavailable) as caught:
        copies.renew()
    assert caught.value.reason == "LEDGER_BUSY"
    assert len(asked) == ATTEMPTS
    assert list((tmp_path / "copies").iterdir()) == []


def test_a_disk_that_cannot_share_blocks_gets_plain_copies(
    ledger: EmbeddedLedger, copies: SnapshotFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("between two file systems")

    monkeypatch.setattr("os.copy_file_range", refuse)
    write_pair(ledger, 1, size=3_000_000)
    assert numbers(renewed(copies)) == [1, 1]


def test_a_full_disk_leaves_no_half_copy(
    ledger: EmbeddedLedger, copies: SnapshotFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError("no space left")

    with monkeypatch.context() as full:
        full.setattr("os.copy_file_range", refuse)
        full.setattr("os.pwrite", refuse)
        with pytest.raises(OSError, match="no space"):
            copies.renew()
    assert list((tmp_path / "copies").iterdir()) == []
    write_pair(ledger, 1)
    assert numbers(renewed(copies)) == [1, 1]


def test_copies_leave_the_room_that_the_server_needs(ledger: EmbeddedLedger, tmp_path: Path) -> None:
    least, room = 1000, 10**12
    folder = tmp_path / "copies"

    def free(_: Path) -> int:
        return room - sum(file.stat().st_size for file in folder.iterdir())

    copies = SnapshotFolder(
        ledger.path, folder, lambda: mark_between_commits(ledger), least_free_bytes=least, free=free
    )
    write_pair(ledger, 1)
    assert numbers(renewed(copies)) == [1, 1]
    held = sum(file.stat().st_size for file in folder.iterdir())
    room = held + least - 1
    write_pair(ledger, 2)
    with pytest.raises(Overloaded):
        copies.renew()
    assert not list(folder.iterdir())
    room = 10**12
    assert numbers(renewed(copies)) == [1, 1, 2, 2]
