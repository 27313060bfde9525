"""The folder in which the Ray node of a server keeps its sockets and logs, for the user of the server alone."""

from __future__ import annotations

import fcntl
import os
import shutil
import socket
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from models.errors import InvalidInput
from models.private_files import make_private_folder, narrow_tree, open_private
from models.reasons import Reason
from ray_tasks.processes import end, users_of

NAME: Final = "ray"
LOCK: Final = "ray.lock"

LONGEST_SOCKET: Final = "session_2026-11-27_03-01-01_012871_4194304/sockets/dash_MetricsHead"
"""The longest path of a socket below Ray's folder. A path of more than 107 bytes cannot be a Unix socket."""

HANDOVER_S: Final = 3.0
"""How long the process that owned the node of a killed server may take to end it."""
POLL_S: Final = 0.05

SHORT_PARENT: Final = "/tmp"  # noqa: S108 - mkdtemp makes a private folder in it
"""Where the folder is made when the state folder's path is too long for a socket. TMPDIR may be too long as well."""


class SessionFolder:
    """A folder ``ray`` that one node uses at a time, in a folder that only its owner can enter.

    It is in the state folder. If sockets cannot be made there, because its path is too long or because it is on a file
    system without sockets, or if another server uses it, the folder is in a new private one below ``/tmp``. A lock
    tells the folders in use from those that a killed server left; the system releases it with the process.

    Args:
        state_dir: The state folder.
        installation: Id of the installation, a part of the name of a folder below ``/tmp``.
    """

    def __init__(self, state_dir: Path, installation: str) -> None:
        self._state_dir = state_dir.absolute()
        self._prefix = f"vst-{installation}-"
        self._parent = self._state_dir
        self._lock: int | None = None

    @property
    def path(self) -> Path:
        """What Ray gets as its folder."""
        return self._parent / NAME

    def open(self) -> Path:
        """Make the folder, empty; ends the processes and removes the files that killed servers of this installation
        left.

        Raises:
            InvalidInput: FOLDER_UNUSABLE, sockets can be made in neither place.
        """
        for left in self._below_tmp():
            lock = _locked(left)
            if lock is not None:
                end(users_of(left), 0.0)
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)
        make_private_folder(self._state_dir)
        if self._use(self._state_dir):
            return self.path
        temporary = Path(tempfile.mkdtemp(prefix=self._prefix, dir=SHORT_PARENT))
        if not self._use(temporary):
            shutil.rmtree(temporary)
            raise InvalidInput(
                "Ray cannot make its sockets, neither in the state folder nor in a temporary one.",
                reason=Reason.FOLDER_UNUSABLE,
                hint="Set VESTIBULE_STATE_DIR to a folder with a short path on a local disk.",
            )
        return self.path

    def narrow(self) -> None:
        """Make all files and folders private. Ray opens some of its folders to every user on purpose."""
        narrow_tree(self.path)

    def close(self, *, keep: bool) -> None:
        """Release the folder. Safe to repeat.

        Args:
            keep: Whether to leave Ray's logs there; the next start removes them.
        """
        if self._lock is None:
            return
        if not keep:
            shutil.rmtree(self.path if self._parent == self._state_dir else self._parent, ignore_errors=True)
        os.close(self._lock)
        self._lock = None

    def _use(self, parent: Path) -> bool:
        lock = _locked(parent, HANDOVER_S)
        if lock is None:
            return False
        end(users_of(parent / NAME), 0.0)
        shutil.rmtree(parent / NAME, ignore_errors=True)
        make_private_folder(parent / NAME)
        if not _takes_sockets(parent / NAME):
            os.close(lock)
            return False
        self._parent, self._lock = parent, lock
        return True

    def _below_tmp(self) -> Iterator[Path]:
        for path in Path(SHORT_PARENT).glob(f"{self._prefix}*"):
            if not path.is_symlink() and path.is_dir() and path.stat().st_uid == os.geteuid():
                yield path


def _locked(parent: Path, patience_s: float = 0.0) -> int | None:
    """The descriptor of the lock in a folder; None if it cannot be had."""
    lock = open_private(str(parent / LOCK), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    give_up_at = time.monotonic() + patience_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:  # it is held
            if time.monotonic() < give_up_at:
                time.sleep(POLL_S)
                continue
        except OSError:  # the file system has no locks
            pass
        else:
            return lock
        os.close(lock)
        return None


def _takes_sockets(folder: Path) -> bool:
    """Whether a socket with the longest name that Ray gives one can be made."""
    path = folder / ("s" * len(LONGEST_SOCKET))
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.bind(str(path))
        except OSError:
            return False
    path.unlink()
    return True
