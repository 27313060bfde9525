"""Opens the ledger's file with the bounds that every user of it has."""

from __future__ import annotations

import stat
from pathlib import Path

import duckdb

from server.ledger.columns import Cursor

MEBIBYTE = 1024 * 1024
MEMORY_BYTES = 1024 * MEBIBYTE
TEMP_BYTES = 4096 * MEBIBYTE
THREADS = 1
"""With one, each statement runs in the thread that asks. With more, that thread spins until another one has run it.

Found in docs/evaluation/server.md, "Attacks on the port"."""


def connect(path: Path, memory_bytes: int = MEMORY_BYTES, *, alone: bool = False) -> Cursor:
    """Open the file for reading and writing; it is made for its owner only.

    Args:
        path: The DuckDB file.
        memory_bytes: Bound for everything that DuckDB does with this file.
        alone: Whether to refuse while this process has the file open. DuckDB otherwise shares what is open already,
            even after another file took its place. It refuses another configuration, so one is asked for.

    Raises:
        duckdb.Error: Another process holds the file, or the disk refuses.
        OSError: The file's mode cannot be changed.
    """
    connection = duckdb.connect(
        str(path),
        config={
            "memory_limit": f"{memory_bytes}B",
            "threads": THREADS + 1 if alone else THREADS,
            "max_temp_directory_size": f"{TEMP_BYTES}B",
        },
    )
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # DuckDB lets others read it, and the folder may be a shared one
    return connection
