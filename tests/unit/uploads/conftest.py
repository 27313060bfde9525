from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from server.ledger import sessions
from server.ledger.embedded import EmbeddedLedger
from server.ledger.types import SessionRow, SessionState, utc_now
from server.uploads.spool import Spool
from tests.unit.ledger.migrated import open_ledger
from tests.unit.uploads.upload_harness import UploadHarness


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    opened = open_ledger(tmp_path / "data" / "ledger.duckdb", memory_bytes=128 * 1024 * 1024)
    yield opened
    opened.close()


@pytest.fixture
def session(ledger: EmbeddedLedger) -> SessionRow:
    now = utc_now()
    row = SessionRow(str(uuid4()), "app", str(uuid4()), SessionState.STARTED, now, now, language="en")
    return ledger.write_now(lambda cursor: sessions.insert_or_get(cursor, row))[0]


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool(tmp_path / "spool", bytes(range(32)))


@pytest.fixture
def harness(ledger: EmbeddedLedger, session: SessionRow, tmp_path: Path) -> UploadHarness:
    return UploadHarness(ledger, session, tmp_path / "spool")
