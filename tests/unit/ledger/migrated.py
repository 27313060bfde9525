"""Ledgers whose migrations ran once for all tests of a process. A copy of that file opens without them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import duckdb

from server.ledger.columns import DuckDb
from server.ledger.embedded import EmbeddedLedger
from server.ledger.integrity import catalogue
from server.ledger.migrations import ALL


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="vestibule-ledger-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "ledger.duckdb"
    EmbeddedLedger.open(file).close()
    return file


def migrated_file(path: Path) -> Path:
    """Put an empty ledger of the newest schema at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(), path)
    return path


def open_ledger(path: Path, *arguments: Any, **options: Any) -> EmbeddedLedger:
    """``Ledger.open`` on a new file that needs no migration."""
    if not path.exists():
        migrated_file(path)
    return EmbeddedLedger.open(path, *arguments, **options)


_made_anew = catalogue.made_anew


@contextmanager
def newest_schema(number: int) -> Iterator[DuckDb]:
    """In the place of ``catalogue.made_anew``, which migrates for every check of a ledger."""
    if number < len(ALL):
        with _made_anew(number) as connection:
            yield connection
        return
    with duckdb.connect(_template(), read_only=True) as connection:
        yield connection
