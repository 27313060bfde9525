"""Redrives or discards many dead letters, at a bounded rate; repeating an operation goes on with it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from models.errors import Overloaded, ShuttingDown, Unavailable, VestibuleError
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import current_caller
from server.jobs.runner import JobQueue
from server.ledger import letter_operations as rows
from server.ledger.columns import Cursor
from server.ledger.letter_filter import LetterFilter
from server.ledger.letter_operations import LetterOperation, OperationProgress
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger

log = get_logger("dead_letters")

CALL_S: Final = 8.0
"""How long redriving goes on within one call."""
MOST_DISCARDS: Final = 200
"""Letters that one call discards."""


@dataclass(frozen=True, slots=True)
class OperationResult:
    """What one call did.

    Attributes:
        failed: Letters that it could not redrive or discard.
    """

    progress: OperationProgress
    failed: int = 0


class LetterOperations:
    """Works on the letters that the caller may see.

    Args:
        per_s: Letters that are redriven in a second, over all callers.
        sleep: Waits between two letters.
    """

    def __init__(
        self,
        ledger: Ledger,
        jobs: JobQueue,
        audit: AuditTrail,
        clock: Clock,
        per_s: float,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._ledger = ledger
        self._jobs = jobs
        self._audit = audit
        self._clock = clock
        self._per_s = per_s
        self._sleep = sleep
        self._one_at_a_time = asyncio.Lock()

    async def preview(self, which: LetterFilter) -> OperationResult:
        """What an operation would be about; nothing changes."""
        return OperationResult(await self._ledger.read(lambda cursor: rows.preview(cursor, which)))

    async def redrive(self, which: LetterFilter, operation_id: str, reason: str) -> OperationResult:
        """Put jobs back into their queues.

        Raises:
            Conflict: OPERATION_ID_USED.
        """
        operation = LetterOperation(operation_id, current_caller().client_id, AuditAction.REDRIVE, reason)
        found = await self._begin(operation, which)
        failed = 0
        async with self._one_at_a_time:
            for letter_id in found.open_ids[: max(1, int(self._per_s * CALL_S))]:
                failed += await self._failed(self._jobs.redrive(letter_id, reason))
                await self._sleep(1.0 / self._per_s)
        return await self._result(operation, failed)

    async def discard(self, which: LetterFilter, operation_id: str, reason: str) -> OperationResult:
        """Close letters without a retry.

        Raises:
            Conflict: OPERATION_ID_USED.
        """
        operation = LetterOperation(operation_id, current_caller().client_id, AuditAction.DISCARD, reason)
        found = await self._begin(operation, which)
        failed = 0
        for letter_id in found.open_ids[:MOST_DISCARDS]:
            failed += await self._failed(self._jobs.discard(letter_id, reason))
        return await self._result(operation, failed)

    async def _begin(self, operation: LetterOperation, which: LetterFilter) -> OperationProgress:
        action = AuditAction(operation.action)
        entry = self._audit.entry(action, ("dead_letters", operation.id), reason=operation.reason)

        def write(cursor: Cursor) -> OperationProgress:
            if rows.begin(cursor, operation, which, self._clock()):
                self._audit.append(cursor, entry)
            return rows.progress(cursor, operation)

        return await self._ledger.write(write)

    async def _result(self, operation: LetterOperation, failed: int) -> OperationResult:
        return OperationResult(await self._ledger.read(lambda cursor: rows.progress(cursor, operation)), failed)

    async def _failed(self, closing: Awaitable[object]) -> bool:
        """Close one letter. One that cannot be closed does not keep the others; a ledger that takes nothing does."""
        try:
            await closing
        except (Unavailable, Overloaded, ShuttingDown):
            raise
        except VestibuleError as error:
            log.warning("letter_not_closed", **describe(error))
            return True
        return False
