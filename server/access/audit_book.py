"""The audit as one object: the trail that is appended to, the log of access, the kept head, lists and verification."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from models.errors import Overloaded, VestibuleError
from server.access.access_log import AccessLog
from server.access.audit import AuditAction, AuditTrail, load_or_create_key, load_or_create_subjects_key
from server.access.audit_check import AuditReport, verify
from server.access.audit_head import AuditHead
from server.ledger import audit as rows
from server.ledger.audit import AuditFilter, AuditRow
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.setting_groups import AuditSettings

log = get_logger("audit")


class AuditBook:
    """Everything about the audit of one ledger.

    Args:
        state_dir: The folder of the key and the head; see ``Settings.keys_dir``.
        version: Of the server.
        admit: Raises while a disk lacks room; decisions about access are then counted, and written later.

    Attributes:
        trail: Appends entries in the transaction of what they record.
        access: Counts decisions about access.
    """

    def __init__(
        self,
        ledger: Ledger,
        settings: AuditSettings,
        state_dir: Path,
        clock: Clock,
        version: str,
        admit: Callable[[], None] = lambda: None,
    ) -> None:
        self._ledger = ledger
        self._state_dir = state_dir
        self._key = load_or_create_key(state_dir)
        self.trail = AuditTrail(self._key, load_or_create_subjects_key(state_dir), clock, keep_peers=settings.peers)
        self.access = AccessLog(
            ledger, self.trail, clock, window_s=settings.window_s, allowed=settings.allowed, admit=admit
        )
        self._head = AuditHead(ledger, self.trail, self._key, state_dir, version)

    async def start(self, stack: AsyncExitStack) -> None:
        """Record the start, and go on until the stack is left, which records the stop."""
        await self._head.start()
        stack.push_async_callback(self._stop)
        for work in (self._head.run(), self.access.run()):
            stack.callback(asyncio.create_task(work).cancel)

    async def record(self, action: AuditAction, target: tuple[str, str]) -> None:
        """Record something that is no change of the ledger, in a transaction of its own."""
        entry = self.trail.entry(action, target)
        await self._ledger.write(lambda cursor: self.trail.append(cursor, entry))

    async def list(self, wanted: AuditFilter, page_size: int, page_token: str) -> tuple[list[AuditRow], str]:
        """Rows, newest first; see ``server.ledger.audit.list_rows``.

        Those about access up to now are among them, unless the ledger cannot be written.

        Raises:
            InvalidInput: PAGE_TOKEN_INVALID.
        """
        if not page_token:
            with suppress(VestibuleError):
                await self.access.flush()
        asked = replace(wanted, subjects=self.trail.known_as(wanted.subjects))
        return await self._ledger.read(
            partial(rows.list_rows, wanted=asked, page_size=page_size, page_token=page_token)
        )

    async def verify(self) -> AuditReport:
        """Verify the whole chain."""
        await self._head.keep()
        return await verify(self._ledger, self._key, self._state_dir)

    async def _stop(self) -> None:
        try:
            with suppress(Overloaded):
                await self.access.flush()
            await self._head.stop()
        except VestibuleError as error:
            log.error("audit_not_ended", **describe(error))
