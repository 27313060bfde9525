"""Copies files with their hash. Links and anything else that is no plain file are refused."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Final

from models.errors import InternalError, Unavailable
from models.private_files import open_private
from models.reasons import Reason
from server.backup.layout import FileEntry

_PIECE_BYTES: Final = 1024 * 1024
_FULL: Final = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@contextmanager
def disk_of_backup() -> Iterator[None]:
    """Translate the errors of the operating system.

    Raises:
        Unavailable: BACKUP_FAILED.
    """
    try:
        yield
    except OSError as exc:
        code = errno.errorcode.get(exc.errno or 0, "unknown")
        full = exc.errno in _FULL
        raise Unavailable(
            "The disk is full." if full else f"A file or folder cannot be used ({code}).",
            reason=Reason.BACKUP_FAILED,
            hint="Nothing was kept. "
            + ("Make room, or name a folder on another disk." if full else "Check the folders and who may use them."),
        ) from exc


@contextmanager
def opened_plain(path: Path) -> Iterator[BinaryIO]:
    """Open a plain file for reading.

    Raises:
        FileNotFoundError: There is none.
        InternalError: BACKUP_DAMAGED, it is a link, or no plain file.
    """
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as exc:
        if exc.errno == errno.ELOOP:
            raise damaged("a file is a link") from exc
        raise
    with os.fdopen(file, "rb", buffering=0) as opened:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise damaged("something is no plain file")
        yield opened


def copy_hashed(source: Path, target: Path, path: str) -> FileEntry:
    """Copy a file durably, mode 0600; returns its line of the manifest.

    Raises:
        FileNotFoundError: There is none.
        OSError: A disk refuses.
    """
    digest, size_bytes = hashlib.sha256(), 0
    with opened_plain(source) as file, open(target, "xb", opener=open_private) as copy:
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
            copy.write(piece)
        copy.flush()
        os.fsync(copy.fileno())
    return FileEntry(path=path, size_bytes=size_bytes, sha256=digest.hexdigest())


def hashed(source: Path, path: str) -> FileEntry:
    """The line of the manifest for a file.

    Raises:
        FileNotFoundError: There is none.
        OSError: The disk refuses.
    """
    with opened_plain(source) as file:
        digest, size_bytes = hashlib.sha256(), 0
        while piece := file.read(_PIECE_BYTES):
            digest.update(piece)
            size_bytes += len(piece)
    return FileEntry(path=path, size_bytes=size_bytes, sha256=digest.hexdigest())


def remove_tree(folder: Path) -> None:
    """Delete a folder with all that is in it, as far as that is possible."""
    with suppress(FileNotFoundError):
        shutil.rmtree(folder)


def damaged(what: str) -> InternalError:
    """The error for a backup that is not as its manifest says; ``what`` is a fixed phrase."""
    return InternalError(
        f"The backup is damaged: {what}.",
        reason=Reason.BACKUP_DAMAGED,
        hint="Take another copy of it, or another backup. `vestibule restore --check` lists what is wrong.",
    )
