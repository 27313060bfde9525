"""Folders of the server, for their owner only."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

from models.errors import InvalidInput
from models.reasons import Reason


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
        if not os.access(folder, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as exc:
        raise InvalidInput(
            f"The folder {folder} cannot be made or written to ({exc.strerror}).",
            reason=Reason.FOLDER_UNUSABLE,
            hint=f"Set {setting} to a folder that the user of this process may write to.",
        ) from exc


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that exists is narrowed, unless it is a shared (sticky) one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & 0o077 and not mode & stat.S_ISVTX:
        folder.chmod(0o700)
