"""Idle sessions."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

from server.ledger import sessions as rows
from server.ledger.types import SessionRow, SessionState
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input
from server.records.sessions import Sessions
from server.records.vocabulary import VocabularySealer
from tests.unit.ledger.migrated import open_ledger

IDLE_S = 1800.0


async def _start(all_of_them: Sessions, request_id: str) -> SessionRow:
    return await all_of_them.start(client_id="app", request_id=request_id, language="", vocabulary=(), variant="")


async def test_only_idle_sessions_are_ended(tmp_path: Path) -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    ledger, pubsub = open_ledger(tmp_path / "ledger.duckdb", memory_bytes=128 * 1024 * 1024), PubSub()
    all_of_them = Sessions(ledger, pubsub, VocabularySealer(bytes(32)), lambda: now)
    forgotten, busy = [await _start(all_of_them, name) for name in ("one", "two")]
    now += timedelta(seconds=IDLE_S + 1)
    with pubsub.subscribe(forgotten.id) as news:
        # Queued before the round, so not yet committed when it begins.
        _, ended = await asyncio.gather(
            ledger.write(lambda cursor: note_new_input(cursor, rows.get(cursor, busy.id), now)),
            all_of_them.abandon_idle(IDLE_S),
        )
        published = await anext(news)
    assert ended == 1
    assert isinstance(published, SessionRow)
    states = await ledger.read(lambda cursor: [rows.get(cursor, s.id).state for s in (forgotten, busy)])
    assert states == [SessionState.ABANDONED, SessionState.IN_PROGRESS]
    ledger.close()
