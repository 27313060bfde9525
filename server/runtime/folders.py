"""The folders that the settings name."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import Final

from models.errors import Conflict, InvalidInput
from models.reasons import Reason

UNFINISHED_RESTORE: Final = "restore.unfinished"
"""Name of a file that is in both folders while a backup is put there."""


def refuse_unfinished_restore(*folders: Path) -> None:
    """Refuse folders that hold a part of a backup.

    Raises:
        Conflict: RESTORE_UNFINISHED.
    """
    for folder in folders:
        if (folder / UNFINISHED_RESTORE).exists():
            raise Conflict(
                f"A restore into the folder {folder} was interrupted.",
                reason=Reason.RESTORE_UNFINISHED,
                hint="Run `vestibule restore` again with the same folders: it begins anew.",
            )


def make_private_folder(folder: Path, setting: str, mark: str) -> None:
    """Make a folder that only its owner can enter; an existing one of ours that others can enter is narrowed.

    Args:
        folder: The setting's value, or a folder below it.
        setting: Variable that names it, for the hint.
        mark: Name of a file that every server makes in it. A folder with other files alone is not ours: narrowing it
            could take them from other users.

    Raises:
        InvalidInput: FOLDER_UNUSABLE as ``make_folder``; FOLDER_SHARED, others can enter it and it may not be narrowed.
    """
    make_folder(folder, setting)
    if _is_to_be_narrowed(folder, setting, mark):
        folder.chmod(stat.S_IMODE(folder.stat().st_mode) & 0o700)


def check_private_folder(folder: Path, setting: str, mark: str) -> bool:
    """Check what ``make_private_folder`` would find, without changing anything.

    Returns:
        Whether it would narrow the folder.

    Raises:
        InvalidInput: As ``make_private_folder``.
    """
    check_folder(folder, setting)
    return folder.exists() and _is_to_be_narrowed(folder, setting, mark)


def _is_to_be_narrowed(folder: Path, setting: str, mark: str) -> bool:
    """Whether others can enter an existing folder.

    Raises:
        InvalidInput: FOLDER_SHARED, they can, and it may not be narrowed.
    """
    found = folder.stat()
    if not found.st_mode & 0o077:
        return False
    ours = found.st_uid == os.geteuid() and ((folder / mark).exists() or not any(folder.iterdir()))
    if not ours or found.st_mode & stat.S_ISVTX:
        raise InvalidInput(
            f"Other users can enter the folder {folder}.",
            reason=Reason.FOLDER_SHARED,
            hint=f"Set {setting} to a folder below it. The server makes that one for its own user alone.",
        )
    return True


def make_folder(folder: Path, setting: str) -> None:
    """Make a folder for its owner only, and check that it can be written to; an existing one keeps its mode.

    Args:
        folder: The setting's value, or a folder below it.
        setting: Variable that names it, for the hint.

    Raises:
        InvalidInput: FOLDER_UNUSABLE, it cannot be made, is no folder, or cannot be written to.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_writable(folder)
    except OSError as exc:
        raise _unusable(folder, setting, exc) from exc


def check_folder(folder: Path, setting: str) -> None:
    """Check that ``make_folder`` would succeed, without making anything.

    Raises:
        InvalidInput: FOLDER_UNUSABLE.
    """
    try:
        _require_writable(nearest_existing(folder))
    except OSError as exc:
        raise _unusable(folder, setting, exc) from exc


def nearest_existing(path: Path) -> Path:
    """The path itself, or the nearest one above it that exists."""
    return next(each for each in (path, *path.absolute().parents) if each.exists())


def _require_writable(folder: Path) -> None:
    if not folder.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR))
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))


def _unusable(folder: Path, setting: str, exc: OSError) -> InvalidInput:
    return InvalidInput(
        f"The folder {folder} cannot be made or written to ({exc.strerror}).",
        reason=Reason.FOLDER_UNUSABLE,
        hint=f"Set {setting} to a folder that the user of this process may write to.",
    )
