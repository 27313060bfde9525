"""What an upload asks of the ledger: DuckDB plans each statement anew, so their number is what they cost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, TypeVar

import pytest

from server.access.caller import Caller, Scope, acting_as
from server.ledger import job_order
from tests.unit.access.two_clients import Statements
from tests.unit.uploads.upload_harness import UploadHarness

T = TypeVar("T")

FACTS, QUOTA, RECORD, PARTICIPANT = 4, 3, 7, 2


async def test_an_upload_needs_few_statements(harness: UploadHarness, monkeypatch: pytest.MonkeyPatch) -> None:
    # Other tests of this process may have stored jobs with later times; then one more statement keeps the order.
    monkeypatch.setattr(job_order._Newest, "time", datetime.min.replace(tzinfo=UTC))
    with acting_as(Caller("key:app", harness.session.client_id, frozenset({Scope.APP}))):
        await harness.accept()  # the first one moves the session on, and makes its client a participant
        noted: list[str] = []
        for name in ("read", "write"):
            whole = getattr(harness.ledger, name)

            async def noting(fn: Callable[[Any], T], whole: Any = whole) -> T:
                found: T = await whole(lambda cursor: fn(Statements(cursor, noted)))
                return found

            monkeypatch.setattr(harness.ledger, name, noting)
        await harness.accept()
    assert len(noted) == FACTS + QUOTA + RECORD + PARTICIPANT, noted


async def test_statements_run_in_the_thread_that_asks(harness: UploadHarness) -> None:
    """With more threads the asking one spins until another has run the statement."""
    [threads] = await harness.ledger.read(lambda cursor: cursor.execute("SELECT current_setting('threads')").fetchall())
    assert threads == (1,)
