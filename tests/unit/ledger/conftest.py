"""A migrated ledger in memory, and a real one in a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from server.ledger.columns import Cursor
from server.ledger.migrations import migrate
from server.ledger.writer import Ledger
from tests.unit.ledger.makers import NOW


@pytest.fixture
def cursor() -> Iterator[Cursor]:
    connection = duckdb.connect(":memory:")
    migrate(connection, lambda: NOW)
    yield connection
    connection.close()


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    opened = Ledger.open(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()
