"""Puts a backup into two empty folders, from which a server can start. It is whole there, or not there.

Both folders have a mark while it is being done. A server and the commands refuse folders with it, and another restore
into them begins anew.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from models.errors import Conflict
from models.private_files import make_private_folder, sync_folder
from models.reasons import Reason
from server.backup.check import OpenedBackup
from server.backup.files import copy_hashed, damaged, disk_of_backup, remove_tree
from server.backup.sources import ServerFiles
from server.runtime.folders import UNFINISHED_RESTORE


def install(backup: OpenedBackup, files: ServerFiles, finish: Callable[[], None] = lambda: None) -> None:
    """Copy everything, comparing each file with the manifest, and the keys if there are some.

    Args:
        backup: What to copy.
        files: Where it goes.
        finish: Called when everything is there, and before a server may start from it. If it raises, the folders are
            empty again.

    Raises:
        Conflict: RESTORE_NOT_EMPTY.
        InternalError: BACKUP_DAMAGED; the folders are empty again.
        Unavailable: BACKUP_FAILED; so they are here.
    """
    folders = (files.data_dir, files.state_dir)
    _require_apart(*folders)
    with disk_of_backup():
        unfinished = [(folder / UNFINISHED_RESTORE).exists() for folder in folders]
        for folder, begun in zip(folders, unfinished, strict=True):
            if not begun and folder.exists() and any(folder.iterdir()):
                raise _not_empty(folder)
        for folder in folders:
            make_private_folder(folder)
            (folder / UNFINISHED_RESTORE).touch(mode=0o600)
            sync_folder(folder)
        try:
            for folder in folders:
                _empty(folder)
            _fill(backup, files)
            finish()
            for folder in folders:
                (folder / UNFINISHED_RESTORE).unlink()
                sync_folder(folder)
        except BaseException:
            for folder in folders:
                _empty(folder)
                (folder / UNFINISHED_RESTORE).unlink(missing_ok=True)
            raise


def _fill(backup: OpenedBackup, files: ServerFiles) -> None:
    for folder in (files.pictures, files.spool):
        make_private_folder(folder)
    for entry in backup.manifest.files:
        target = files.place_of(entry.path)
        try:
            copied = copy_hashed(backup.folder / entry.path, target, entry.path)
        except FileNotFoundError:
            raise damaged("a file is missing") from None
        if copied != entry:
            raise damaged("a file was changed")
    if backup.keys is not None:
        files.write_keys(backup.keys)
    for folder in (files.pictures, files.spool, files.data_dir, files.state_dir):
        sync_folder(folder)


def _empty(folder: Path) -> None:
    """Delete everything in a folder but the mark. All of it was put there by a restore."""
    for path in folder.iterdir():
        if path.name == UNFINISHED_RESTORE:
            continue
        if path.is_dir() and not path.is_symlink():
            remove_tree(path)
        else:
            path.unlink()


def _require_apart(data: Path, state: Path) -> None:
    first, second = data.resolve(), state.resolve()
    if first == second or first in second.parents or second in first.parents:
        raise Conflict(
            "The two folders are the same, or one is in the other.",
            reason=Reason.RESTORE_NOT_EMPTY,
            hint="Name two folders beside each other with --data-dir and --state-dir.",
        )


def _not_empty(folder: Path) -> Conflict:
    return Conflict(
        f"The folder {folder} is not empty.",
        reason=Reason.RESTORE_NOT_EMPTY,
        hint="Nothing was changed. Name folders that are empty or do not exist with --data-dir and --state-dir.",
    )
