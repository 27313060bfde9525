"""Waits for the uploads of a session that are still being read."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from models.errors import Overloaded
from server.ledger import uploads
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import UploadRow, UploadState
from server.records.pubsub import PubSub

_OPEN: Final = (UploadState.ACCEPTED, UploadState.PROCESSING)


def being_read(cursor: Cursor, session_id: str) -> set[str]:
    """UUIDs of the uploads of a session that are still being read."""
    return {row.id for row in uploads.list_of_session(cursor, session_id) if row.state in _OPEN}


async def wait_for_uploads(ledger: Ledger, pubsub: PubSub, session_id: str, wait_s: float) -> None:
    """Wait until every upload of a session is read or has failed, at most this long."""
    with pubsub.subscribe(session_id) as updates:
        waiting = await ledger.read(lambda cursor: being_read(cursor, session_id))
        with suppress(TimeoutError, Overloaded):
            async with asyncio.timeout(wait_s):
                while waiting:
                    update = await anext(updates)
                    if isinstance(update, UploadRow) and update.state not in _OPEN:
                        waiting.discard(update.id)
