"""Keeps the files of a running server as they are, while the command copies them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import Final

from models.errors import Overloaded
from models.reasons import Reason
from server.access.audit import AuditAction
from server.access.audit_book import AuditBook
from server.analytics.snapshot import LedgerMark, mark_of
from server.ledger.embedded import EmbeddedLedger
from server.ledger.opened import refuse_postgres
from server.runtime.file_lock import WAIT_S, held_soon
from server.uploads.spool import Spool

LONGEST_S: Final = 1800.0
"""After this time the files are let go, because erasures wait."""

LOOK_S: Final = 1.0
"""How often it looks whether the spool has room."""


class FilesHold:
    """Everything that the ledger refers to stays there while this is held: deletions of the spool wait until its end.

    Erasures, retention and changes of the spool's key wait, too. Uploads, streams and jobs go on. What they would
    delete takes room meanwhile, so the hold ends early when the spool is nearly full.

    Args:
        alone: Held by whatever deletes or replaces files.
        wait_s: How long to wait for it.
        monotonic: Seconds of a clock that never goes back.
        look_s: See ``LOOK_S``.
        ledger: None if it is in PostgreSQL; then the backup is refused.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: EmbeddedLedger | None,
        audit: AuditBook,
        alone: asyncio.Lock,
        wait_s: float = WAIT_S,
        monotonic: Callable[[], float] = time.monotonic,
        look_s: float = LOOK_S,
    ) -> None:
        self._spool = spool
        self._ledger = ledger
        self._audit = audit
        self._alone = alone
        self._wait_s = wait_s
        self._monotonic = monotonic
        self._look_s = look_s

    @property
    def spool_inode(self) -> int:
        """Of the folder of the spool."""
        return self._spool.folder.stat().st_ino

    @asynccontextmanager
    async def held(self) -> AsyncIterator[Callable[[AsyncIterator[object]], AsyncIterator[LedgerMark]]]:
        """Hold the files within the block; gives a function that answers each request with a mark of the ledger.

        What is deleted meanwhile is deleted at the end of the block.

        Raises:
            Overloaded: BACKUP_BUSY.
            Conflict: LEDGER_IN_POSTGRESQL.
        """
        ledger = self._ledger
        refuse_postgres(ledger is None, "A backup")
        assert ledger is not None
        async with held_soon(self._alone, self._wait_s):
            await self._audit.record(AuditAction.BACKUP, ("ledger", ""))
            self._spool.keep()
            try:
                yield partial(self._marks, ledger)
            finally:
                await asyncio.shield(asyncio.to_thread(self._spool.let_go))

    async def _marks(self, ledger: EmbeddedLedger, requests: AsyncIterator[object]) -> AsyncIterator[LedgerMark]:
        """Marks until the requests end, or for the longest time.

        Raises:
            Overloaded: BACKUP_SPOOL_FULL.
        """
        until_s = self._monotonic() + LONGEST_S
        while await self._next(requests, until_s):
            yield await ledger.between_commits(partial(mark_of, ledger.path))

    async def _next(self, requests: AsyncIterator[object], until_s: float) -> bool:
        """Wait for the next request; False if there is none in time."""
        request = asyncio.ensure_future(_one_more(requests))
        try:
            while (left_s := until_s - self._monotonic()) > 0:
                if self._spool.needs_room:
                    raise _spool_full()
                await asyncio.wait((request,), timeout=min(self._look_s, left_s))
                if request.done():
                    return request.result()
            return False
        finally:
            request.cancel()
            with suppress(asyncio.CancelledError):
                await request


async def _one_more(requests: AsyncIterator[object]) -> bool:
    async for _ in requests:
        return True
    return False


def _spool_full() -> Overloaded:
    return Overloaded(
        "The spool is nearly full, and the backup kept files that are no longer needed.",
        reason=Reason.BACKUP_SPOOL_FULL,
        hint="They are deleted now; nothing of the backup was kept. Run it again. If that repeats, raise "
        "VESTIBULE_LIMITS__SPOOL_BYTES, or write the backup to a faster disk.",
    )
