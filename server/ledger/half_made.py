"""A file that DuckDB began to make and whose header it did not finish: the disk was full, or the process was killed."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from server.ledger.file_lock import locked
from server.observability.log import get_logger

log = get_logger("ledger")

_HEADER_BYTES: Final = 3 * 4096
"""DuckDB writes its main header and two that checkpoints write in turn before anything else."""
_MAGIC: Final = b"DUCK"
_MAGIC_AT: Final = 8
"""Where the main header has the word by which DuckDB knows its files."""


def delete_half_made(path: Path) -> None:
    """Delete a file of DuckDB that is shorter than its header: it holds nothing, and could not be opened again.

    A link, a longer file, one that DuckDB did not begin, one that another process has open and one with a WAL stay:
    DuckDB writes a WAL only beside a whole header, so such a file was cut short later.
    """
    with suppress(OSError), locked(path) as fd:
        found = os.fstat(fd)
        short = stat.S_ISREG(found.st_mode) and found.st_size < _HEADER_BYTES
        begun = _MAGIC.startswith(os.pread(fd, len(_MAGIC), _MAGIC_AT))  # an empty file, too
        has_wal = path.with_name(f"{path.name}.wal").exists()
        if short and begun and not has_wal and os.path.samestat(found, path.lstat()):
            path.unlink()
            log.warning("half_made_ledger_deleted", bytes=found.st_size)
