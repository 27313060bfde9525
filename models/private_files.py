"""Files and folders for their owner only, written durably."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path

PART = ".part"
"""Suffix of files that are still being written."""


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that exists is narrowed, unless it is a shared (sticky) one."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = folder.stat().st_mode
    if mode & 0o077 and not mode & stat.S_ISVTX:
        folder.chmod(0o700)


def narrow(path: Path) -> None:
    """Take from other users what they may do with a file or folder, where its owner and its disk allow that."""
    mode = path.stat().st_mode
    if mode & 0o077:
        with suppress(OSError):
            path.chmod(stat.S_IMODE(mode) & 0o700)


def narrow_tree(folder: Path) -> None:
    """Narrow a folder and all files and folders in it, except links. What disappears meanwhile is left out."""
    for parent, folders, files in os.walk(folder):
        for path in (Path(parent), *(Path(parent) / name for name in (*folders, *files))):
            with suppress(FileNotFoundError):
                if not path.is_symlink():
                    narrow(path)


def open_private(path: str, flags: int) -> int:
    """An ``opener`` that makes files with mode 0600."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def sync_folder(folder: Path) -> None:
    """Make a new name, a rename or a removal in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never shows half of it, durably, mode 0600.

    A file that is replaced keeps its owner, where this user may give files away: a command that root runs must not take
    a file from the user of the server.

    Raises:
        OSError: The disk refuses, or another process writes the file at the same time.
    """
    part = path.with_name(path.name + PART)
    part.unlink(missing_ok=True)  # it may be what a killed process left, or a link
    try:
        with open(part, "xb", opener=open_private) as file:
            _take_owner(file.fileno(), path)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
            if not os.path.samestat(os.fstat(file.fileno()), part.stat()):
                raise FileExistsError(errno.EEXIST, "another process writes the same file")
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)


def _take_owner(fd: int, replaced: Path) -> None:
    """Give an open file the owner and the group of the one that it replaces, where there is one and that is allowed."""
    with suppress(OSError):  # also EINVAL, in a container that does not know the owner
        old, new = replaced.lstat(), os.fstat(fd)
        if (old.st_uid, old.st_gid) != (new.st_uid, new.st_gid):
            os.fchown(fd, old.st_uid, old.st_gid)


def read_or_create(path: Path, content: bytes) -> bytes:
    """The content of a file, which is made with the given one where it is missing, durably, mode 0600.

    The folder is made too, as a private one. Several threads or processes may call this at once: the file appears
    complete or not at all, and all of them read what the first one wrote. A file that others may read is narrowed.
    """
    if not path.exists():
        make_private_folder(path.parent)
        ours = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        write_atomically(ours, content)
        try:
            with suppress(FileExistsError):
                path.hardlink_to(ours)  # unlike a rename it never replaces a file that another process just made
        finally:
            ours.unlink()
        sync_folder(path.parent)
    narrow(path)
    return path.read_bytes()
