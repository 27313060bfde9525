"""Opens the ledger's file with the bounds that every user of it has."""

from __future__ import annotations

import re
import stat
from pathlib import Path
from typing import Final

import duckdb

from server.ledger.columns import DuckDb

MEBIBYTE = 1024 * 1024
MEMORY_BYTES = 1024 * MEBIBYTE
TEMP_BYTES = 4096 * MEBIBYTE
THREADS = 1
"""With one, each statement runs in the thread that asks. With more, that thread spins until another one has run it.

Found in docs/evaluation/server.md, "Attacks on the port"."""


STORAGE: Final = "v1.4.0"
"""Release of DuckDB from which on the file can be read. With DuckDB's own default, v1.0.0, each checkpoint of a ledger
with two million events turned their whole index into its earlier form: 1.7 s of CPU where this one takes 0.2 s.

Found in docs/evaluation/funnel.md, "Intake of events"."""
_STORAGE_SETTING: Final = {"storage_compatibility_version": STORAGE}


def connect(path: Path, memory_bytes: int = MEMORY_BYTES, *, alone: bool = False) -> DuckDb:
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
            **_STORAGE_SETTING,  # for a file that is made
        },
    )
    path.chmod(stat.S_IRUSR | stat.S_IWUSR)  # DuckDB lets others read it, and the folder may be a shared one
    return connection


def _release(name: str) -> list[int]:
    """The numbers of a release: of ``v1.4.0+`` 1, 4, 0."""
    return [int(number) for number in re.findall(r"\d+", name)]


def with_new_storage(connection: DuckDb, path: Path, memory_bytes: int) -> DuckDb:
    """Let the file of an earlier release take the form of ``STORAGE``; block by block, as blocks are written anew.

    A file of a later form stays as it is: DuckDB 2 gives it its own, where a person has written with it.

    Args:
        connection: The only one to the file. It is closed when it has to be.
        path: The file.
        memory_bytes: As for ``connect``.

    Returns:
        A connection to the file.

    Raises:
        duckdb.Error: The disk refuses, or another process took the file meanwhile. The ledger is as it was.
    """
    row = connection.execute(
        "SELECT tags['storage_version'] FROM duckdb_databases() WHERE database_name = current_database()"
    ).fetchone()
    if row is not None and _release(row[0]) >= _release(STORAGE):
        return connection
    connection.close()
    quoted = str(path).replace("'", "''")
    with duckdb.connect(":memory:", config={"memory_limit": f"{memory_bytes}B", "threads": THREADS}) as other:
        other.execute(f"ATTACH '{quoted}' AS ledger (STORAGE_VERSION '{STORAGE}')")
        # The new form stays only where something is written.
        other.execute("CREATE TABLE ledger.new_storage (i INTEGER)")
        other.execute("DROP TABLE ledger.new_storage")
        other.execute("CHECKPOINT ledger")
        other.execute("DETACH ledger")
    return connect(path, memory_bytes)
