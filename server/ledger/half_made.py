"""A file that DuckDB began to make and whose header it did not finish: the disk was full, or the process was killed."""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

_HEADER_BYTES: Final = 3 * 4096
"""DuckDB writes its main header and two that checkpoints write in turn before anything else."""
_MAGIC: Final = b"DUCK"
_MAGIC_AT: Final = 8
"""Where the main header has the word by which DuckDB knows its files."""


def delete_half_made(path: Path) -> bool:
    """Delete a file of DuckDB that is shorter than its header: it holds nothing, and could not be opened again.

    A link, a longer file, one that DuckDB did not begin, and one that another process has open stay.

    Returns:
        Whether it was deleted.
    """
    with suppress(OSError):
        fd = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            fcntl.lockf(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)  # the lock that DuckDB takes, too
            found = os.fstat(fd)
            short = stat.S_ISREG(found.st_mode) and found.st_size < _HEADER_BYTES
            begun = _MAGIC.startswith(os.pread(fd, len(_MAGIC), _MAGIC_AT))  # an empty file, too
            if short and begun and os.path.samestat(found, path.lstat()):
                path.unlink()
                return True
        finally:
            os.close(fd)
    return False
