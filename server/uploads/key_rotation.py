"""Changes the key of the spool while the server runs: a new key, everything encrypted with it, the earlier key deleted.

The order makes an interruption harmless. The new key is on the disk, beside the earlier one, before anything is
encrypted with it. Each file and each vocabulary is replaced in one step. The earlier key is deleted when nothing is
left that needs it; until then each round of the housekeeping goes on, after a restart too.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from server.access.audit import AuditAction, AuditTrail
from server.ledger import vocabularies
from server.ledger.columns import Cursor
from server.ledger.writer import Ledger
from server.observability.log import get_logger
from server.records.vocabulary import VocabularySealer
from server.runtime.keyring import KEY_BYTES, key_id
from server.uploads.disk import disk_errors
from server.uploads.encrypt_anew import SpoolEncryption
from server.uploads.spool import Spool

log = get_logger("spool_key")

CALL_S: Final = 8.0
"""How long one call works."""
SESSIONS_AT_ONCE: Final = 500


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """What one call did.

    Attributes:
        key_id: Of the newest key.
        done: Files and vocabularies that it encrypted with the newest key.
        remaining: Files that still need an earlier key, as far as it has looked.
        finished: Whether nothing needs an earlier key. One that was generated is deleted.
    """

    key_id: str
    done: int
    remaining: int
    finished: bool


class SpoolKeyRotation:
    """Works for one caller at a time.

    Args:
        alone: Held while files of the spool are replaced.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        sealer: VocabularySealer,
        audit: AuditTrail,
        alone: asyncio.Lock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spool = spool
        self._keys = spool.keys
        self._ledger = ledger
        self._sealer = sealer
        self._audit = audit
        self._alone = alone
        self._monotonic = monotonic
        self._encryption = SpoolEncryption(spool)

    async def rotate(self, newest: str) -> RotationProgress:
        """Make a new key, unless an earlier change is unfinished or the newest key has the given id; then work.

        Raises:
            Conflict: SPOOL_KEY_GIVEN.
            VestibuleError: The disk or the ledger refuses. What was begun is still readable, and goes on later.
        """
        async with self._alone:
            if newest != self._keys.current_id and len(self._keys.kept) == 1:
                await self._begin()
            return await self._work()

    async def round(self) -> bool:
        """Go on with a change that is unfinished; returns whether there is one. One that works is left alone."""
        if self._keys.given or len(self._keys.kept) == 1 or self._alone.locked():
            return False
        async with self._alone:
            progress = await self._work()
        if progress.finished:
            log.info("earlier_spool_key_deleted", kept=progress.key_id)
        return True

    async def _begin(self) -> None:
        self._keys.require_own()
        key = os.urandom(KEY_BYTES)
        entry = self._audit.entry(AuditAction.SPOOL_KEY_ROTATED, ("spool_key", key_id(key).hex()))
        await self._ledger.write(lambda cursor: self._audit.append(cursor, entry))
        with disk_errors():
            await asyncio.to_thread(self._keys.add, key)

    async def _work(self) -> RotationProgress:
        until_s = self._monotonic() + CALL_S
        done = await self._seal_anew()
        outdated = await asyncio.to_thread(self._encryption.outdated)
        remaining = len(outdated)
        for name in outdated:
            if self._monotonic() > until_s:
                break
            encrypted = await asyncio.to_thread(self._encryption.encrypt, name)
            done, remaining = done + encrypted, remaining - encrypted
        finished = not remaining and not await asyncio.to_thread(self._encryption.outdated)
        if finished and len(self._keys.kept) > 1 and not self._keys.given:
            with disk_errors():
                await asyncio.to_thread(self._keys.forget_earlier)
        return RotationProgress(self._keys.current_id, done, remaining, finished)

    async def _seal_anew(self) -> int:
        """Seal every vocabulary with the newest key; returns how many were sealed with an earlier one.

        Vocabularies are sealed in the transaction that stores them. So those that were sealed before the newest key was
        there are all found here, on the thread of the writer, and none follows.
        """
        last, done = "", 0

        def seal(cursor: Cursor) -> tuple[str, int]:
            rows = vocabularies.sealed_after(cursor, last, SESSIONS_AT_ONCE)
            outdated = [row for row in rows if self._sealer.outdated(row[1])]
            for session_id, sealed in outdated:
                vocabularies.replace(cursor, session_id, self._sealer.seal(self._sealer.open(sealed)))
            return rows[-1][0] if rows else "", len(outdated)

        while True:
            last, sealed_anew = await self._ledger.write(seal)
            if not last:
                return done
            done += sealed_anew
