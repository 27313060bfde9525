"""How much a client may upload within a moving window: a number of files, and a number of bytes.

Each attempt has a row in the ledger before its first byte, so attempts at the same time count before they end, and a
restart forgets none. An attempt that is refused counts too: it was received, scanned and decoded like any other. One
that failed because of the server does not.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from models.amounts import count_text, retry_text, size_text, time_text
from models.errors import Overloaded
from models.reasons import Reason
from server.ledger import upload_attempts
from server.ledger.columns import Cursor
from server.ledger.dialects import hold
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.ledger.upload_attempts import UploadAttempt
from server.setting_groups import LimitSettings
from server.uploads.types import ReceivedBytes


class UploadQuota:
    """The windows of all clients.

    Args:
        ledger: Keeps the attempts.
        clock: Wall clock; the windows move with it.
    """

    def __init__(self, ledger: Ledger, limits: LimitSettings, clock: Clock) -> None:
        self._ledger = ledger
        self._limits = limits
        self._clock = clock
        self._window = timedelta(seconds=limits.client_upload_window_s)

    async def reserve(self, attempt_id: str, client_id: str, size_bytes: int) -> None:
        """Count an attempt.

        Raises:
            Overloaded: UPLOAD_QUOTA, with the time after which the same upload is within the quota, if nothing else is
                uploaded until then.
        """
        attempt = UploadAttempt(attempt_id, client_id, self._clock(), size_bytes)
        # Read first: one that is over the quota costs the writer of the ledger nothing.
        wait = await self._ledger.read(lambda cursor: self._wait(cursor, attempt))
        if wait is None:
            wait = await self._ledger.write(lambda cursor: self._insert(cursor, attempt))
        if wait is not None:
            files, size, window = self._limits.client_uploads, self._limits.client_upload_bytes, self._window
            raise Overloaded(
                f"A client may upload {count_text(files, 'file')} and {size_text(size)} in "
                f"{time_text(window.total_seconds())}.",
                reason=Reason.UPLOAD_QUOTA,
                hint=retry_text(wait.total_seconds()),
                retry_after_s=wait.total_seconds(),
            )

    async def settle(self, attempt_id: str, received_bytes: int) -> None:
        """Note how many bytes of an attempt really came."""
        await self._ledger.write(lambda cursor: upload_attempts.set_size(cursor, attempt_id, received_bytes))

    async def forget(self, attempt_id: str) -> None:
        """Do not count an attempt, because it failed through no fault of the client."""
        await self._ledger.write(lambda cursor: upload_attempts.delete(cursor, attempt_id))

    async def sweep(self) -> None:
        """Delete the attempts that no window holds any more."""
        before = self._clock() - self._window
        if await self._ledger.read(lambda cursor: upload_attempts.any_until(cursor, before)):
            await self._ledger.write(lambda cursor: upload_attempts.delete_until(cursor, before))

    def _insert(self, cursor: Cursor, attempt: UploadAttempt) -> timedelta | None:
        hold(cursor, "upload_attempts", attempt.client_id)
        wait = self._wait(cursor, attempt)  # asked again, because another attempt may have come between
        if wait is None:
            upload_attempts.insert_attempt(cursor, attempt)
        return wait

    def _wait(self, cursor: Cursor, attempt: UploadAttempt) -> timedelta | None:
        """How long this attempt is over the quota; None if it is within.

        What lies more than a window ahead was counted before the clock was set back, and counts no more.
        """
        window_start = attempt.start_time - self._window
        earlier = upload_attempts.list_between(
            cursor, attempt.client_id, window_start, attempt.start_time + self._window
        )
        leave = self._must_leave(earlier, attempt.size_bytes)
        return earlier[leave - 1].start_time - window_start if leave else None

    def _must_leave(self, earlier: Sequence[UploadAttempt], size_bytes: int) -> int:
        """How many of the earlier attempts, oldest first, must leave the window before another one fits into it."""
        size = size_bytes + sum(attempt.size_bytes for attempt in earlier)
        for left, attempt in enumerate(earlier):
            if len(earlier) - left < self._limits.client_uploads and size <= self._limits.client_upload_bytes:
                return left
            size -= attempt.size_bytes
        return len(earlier)


@dataclass(frozen=True, slots=True)
class WithinQuota:
    """The client must be within its quota: files and bytes in a moving window."""

    quota: UploadQuota

    async def __call__(self, seen: ReceivedBytes) -> None:
        """See ``UploadCheck``."""
        await self.quota.reserve(seen.attempt_id, seen.client_id, seen.description.size_bytes)
