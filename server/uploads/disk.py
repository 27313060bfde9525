"""File system helpers of the spool: errors translated into ours, and early writes to the disk."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager

from models.errors import InternalError, Overloaded, Unavailable
from models.reasons import Reason

_FULL = (errno.ENOSPC, errno.EDQUOT)


@contextmanager
def disk_errors() -> Iterator[None]:
    """Translate the errors of the operating system.

    Raises:
        Overloaded: The disk is full (``SPOOL_FULL``).
        InternalError: The file does not exist (``SPOOL_MISSING``).
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


def begin_write_back(fd: int) -> None:
    """Ask the system to start writing a file's cached pages to the disk, without waiting for it.

    Linux does so on this advice, and also drops the pages that are already written from its cache.
    """
    if hasattr(os, "posix_fadvise"):
        os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)
