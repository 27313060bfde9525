"""What the spool and its neighbours need of the file system: durable writes, private modes, its errors as ours."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from models.errors import InternalError, Overloaded, Unavailable
from models.reasons import Reason

PART = ".part"
"""Suffix of files that are still being written."""

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate what the operating system says about a file.

    Raises:
        Overloaded: The disk is full (``SPOOL_FULL``).
        InternalError: The file is not there (``SPOOL_MISSING``).
        Unavailable: Anything else (``SPOOL_FAILED``).
    """
    try:
        yield
    except FileNotFoundError as exc:
        raise InternalError("A file of the spool is missing.", reason=Reason.SPOOL_MISSING) from exc
    except OSError as exc:
        if exc.errno in _FULL:
            raise Overloaded("The disk of the spool is full.", reason=Reason.SPOOL_FULL, retry_after_s=60.0) from exc
        code = errno.errorcode.get(exc.errno or 0, "unknown")
        raise Unavailable(f"The spool cannot be used ({code}).", reason=Reason.SPOOL_FAILED) from exc


def open_private(path: str, flags: int) -> int:
    """An ``opener`` whose files only their owner can read."""
    return os.open(path, flags | os.O_CLOEXEC, 0o600)


def begin_write_back(fd: int) -> None:
    """Ask the system to begin writing what it holds of a file to the disk, without waiting for it.

    Linux does so on this advice, and also drops from its cache what is already written, which costs one read later.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)


def sync_folder(folder: Path) -> None:
    """Make a new name, a rename or a removal in a folder durable."""
    fd = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def make_private_folder(folder: Path) -> None:
    """Make a folder that only its owner can enter; one that exists is tightened."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder.stat().st_mode & 0o077:
        folder.chmod(0o700)


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that its name never shows half of it, durably, mode 0600."""
    part = path.with_name(path.name + PART)
    try:
        with open(part, "wb", opener=open_private) as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        sync_folder(path.parent)
    finally:
        part.unlink(missing_ok=True)
