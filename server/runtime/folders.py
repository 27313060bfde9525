"""The folders that the settings name."""

from __future__ import annotations

import errno
import os
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
