"""A private copy of the ledger, taken while the server writes and without holding it up.

DuckDB never overwrites a block that the header of its file refers to, and only appends to its WAL. So the file and the
first bytes of the WAL, up to the end of a commit, stay one consistent ledger until the next checkpoint writes a new
header. The server says where a commit ends (``LedgerMark``), another process copies, and the copy counts only if the
header is still the same afterwards.

Two copies of the file are kept. Readers have the newer one; after a checkpoint the older one is made equal to the
ledger by writing only the blocks that differ, and takes its place.

The server itself never opens its ledger a second time: a process that closes any descriptor of a file loses the lock
that DuckDB holds on it.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.errors import Overloaded, Unavailable
from models.private_files import make_private_folder
from models.reasons import Reason
from server.analytics.file_copies import copy_changes, copy_whole
from server.runtime.free_bytes import free_bytes

HEADER_BYTES = 3 * 4096
"""DuckDB's main header and the two that a checkpoint writes in turn, each with its number."""

BLOCK_BYTES = 256 * 1024
"""DuckDB's usual block. In a file with blocks of another size more than the changed ones is written."""

ATTEMPTS = 20
PASSES = 3
EARLIER = "earlier.duckdb"
"""Name of the copy that readers had before the last checkpoint."""


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
    """Keeps one snapshot of a ledger and an earlier one, mode 0600.

    Args:
        ledger: The DuckDB file, held by another process.
        folder: For snapshots alone. One that lies there is taken for an earlier one, whatever is in it.
        ask_mark: Gets a mark of now from the process that holds the ledger.
        least_free_bytes: What a copy must leave free on the disk.
        free: Gives the free bytes of a folder.
    """

    def __init__(
        self,
        ledger: Path,
        folder: Path,
        ask_mark: Callable[[], LedgerMark],
        *,
        least_free_bytes: int = 0,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._least_free_bytes = least_free_bytes
        self._free = free
        self._ledger = ledger
        self._folder = folder
        self._ask_mark = ask_mark
        self._numbers = itertools.count(1)
        self._last: _Copy | None = None
        self._earlier = folder / EARLIER
        make_private_folder(folder)
        self._adopt()

    def renew(self) -> Path | None:
        """Copy the ledger, if anything was committed since the last copy.

        After a checkpoint the blocks that differ from an earlier copy are copied, or the whole file if there is none
        that nobody reads. Otherwise only the WAL is. The last snapshot loses its name; who has it open can go on
        reading it.

        Returns:
            The path of the new snapshot, or None when the last one is still exact.

        Raises:
            Unavailable: LEDGER_BUSY when checkpoints came between all attempts.
            Overloaded: The disk has no room for a copy. There is none then.
            OSError: The disk refuses.
        """
        self._require_room()
        try:
            for _ in range(ATTEMPTS):
                with self._ledger.open("rb") as file:
                    header = file.read(HEADER_BYTES)
                    made = _Copy(self._folder / f"{next(self._numbers)}.duckdb", header, self._ask_mark())
                    known = self._last is not None and made.same_content(self._last)
                    done = known or self._copy(file.fileno(), made)
                    if done and os.pread(file.fileno(), HEADER_BYTES, 0) == header and self._is_still(made.mark):
                        return None if known else self._keep(made)
                self._set_aside(made)
        except OSError:
            self.clear()  # half a copy on a full disk would stay there
            raise
        self.clear()
        raise Unavailable("The ledger changes too fast to be copied.", reason=Reason.LEDGER_BUSY)

    def _require_room(self) -> None:
        """Give the copies up when the next one does not fit: what is free is for the server."""
        if self._fits():
            return
        self.clear()
        if not self._fits():
            raise Overloaded("The disk has no room for a copy of the ledger.")

    def _fits(self) -> bool:
        whole = 0 if self._last is not None or self._earlier.exists() else self._ledger.stat().st_size
        with suppress(FileNotFoundError):  # there is no WAL
            whole += _wal(self._ledger).stat().st_size
        return self._free(self._folder) >= whole + self._least_free_bytes

    def _keep(self, made: _Copy) -> Path:
        last, self._last = self._last, made
        if last is not None:
            self._set_aside(last)
        return made.path

    def _set_aside(self, copy: _Copy) -> None:
        """Let a copy be the earlier one, unless it is the file of the last one under another name."""
        shared = copy is not self._last and self._last is not None and copy.same_file(self._last)
        if copy.path.exists() and not shared:
            copy.path.replace(self._earlier)
        _remove(copy.path)

    def _adopt(self) -> None:
        """Keep one file of a process that was killed, so that the first copy need not be a whole one."""
        with suppress(FileNotFoundError):  # an erasure deletes them meanwhile
            left = sorted(self._folder.glob("*.duckdb"), key=lambda file: file.stat().st_mtime_ns)
            if left:
                left[-1].replace(self._earlier)
        for file in self._folder.iterdir():
            if file != self._earlier:
                file.unlink(missing_ok=True)

    def clear(self) -> None:
        """Delete all snapshots."""
        self._last = None
        delete_snapshots(self._folder)

    def _copy(self, file: int, new: _Copy) -> bool:
        """Make the files of a snapshot; returns False when the ledger has other files by now."""
        mark = new.mark
        if os.fstat(file).st_ino != mark.file:
            return False
        if self._last is not None and self._last.mark.file != mark.file:
            self.clear()  # the ledger was written anew, so the copies may hold what was erased from it
        if self._last is not None and self._last.same_file(new) and self._last.path.exists():
            os.link(self._last.path, new.path)
        else:
            self._copy_file(file, new.path)
        return mark.wal_bytes == 0 or self._copy_wal(new)

    def _copy_file(self, file: int, path: Path) -> None:
        length = os.fstat(file).st_size
        if copy_changes(file, self._earlier, length, HEADER_BYTES, BLOCK_BYTES):
            self._earlier.replace(path)
        else:
            copy_whole(file, path, length)

    def _copy_wal(self, new: _Copy) -> bool:
        try:
            wal = os.open(_wal(self._ledger), os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            return os.fstat(wal).st_ino == new.mark.wal and copy_whole(wal, _wal(new.path), new.mark.wal_bytes)
        finally:
            os.close(wal)

    def _is_still(self, mark: LedgerMark) -> bool:
        try:
            return self._ledger.stat().st_ino == mark.file
        except FileNotFoundError:
            return False


def delete_snapshots(folder: Path) -> None:
    """Delete what is in the folder of snapshots, if there is one.

    A process that starts meanwhile may rename a file that an earlier one left, so it is looked again.
    """
    for _ in range(PASSES):
        for file in list(folder.iterdir()) if folder.is_dir() else ():
            file.unlink(missing_ok=True)


def _remove(snapshot: Path) -> None:
    for file in (snapshot, _wal(snapshot)):
        file.unlink(missing_ok=True)


def _wal(ledger: Path) -> Path:
    return ledger.with_name(f"{ledger.name}.wal")
