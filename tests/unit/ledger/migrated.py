"""Ledgers whose migrations ran once for all tests of a process. A copy of that file opens without them."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from server.ledger.writer import Ledger


@cache
def _template() -> Path:
    folder = tempfile.mkdtemp(prefix="vestibule-ledger-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    file = Path(folder) / "ledger.duckdb"
    Ledger.open(file).close()
    return file


def migrated_file(path: Path) -> Path:
    """Put an empty ledger of the newest schema at ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(_template(), path)
    return path


def open_ledger(path: Path, *arguments: Any, **options: Any) -> Ledger:
    """``Ledger.open`` on a new file that needs no migration."""
    if not path.exists():
        migrated_file(path)
    return Ledger.open(path, *arguments, **options)
