"""Locks of files between processes, and between machines that share a folder (flock)."""

from __future__ import annotations

import errno
import fcntl
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Final

from models.errors import InvalidInput
from models.reasons import Reason

_NO_LOCKS: Final = (errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOSYS, errno.EINVAL)


def locked(file: IO[bytes]) -> bool:
    """Lock a file until it is closed; returns whether nobody else has it locked.

    Where the file system has no locks, it counts as locked: ``require_locks`` refuses such a one where it matters.
    """
    try:
        fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
    return True


def require_locks(folder: Path, setting: str) -> None:
    """Refuse a folder for several servers whose file system has no locks.

    Args:
        folder: It exists.
        setting: Variable that names it, for the hint.

    Raises:
        InvalidInput: FOLDER_UNUSABLE.
    """
    with TemporaryFile(dir=folder) as file:
        try:
            fcntl.flock(file.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            code = errno.errorcode.get(error.errno or 0, "unknown")
            raise InvalidInput(
                f"The file system of {folder} has no locks ({code}).",
                reason=Reason.FOLDER_UNUSABLE,
                hint=f"Set {setting} to a folder on one that has, such as NFS 4.",
            ) from None
