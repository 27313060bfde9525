from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.unit.streaming.stream_harness import StreamHarness


@pytest.fixture
async def harness(tmp_path: Path) -> AsyncIterator[StreamHarness]:
    built = StreamHarness(tmp_path)
    yield built
    built.ledger.close()
