"""Reads a ledger without changing it, and goes on after an error that makes DuckDB refuse everything."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeVar

import duckdb

from server.ledger.columns import DuckDb
from server.ledger.connection import MEMORY_BYTES, THREADS

T = TypeVar("T")

_ANSWERED: Final = (duckdb.BinderException, duckdb.CatalogException, duckdb.ParserException)
"""Errors about a statement. The file is as good as before."""


class Reader:
    """A connection to the file that changes nothing.

    Args:
        path: The DuckDB file. Its write-ahead log is read with it, and stays.
        memory_bytes: Bound for what DuckDB uses.

    Raises:
        duckdb.Error: The file cannot be opened.
    """

    def __init__(self, path: Path, memory_bytes: int = MEMORY_BYTES) -> None:
        self._path = path
        self._config: dict[str, str | bool | int | float | list[str]] = {
            "memory_limit": f"{memory_bytes}B",
            "threads": THREADS,
        }
        self._connection = self._opened()

    def run(self, work: Callable[[DuckDb], T]) -> T:
        """Do something with the connection. After an error it is opened again.

        Raises:
            duckdb.Error: DuckDB refused. Its message may quote content.
        """
        try:
            return work(self._connection)
        except _ANSWERED:
            raise
        except duckdb.Error:
            self.close()
            with suppress(duckdb.Error):
                self._connection = self._opened()
            raise

    def close(self) -> None:
        """Let the file go."""
        with suppress(duckdb.Error):
            self._connection.close()

    def _opened(self) -> DuckDb:
        return duckdb.connect(str(self._path), read_only=True, config=self._config)
