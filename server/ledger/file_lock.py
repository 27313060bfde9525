"""The lock that DuckDB takes on its file."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def locked(path: Path) -> Iterator[int]:
    """Keep other processes from opening a file of DuckDB; yields its descriptor. Nothing is written.

    This process must not have the file open: DuckDB would lose its lock at the end.

    Raises:
        BlockingIOError: Another process has it open.
        OSError: It is not there, is a link, or cannot be locked.
    """
    fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield fd
    finally:
        os.close(fd)
