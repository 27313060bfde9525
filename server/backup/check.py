"""Reads a backup, and finds what is wrong with it. Nothing in it is trusted."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from models.errors import InternalError, InvalidInput, VestibuleError
from models.reasons import Reason
from server.access.audit_check import ROWS_AT_A_TIME, ChainChecker, FaultKind
from server.access.audit_head import read_head
from server.backup import layout
from server.backup.files import damaged, disk_of_backup, hashed, opened_plain
from server.backup.layout import BackupKeys, FileEntry, Manifest, invalid, parsed
from server.ledger.audit import rows_after
from server.ledger.columns import Cursor
from server.ledger.copied import LedgerContents, contents, opened_copy
from server.ledger.migrate import refuse_newer
from server.runtime.keyring import key_id


@dataclass(frozen=True, slots=True)
class OpenedBackup:
    """A backup whose manifest was read.

    Attributes:
        keys: Its keys; None when none were given.
    """

    folder: Path
    manifest: Manifest
    keys: BackupKeys | None

    def problems(self, given_spool_keys: list[bytes]) -> Iterator[str]:
        """Everything that is wrong, a sentence each. Reads all files.

        What follows from a file that is wrong is not told: a ledger that was changed is not opened.

        Args:
            given_spool_keys: Keys of the spool that a setting gives.
        """
        wrong = set()
        for entry in self.manifest.files:
            if what := self._problem_of(entry):
                wrong.add(entry.path)
                yield f"{entry.path} {what}."
        if self.keys is not None:
            known = {key_id(key).hex() for key in (*self.keys.spool_keys(), *given_spool_keys)}
            lacking = [key for key in self.manifest.spool_keys if key not in known]
            yield from (f"The key {key} of the spool is not among the keys." for key in lacking)
        if layout.LEDGER not in wrong:
            yield from self._problems_of_ledger(head_is_wrong=layout.HEAD in wrong)

    def _problem_of(self, entry: FileEntry) -> str:
        """What is wrong with a file, after its name; empty when it is as the manifest says."""
        try:
            return "" if hashed(self.folder / entry.path, entry.path) == entry else "was changed"
        except FileNotFoundError:
            return "is missing"
        except OSError as error:
            return f"cannot be read ({errno.errorcode.get(error.errno or 0, 'unknown')})"
        except InternalError:
            return "is a link, or no plain file"

    def _problems_of_ledger(self, *, head_is_wrong: bool) -> Iterator[str]:
        try:
            with opened_copy(self.folder / layout.LEDGER) as cursor:
                yield from self._problems_within(cursor, head_is_wrong=head_is_wrong)
        except VestibuleError as error:
            if error.reason in _OF_NO_LEDGER:
                yield "ledger.duckdb is as the manifest says, but it is no ledger that this release can open."
            else:
                yield f"ledger.duckdb cannot be opened: {error.message}"

    def _problems_within(self, cursor: Cursor, *, head_is_wrong: bool) -> Iterator[str]:
        found = contents(cursor)
        if found.schema_number != self.manifest.schema_number:
            yield "The ledger has another schema than the manifest says."
        there = {entry.path for entry in self.manifest.files} | set(self.manifest.missing)
        yield from (f"{path} is needed, and is not in the manifest." for path in _needed(found) if path not in there)
        if self.keys is not None and found.is_newest:
            yield from self._problems_of_audit(cursor, self.keys.audit_key, head_is_wrong=head_is_wrong)

    def _problems_of_audit(self, cursor: Cursor, key: bytes, *, head_is_wrong: bool) -> Iterator[str]:
        checker = ChainChecker(key, read_head(self.folder, key))
        while batch := rows_after(cursor, checker.report.end.number, ROWS_AT_A_TIME):
            checker.feed(batch)
        report = checker.finish()
        faults = [f for f in report.faults if not (head_is_wrong and f.kind is FaultKind.HEAD_MISSING)]
        yield from (f"Audit: {fault.message}" for fault in faults)


_OF_NO_LEDGER: Final = (Reason.LEDGER_IO, Reason.LEDGER_QUERY)
"""Reasons of DuckDB's errors about a file that is none of its own, or lacks our tables. All of it was read before."""


def _needed(found: LedgerContents) -> Iterator[str]:
    yield from (f"{layout.PICTURES}/{name}" for name in sorted(found.artifacts))
    yield from (f"{layout.SPOOL}/{name}" for name in sorted(found.spool_ids))


def open_backup(folder: Path, keys_file: Path | None) -> OpenedBackup:
    """Read the manifest of a backup, and its keys if they are given.

    Raises:
        InvalidInput: BACKUP_INVALID, BACKUP_KEYS_WRONG.
        InternalError: BACKUP_DAMAGED, a path of the manifest is none of a backup, or a folder is a link.
            LEDGER_NEWER, a newer release made it.
        Unavailable: BACKUP_FAILED.
    """
    manifest = parsed(Manifest, _read(folder / layout.MANIFEST), "The manifest")
    paths = [entry.path for entry in manifest.files]
    if not all(map(layout.is_known_path, paths)) or len(set(paths)) != len(paths) or layout.LEDGER not in paths:
        raise damaged("its manifest names files that no backup has, or lacks the ledger")
    if any((folder / name).is_symlink() for name in (layout.PICTURES, layout.SPOOL)):
        raise damaged("a folder is a link")
    refuse_newer(manifest.schema_number)
    if keys_file is None:
        return OpenedBackup(folder, manifest, None)
    keys = parsed(BackupKeys, _read(keys_file), "The file of keys")
    _require_fit(manifest, keys)
    keys.spool_keys(), keys.streams_key()  # before anything is written
    return OpenedBackup(folder, manifest, keys)


def _require_fit(manifest: Manifest, keys: BackupKeys) -> None:
    if manifest.keys_id != layout.keys_id(keys.audit_key):
        raise InvalidInput(
            "These are the keys of another server.",
            reason=Reason.BACKUP_KEYS_WRONG,
            hint="Name the file that `vestibule backup --keys` made for this server.",
        )
    if not manifest.is_sealed_with(keys.audit_key):
        raise InvalidInput(
            "The manifest was changed after the backup was made.",
            reason=Reason.BACKUP_KEYS_WRONG,
            hint="Do not use this backup; take another copy of it, or another one.",
        )


def _read(path: Path) -> bytes:
    with _translated(path.name), disk_of_backup(), opened_plain(path) as file:
        content = file.read(layout.MOST_BYTES + 1)
    if len(content) > layout.MOST_BYTES:
        raise invalid(f"{path.name} is too long.")
    return content


@contextmanager
def _translated(name: str) -> Iterator[None]:
    try:
        yield
    except VestibuleError as error:
        if isinstance(error.__cause__, FileNotFoundError | NotADirectoryError):
            raise invalid(f"There is no {name}.") from None
        raise
