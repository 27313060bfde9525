"""Stores a session with a turn, an upload, a job and an event in the ledger that is given, and prints what is in it.

Usage: ``python -m tests.duckdb2.store_session FILE SESSION``
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import duckdb

from server.ledger import events, jobs, sessions, streams, turns, uploads
from server.ledger.columns import Cursor, fetch_all
from server.ledger.embedded import EmbeddedLedger
from tests.unit.ledger.makers import event, job, session, stream, turn, upload

FUNNEL = "FROM v_sessions JOIN funnel_sessions(['STARTED', 'COMPLETED']) USING (session_id)"


def _store(cursor: Cursor, session_id: str) -> None:
    sessions.insert_or_get(cursor, session(session_id))
    row = stream(session_id)
    streams.insert_stream(cursor, row)
    turns.insert_turn(cursor, turn(session_id, stream_id=row.id))
    uploads.insert_upload(cursor, upload(session_id))
    jobs.insert_job(cursor, job(session_id))
    events.append(cursor, event(session_id))


async def _main(path: Path, session_id: str) -> None:
    ledger = EmbeddedLedger.open(path)
    try:
        await ledger.write(lambda cursor: _store(cursor, session_id))
        rows = await ledger.read(lambda cursor: fetch_all(cursor, f"SELECT session_id, turns {FUNNEL} ORDER BY 1"))
    finally:
        ledger.close()
    json.dump({"duckdb": duckdb.__version__, "turns": {row["session_id"]: row["turns"] for row in rows}}, sys.stdout)


if __name__ == "__main__":
    asyncio.run(_main(Path(sys.argv[1]), sys.argv[2]))
