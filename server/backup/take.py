"""Makes a backup, beside a running server or of a stopped one. It appears whole under its name, or not at all."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from io import BufferedWriter
from pathlib import Path
from typing import Final

from models.amounts import size_text
from models.errors import Conflict, NotFound, Unavailable
from models.private_files import PART, open_private, sync_folder
from models.reasons import Reason
from server.analytics.snapshot import HEADER_BYTES, LedgerMark, SnapshotFolder, mark_of
from server.backup import layout
from server.backup.files import copy_hashed, disk_of_backup, hashed, remove_tree
from server.backup.layout import FileEntry, Manifest
from server.backup.sources import ServerFiles
from server.ledger.copied import LedgerContents, contents, fold_wal, opened_copy
from server.runtime.free_bytes import free_bytes
from server.uploads.encrypted_frames import HEADER_BYTES as SPOOL_HEADER_BYTES
from server.uploads.encrypted_frames import key_id_of

_COPIES: Final = "ledger"
"""Folder within an unfinished backup in which the ledger is copied."""


@dataclass(frozen=True, slots=True)
class StoppedLedger:
    """Marks the ledger of a server that does not run, and finds out when it does after all."""

    ledger: Path
    before: tuple[LedgerMark, bytes]

    @staticmethod
    def of(ledger: Path) -> StoppedLedger:
        """The ledger as it is now."""
        return StoppedLedger(ledger, _state_of(ledger))

    def mark(self) -> LedgerMark:
        """The mark of now.

        Raises:
            Unavailable: LEDGER_LOCKED, somebody wrote to the ledger meanwhile.
        """
        if _state_of(self.ledger) != self.before:
            raise server_works()
        return self.before[0]


def server_works() -> Unavailable:
    """The error for files that are not those of a stopped server."""
    return Unavailable(
        "A server works on these files.",
        reason=Reason.LEDGER_LOCKED,
        hint="Leave --data-dir out, and set VESTIBULE_DATA_DIR and VESTIBULE_STATE_DIR to its folders. If the server "
        "starts just now, try again.",
    )


def _state_of(ledger: Path) -> tuple[LedgerMark, bytes]:
    with ledger.open("rb") as file:
        return mark_of(ledger), file.read(HEADER_BYTES)


class BackupWriter:
    """Makes one backup.

    Args:
        files: Of the server.
        ask_mark: Gives a mark of the ledger as it is now, and raises when the files are not held any more.
        target: The folder of the backup; it must not exist.
        keys_file: Where the keys go, which must not exist; None for no keys.
        build: Version of this release.
        least_free_bytes: What the backup must leave free on the disk of the server.
        free: Gives the free bytes of a folder.
    """

    def __init__(
        self,
        files: ServerFiles,
        ask_mark: Callable[[], LedgerMark],
        target: Path,
        keys_file: Path | None,
        build: str,
        *,
        least_free_bytes: int = 0,
        free: Callable[[Path], int] = free_bytes,
    ) -> None:
        self._files = files
        self._ask_mark = ask_mark
        self._target = target
        self._part = target.with_name(target.name + PART)
        self._keys_file = keys_file
        self._build = build
        self._least_free_bytes = least_free_bytes
        self._free = free

    def write(self, now: datetime) -> Manifest:
        """Make it; returns its manifest. What failed leaves nothing but the folders above it.

        Raises:
            Conflict: BACKUP_EXISTS.
            Unavailable: BACKUP_FAILED, or the ledger cannot be copied.
            VestibuleError: The ledger or a key cannot be read.
        """
        self._require_new()
        with disk_of_backup(), ExitStack() as undo:
            for path in filter(None, (self._part, self._keys_file)):
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._part.mkdir(mode=0o700)
            undo.callback(remove_tree, self._part)
            manifest = self._fill(now)
            if self._keys_file is not None:
                self._write_keys(self._keys_file, now, undo)
            self._part.replace(self._target)  # it does not exist, or is an empty folder
            undo.callback(remove_tree, self._target)
            sync_folder(self._target.parent)
            undo.pop_all()
        return manifest

    def _require_new(self) -> None:
        inside = self._keys_file is not None and self._target.absolute() in self._keys_file.absolute().parents
        if inside:
            raise Conflict(
                "The keys would be in the backup.",
                reason=Reason.BACKUP_EXISTS,
                hint="Name a file elsewhere with --keys: who finds the backup must not find its keys.",
            )
        if self._part.exists() or self._part.is_symlink():
            raise Conflict(
                f"There is {self._part.name}: another backup is being made, or was killed.",
                reason=Reason.BACKUP_EXISTS,
                hint="If none is being made, delete that folder.",
            )
        empty = self._target.is_dir() and not self._target.is_symlink() and not any(self._target.iterdir())
        for path, there in ((self._target, not empty and _is_there(self._target)), (self._keys_file, None)):
            if path is not None and (_is_there(path) if there is None else there):
                raise Conflict(f"{path.name} exists already.", reason=Reason.BACKUP_EXISTS, hint="Name another one.")

    def _fill(self, now: datetime) -> Manifest:
        # The end of the audit first: the ledger may have more rows than it, and never fewer.
        entries = [*self._copied(layout.HEAD), self._copy_ledger()]
        with opened_copy(self._part / layout.LEDGER) as cursor:
            found = contents(cursor)
        copied, missing = self._copy_files(found)
        self._ask_mark()
        manifest = Manifest(
            build=self._build,
            create_time=now,
            schema_number=found.schema_number,
            files=tuple(entries + copied),
            missing=tuple(missing),
            spool_keys=tuple(sorted(self._spool_keys(copied))),
        )
        audit_key = self._files.read_audit_key()
        if audit_key is not None:
            manifest = manifest.sealed(audit_key)
        with open(self._part / layout.MANIFEST, "xb", opener=open_private) as file:
            _write(file, manifest.model_dump_json(indent=1).encode() + b"\n")
        for folder in (layout.PICTURES, layout.SPOOL):
            sync_folder(self._part / folder)
        sync_folder(self._part)
        return manifest

    def _copy_ledger(self) -> FileEntry:
        ledger = self._files.ledger
        if not ledger.exists() or self._ask_mark().file != ledger.stat().st_ino:
            raise NotFound(
                f"The server has another ledger than the one in {ledger.parent}.",
                reason=Reason.LEDGER_NOT_FOUND,
                hint="Set VESTIBULE_DATA_DIR and VESTIBULE_STATE_DIR to the folders of the server.",
            )
        copies = self._part / _COPIES
        folder = SnapshotFolder(ledger, copies, self._ask_mark, least_free_bytes=self._margin_bytes, free=self._free)
        copy = folder.renew()
        assert copy is not None, "the first one is never known"
        fold_wal(copy)
        target = self._part / layout.LEDGER
        copy.replace(target)
        remove_tree(copies)
        with target.open("rb") as file:
            os.fsync(file.fileno())
        return hashed(target, layout.LEDGER)

    def _copy_files(self, found: LedgerContents) -> tuple[list[FileEntry], list[str]]:
        """Copy what the ledger refers to; also returns what is gone. A stream may have no log yet."""
        for folder in (layout.PICTURES, layout.SPOOL):
            (self._part / folder).mkdir(mode=0o700)
        needed = [f"{layout.PICTURES}/{name}" for name in sorted(found.artifacts)]
        needed += [f"{layout.SPOOL}/{name}" for name in sorted(found.spool_ids)]
        logs = [f"{layout.SPOOL}/{name}.log" for name in sorted(found.stream_ids)]
        self._require_room([*needed, *logs])
        entries, missing = [], []
        for path in needed:
            copied = list(self._copied(path))
            entries += copied
            missing += [] if copied else [path]
        for path in logs:
            entries += self._copied(path)
        return entries, missing

    def _copied(self, path: str) -> Iterator[FileEntry]:
        """Copy a file, if there is one."""
        if layout.is_known_path(path):
            try:
                entry = copy_hashed(self._files.place_of(path), self._part / path, path)
            except FileNotFoundError:
                return  # if it went because the files are not held any more, the last mark says so
            yield entry

    def _require_room(self, paths: list[str]) -> None:
        places = [self._files.place_of(path) for path in paths if layout.is_known_path(path)]
        needed_bytes = sum(_size_bytes(place) for place in places)
        if self._free(self._part) < needed_bytes + self._margin_bytes:
            raise Unavailable(
                f"The disk has no room for {size_text(needed_bytes)} more.",
                reason=Reason.BACKUP_FAILED,
                hint="Nothing was kept. Make room, or name a folder on another disk.",
            )

    @property
    def _margin_bytes(self) -> int:
        """What must stay free, because the server writes to the same disk."""
        disk = self._part.stat().st_dev
        own = disk in {self._files.ledger.stat().st_dev, self._files.state_dir.stat().st_dev}
        return self._least_free_bytes if own else 0

    def _spool_keys(self, entries: list[FileEntry]) -> set[str]:
        found = set()
        for entry in entries:
            if entry.path.startswith(f"{layout.SPOOL}/"):
                with (self._part / entry.path).open("rb") as file:
                    key = key_id_of(file.read(SPOOL_HEADER_BYTES))
                found |= {key.hex()} if key and any(key) else set()
        return found

    def _write_keys(self, path: Path, now: datetime, undo: ExitStack) -> None:
        content = self._files.read_keys(now).model_dump_json(indent=1).encode() + b"\n"
        with open(path, "xb", opener=open_private) as file:
            undo.callback(path.unlink, missing_ok=True)
            _write(file, content)
        sync_folder(path.parent)


def _write(file: BufferedWriter, content: bytes) -> None:
    file.write(content)
    file.flush()
    os.fsync(file.fileno())


def _size_bytes(place: Path) -> int:
    try:
        return place.stat().st_size
    except FileNotFoundError:
        return 0


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()
