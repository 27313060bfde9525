from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import NOW
from tests.unit.ledger.migrated import open_ledger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", lambda: NOW)
    yield opened
    opened.close()
