"""A private copy of the ledger, taken while the server writes and without holding it up.

DuckDB never overwrites a block that the header of its file refers to, and only appends to its WAL. So the file and the
first bytes of the WAL, up to the end of a commit, stay one consistent ledger until the next checkpoint writes a new
header. The server says where a commit ends (``LedgerMark``), another process copies, and the copy counts only if the
header is still the same afterwards.

The server itself never opens its ledger a second time: a process that closes any descriptor of a file loses the lock
that DuckDB holds on it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from models.errors import Unavailable
from models.private_files import make_private_folder, open_private
from models.reasons import Reason

HEADER_BYTES = 3 * 4096
"""DuckDB's main header and the two that a checkpoint writes in turn, each with its number."""

ATTEMPTS = 20
_PIECE_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class LedgerMark:
    """The files of the ledger between two commits.

    Attributes:
        file: Inode of the DuckDB file.
        wal: Inode of the WAL; 0 when there is none.
        wal_bytes: Its length, which is the end of the last commit.
    """

    file: int
    wal: int
    wal_bytes: int


def mark_of(ledger: Path) -> LedgerMark:
    """Look at the files without opening them. To be called between two commits."""
    file = ledger.stat()
    try:
        wal = _wal(ledger).stat()
    except FileNotFoundError:
        return LedgerMark(file.st_ino, 0, 0)
    return LedgerMark(file.st_ino, wal.st_ino, wal.st_size)


@dataclass(frozen=True, slots=True)
class _Copy:
    path: Path
    header: bytes
    mark: LedgerMark

    def same_file(self, other: _Copy) -> bool:
        """Whether no checkpoint lies between the two."""
        return (self.header, self.mark.file) == (other.header, other.mark.file)

    def same_content(self, other: _Copy) -> bool:
        """Whether no commit lies between the two either."""
        return (self.header, self.mark) == (other.header, other.mark)


class SnapshotFolder:
    """Keeps one snapshot of a ledger, mode 0600.

    Args:
        ledger: The DuckDB file, held by another process.
        folder: For the snapshot alone; what lies there is deleted.
        ask_mark: Gets a mark of now from the process that holds the ledger.
    """

    def __init__(self, ledger: Path, folder: Path, ask_mark: Callable[[], LedgerMark]) -> None:
        self._ledger = ledger
        self._folder = folder
        self._ask_mark = ask_mark
        self._numbers = itertools.count(1)
        self._last: _Copy | None = None
        make_private_folder(folder)
        self.clear()

    def renew(self) -> Path | None:
        """Copy the ledger, if anything was committed since the last copy.

        After a checkpoint the whole file is copied, otherwise only the WAL. The earlier snapshot loses its name; who
        has it open can go on reading it.

        Returns:
            The path of the new snapshot, or None when the last one is still exact.

        Raises:
            Unavailable: LEDGER_BUSY when checkpoints came between all attempts.
            OSError: The disk refuses.
        """
        try:
            for _ in range(ATTEMPTS):
                with self._ledger.open("rb") as file:
                    header = file.read(HEADER_BYTES)
                    made = _Copy(self._folder / f"{next(self._numbers)}.duckdb", header, self._ask_mark())
                    known = self._last is not None and made.same_content(self._last)
                    done = known or self._copy(file.fileno(), made)
                    if done and os.pread(file.fileno(), HEADER_BYTES, 0) == header and self._is_still(made.mark):
                        return None if known else self._keep(made)
                _remove(made.path)
        except OSError:
            self.clear()  # half a copy on a full disk would stay there
            raise
        self.clear()
        raise Unavailable("The ledger changes too fast to be copied.", reason=Reason.LEDGER_BUSY)

    def _keep(self, made: _Copy) -> Path:
        if self._last is not None:
            _remove(self._last.path)
        self._last = made
        return made.path

    def clear(self) -> None:
        """Delete the snapshot, and what an earlier process left."""
        self._last = None
        delete_snapshots(self._folder)

    def _copy(self, file: int, new: _Copy) -> bool:
        """Make the files of a snapshot; returns False when the ledger has other files by now."""
        mark = new.mark
        if os.fstat(file).st_ino != mark.file:
            return False
        if self._last is not None and self._last.same_file(new) and self._last.path.exists():
            os.link(self._last.path, new.path)
        else:
            _copy_bytes(file, new.path, os.fstat(file).st_size)
        return mark.wal_bytes == 0 or self._copy_wal(new)

    def _copy_wal(self, new: _Copy) -> bool:
        try:
            wal = os.open(_wal(self._ledger), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return os.fstat(wal).st_ino == new.mark.wal and _copy_bytes(wal, _wal(new.path), new.mark.wal_bytes)
        finally:
            os.close(wal)

    def _is_still(self, mark: LedgerMark) -> bool:
        try:
            return self._ledger.stat().st_ino == mark.file
        except FileNotFoundError:
            return False


def delete_snapshots(folder: Path) -> None:
    """Delete what is in the folder of snapshots, if there is one."""
    if folder.is_dir():
        for file in folder.iterdir():
            file.unlink(missing_ok=True)


def _remove(snapshot: Path) -> None:
    for file in (snapshot, _wal(snapshot)):
        file.unlink(missing_ok=True)


def _wal(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.wal")


def _copy_bytes(source: int, target: Path, length: int) -> bool:
    """Copy the first bytes of a file, sharing its blocks where the disk can; returns False when there are fewer."""
    copied = 0
    with open(target, "wb", opener=open_private) as file:
        while copied < length:
            step = _copy_piece(source, file.fileno(), copied, min(length - copied, _PIECE_BYTES))
            if step == 0:
                return False
            copied += step
    return True


def _copy_piece(source: int, target: int, offset: int, length: int) -> int:
    if hasattr(os, "copy_file_range"):
        try:
            return os.copy_file_range(source, target, length, offset, offset)
        except OSError:
            pass  # between two file systems, or one that lacks it
    return os.pwrite(target, os.pread(source, min(length, 1024 * 1024), offset), offset)
