"""An empty folder, which becomes the root of the files of a fork server. Those of killed servers are deleted.

The folder must exist while it is used: Pillow asks where it is. Its user holds a lock, which ends with the process.
"""

from __future__ import annotations

import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Final

_PREFIX: Final = "vestibule-root-"


class EmptyFolder:
    """A new folder with nothing in it, until ``delete``."""

    def __init__(self) -> None:
        _delete_unused()
        made = Path(tempfile.mkdtemp(prefix="vestibule-new-"))
        self._lock = _locked(made)
        # It has the name that others look for once it is locked, so that none of them deletes it before.
        self.path = made.rename(made.with_name(f"{_PREFIX}{made.name.removeprefix('vestibule-new-')}"))

    def delete(self) -> None:
        """Delete it, and let go of the lock."""
        with suppress(OSError):
            self.path.rmdir()
        os.close(self._lock)


def _delete_unused() -> None:
    for path in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        with suppress(OSError):  # in use, of another user, or gone
            lock = _locked(path)
            try:
                path.rmdir()
            finally:
                os.close(lock)


def _locked(path: Path) -> int:
    """A descriptor that holds the lock of a folder.

    Raises:
        OSError: Another process holds it, or the folder cannot be opened.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor
