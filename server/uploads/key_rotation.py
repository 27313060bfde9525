"""Changes the key of the spool while the server runs: a new key, everything encrypted with it, the earlier key deleted.

The order makes an interruption harmless. The new key is on the disk, beside the earlier one, before anything is
encrypted with it. Each file and each vocabulary is replaced in one step. The earlier key is deleted when nothing is
left that needs it; until then each round of the housekeeping goes on, after a restart too. Keys that a setting gives
are never changed here, but what an earlier one of them encrypted is encrypted with the newest in the same way.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from models.errors import Conflict
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail
from server.ledger import vocabularies
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.observability.log import get_logger
from server.records.status import Component
from server.records.vocabulary import VocabularySealer
from server.runtime.file_lock import WAIT_S, acquire_soon
from server.runtime.free_bytes import free_bytes
from server.runtime.keyring import KEY_BYTES, key_id
from server.uploads.disk import disk_errors
from server.uploads.encrypt_anew import Outcome, SpoolEncryption
from server.uploads.spool import Spool

log = get_logger("spool_key")

CALL_S: Final = 8.0
"""How long one call works. It finishes the file that it is at."""
SESSIONS_AT_ONCE: Final = 500
"""The ledger writes nothing else meanwhile: some hundredths of a second."""


@dataclass(frozen=True, slots=True)
class RotationProgress:
    """What one call did.

    Attributes:
        key_id: Of the newest key.
        done: Files and vocabularies that it encrypted with the newest key.
        remaining: Files that still need an earlier key.
        in_use: How many of them are being written.
        damaged: How many of them cannot be read, or have a key that is not known.
        no_room: How many of them the disk has no room to copy.
        refused: How many of them the disk refuses to read or to copy.
        more: Whether the time was over, so that another call goes on at once.
        finished: Whether nothing needs an earlier key. One that was generated is deleted.
        given: Whether a setting gives the keys.
    """

    key_id: str
    done: int
    remaining: int
    in_use: int
    damaged: int
    no_room: int
    refused: int
    more: bool
    finished: bool
    given: bool


@dataclass(slots=True)
class _Sealing:
    """How far the vocabularies are sealed with a key.

    Attributes:
        last: The session before was the last one that was looked at.
    """

    key_id: str
    last: str = ""
    complete: bool = False


class SpoolKeyRotation:
    """Works for one caller at a time.

    Args:
        alone: Held while files of the spool are replaced.
        together: Whether other servers use the spool, too. Then nothing is encrypted anew: they do not know the keys.
        least_free_bytes: What a copy of a file must leave free on the disk.
        free: Gives the free bytes of a folder.
        wait_s: How long to wait for ``alone``.
        monotonic: Seconds of a clock that never goes back.
    """

    def __init__(
        self,
        spool: Spool,
        ledger: Ledger,
        sealer: VocabularySealer,
        audit: AuditTrail,
        alone: asyncio.Lock,
        *,
        together: bool = False,
        least_free_bytes: int = 0,
        free: Callable[[Path], int] = free_bytes,
        wait_s: float = WAIT_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = spool.keys
        self._ledger = ledger
        self._sealer = sealer
        self._audit = audit
        self._alone = alone
        self._together = together
        self._wait_s = wait_s
        self._monotonic = monotonic
        self._encryption = SpoolEncryption(spool, least_free_bytes, free, monotonic)
        self._sealing = _Sealing(self._keys.current_id)
        self._finished_for = ""
        self._progress: RotationProgress | None = None

    @property
    def component(self) -> Component:
        """How far a change is, for the status report. What needs a person is a fault."""
        now = self._progress
        if len(self._keys.kept) == 1:
            return Component("spool_key", True, "Everything is encrypted with one key.")
        if self._is_finished:
            return Component("spool_key", True, "Nothing needs an earlier key. VESTIBULE_SPOOL_KEY still lists one.")
        if now is None:
            return Component("spool_key", True, "A change of the key is unfinished; it goes on within half a minute.")
        files = "1 file needs" if now.remaining == 1 else f"{now.remaining} files need"
        counts = (
            (now.in_use, "being written"),
            (now.damaged, "damaged"),
            (now.no_room, "too large for the room on the disk"),
            (now.refused, "refused by the disk, see spool_file_refused in the log"),
        )
        why = ", ".join(f"{count} {what}" for count, what in counts if count)
        healthy = not (now.damaged or now.no_room or now.refused)
        return Component("spool_key", healthy, f"{files} an earlier key{': ' * bool(why)}{why}.")

    @property
    def _is_finished(self) -> bool:
        """Whether it is known that nothing needs an earlier key."""
        return len(self._keys.kept) == 1 or self._finished_for == self._keys.current_id

    async def rotate(self, newest: str) -> RotationProgress:
        """Work; if no id is given and no change is unfinished, make a new key first.

        Several calls that wait at the same time make one key. One whose caller goes away while it waits makes none; one
        that works goes on. A call without an id tries at once what the disk refused before.

        Raises:
            Overloaded: BACKUP_BUSY, the files are held by somebody else.
            Conflict: SPOOL_KEY_GIVEN, LEDGER_SHARED.
            VestibuleError: The disk refuses the keys or the folder, or the ledger refuses. What was begun is still
                readable, and goes on later. A file that the disk refuses is counted.
        """
        if self._together:
            raise Conflict(
                "Other servers may use the spool, and do not know its new key.",
                reason=Reason.LEDGER_SHARED,
                hint="Stop all servers, and run the command on one machine.",
            )
        seen = self._keys.current_id
        await acquire_soon(self._alone, self._wait_s)
        begins = not newest and seen == self._keys.current_id and len(self._keys.kept) == 1
        return await asyncio.shield(asyncio.ensure_future(self._rotate(begins, again=not newest)))

    async def _rotate(self, begins: bool, *, again: bool) -> RotationProgress:
        try:
            if begins:
                await self._begin()
            if again:
                self._encryption.forget_refusals()
            return await self._work()
        finally:
            self._alone.release()

    async def round(self) -> bool:
        """Go on with a change that is unfinished, when it is its turn; returns whether there is one."""
        if self._is_finished or self._together:
            return False
        async with self._alone:
            if self._is_finished:  # by a call that had its turn before
                return False
            progress = await self._work()
        if progress.finished:
            what = "earlier_spool_key_not_needed" if progress.given else "earlier_spool_key_deleted"
            log.info(what, newest=progress.key_id)
        return True

    async def _begin(self) -> None:
        self._keys.require_own()
        key = os.urandom(KEY_BYTES)
        # Before the key: no key is used that the audit does not name.
        entry = self._audit.entry(AuditAction.SPOOL_KEY_ROTATED, ("spool_key", key_id(key).hex()))
        await self._ledger.write(lambda cursor: self._audit.append(cursor, entry))
        with disk_errors():
            await asyncio.to_thread(self._keys.add, key)

    async def _work(self) -> RotationProgress:
        until_s = self._monotonic() + CALL_S
        sealed_anew = await self._seal_anew(until_s)
        outdated = await asyncio.to_thread(self._encryption.outdated)
        became: Counter[Outcome] = Counter()
        for name in outdated:
            if became and self._monotonic() > until_s and not self._encryption.is_refused(name):
                break
            became[await asyncio.to_thread(self._encryption.encrypt, name)] += 1
        encrypted = became.pop(Outcome.ENCRYPTED, 0)
        remaining = len(outdated) - encrypted or len(await asyncio.to_thread(self._encryption.outdated))
        more = remaining > became.total() or not self._sealing.complete
        finished = not remaining and not more
        if finished:
            await self._finish()
        self._progress = RotationProgress(
            key_id=self._keys.current_id,
            done=sealed_anew + encrypted,
            remaining=remaining,
            in_use=became[Outcome.IN_USE],
            damaged=became[Outcome.DAMAGED],
            no_room=became[Outcome.NO_ROOM],
            refused=became[Outcome.REFUSED],
            more=more,
            finished=finished,
            given=self._keys.given,
        )
        return self._progress

    async def _finish(self) -> None:
        await asyncio.to_thread(self._encryption.sync)  # or a loss of power could bring a file back that needs the key
        if len(self._keys.kept) > 1 and not self._keys.given:
            with disk_errors():
                await asyncio.to_thread(self._keys.forget_earlier)
        self._finished_for = self._keys.current_id

    async def _seal_anew(self, until_s: float) -> int:
        """Seal vocabularies with the newest key; returns how many were sealed with an earlier one.

        Vocabularies are sealed in the transaction that stores them. So those that were sealed before the newest key was
        there are all found here, on the thread of the writer, and none follows: all are looked at once for a key.
        """
        if self._sealing.key_id != self._keys.current_id:
            self._sealing = _Sealing(self._keys.current_id)
        sealing, done = self._sealing, 0
        while not sealing.complete:
            sealing.last, sealed_anew = await self._ledger.write(partial(self._seal_some, after=sealing.last))
            sealing.complete = not sealing.last
            done += sealed_anew
            if self._monotonic() > until_s:
                break
        return done

    def _seal_some(self, cursor: Cursor, after: str) -> tuple[str, int]:
        """Seal those of some sessions after one; returns the last one that was looked at, empty if none is left."""
        rows = vocabularies.sealed_after(cursor, after, SESSIONS_AT_ONCE)
        anew = {row[0]: self._sealer.seal(self._sealer.open(row[1])) for row in rows if self._sealer.outdated(row[1])}
        if anew:
            vocabularies.replace(cursor, anew)
        return rows[-1][0] if len(rows) == SESSIONS_AT_ONCE else "", len(anew)
