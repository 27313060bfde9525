"""A cursor on a migrated ledger, and a whole ledger."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from server.ledger.columns import Cursor
from server.ledger.writer import Ledger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import migrated_file, open_ledger


@pytest.fixture
def cursor(tmp_path: Path) -> Iterator[Cursor]:
    connection = duckdb.connect(str(migrated_file(tmp_path / "cursor.duckdb")))
    yield connection
    connection.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()
