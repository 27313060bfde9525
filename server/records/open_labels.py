"""Waits for the labels of pictures that were read just now."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from models.errors import Overloaded
from server.ledger import jobs
from server.ledger.transactional import Ledger
from server.ledger.types import UploadRow
from server.records.pubsub import PubSub

LABEL_PICTURE: Final = "label_picture"
"""Kind of the job that labels a picture."""


async def wait_for_labels(ledger: Ledger, pubsub: PubSub, session_id: str, wait_s: float) -> None:
    """Wait until every picture of a session that is being labelled for the first time has labels, at most this long.

    One that failed once is not waited for.
    """
    if wait_s <= 0:
        return
    with pubsub.subscribe(session_id) as updates:
        opened = await ledger.read(lambda cursor: jobs.untried_of_session(cursor, session_id, LABEL_PICTURE))
        waiting = {job.payload["upload_id"] for job in opened}
        with suppress(TimeoutError, Overloaded):
            async with asyncio.timeout(wait_s):
                while waiting:
                    update = await anext(updates)
                    if isinstance(update, UploadRow) and update.labels is not None:
                        waiting.discard(update.id)
