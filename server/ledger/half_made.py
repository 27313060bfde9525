"""A file that DuckDB began to make and could not write the header of, such as on a full disk."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_HEADER_BYTES: Final = 3 * 4096
"""DuckDB writes its main header and two that checkpoints write in turn before anything else."""


def delete_half_made(path: Path) -> None:
    """Delete a file that is shorter than a header: it holds nothing, and could not be opened again.

    A link, a longer file, and one that another process has open stay.
    """
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock that DuckDB takes, too
            found = os.fstat(fd)
            short = stat.S_ISREG(found.st_mode) and found.st_size < _HEADER_BYTES
            if short and os.path.samestat(found, path.lstat()):
                path.unlink()
        finally:
            os.close(fd)
