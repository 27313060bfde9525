"""Erases what is stored of a session, a client or a person, so that no byte of it is left in any file of the server."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final, Protocol

from models.errors import Conflict, NotFound, Unavailable
from models.reasons import Reason
from server.access.audit import AuditAction, AuditTrail
from server.access.caller import current_caller
from server.ledger import erasure
from server.ledger.columns import Cursor
from server.ledger.erasure import Erased, ErasureScope, ErasureTarget
from server.ledger.locks import lock_deletion, lock_letters, lock_sessions
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import get_logger
from server.runtime.file_lock import WAIT_S, held_soon
from server.uploads.spool import Spool, is_uuid

log = get_logger("erasure")

ERASED = "erased"
"""Reason with which open sessions end."""


COMPLETION: Final = "erasure"
"""Name of the work that one server at a time does."""
COMPLETION_WAIT_S: Final = 60.0
EVERY: Final = timedelta(days=1)
"""How often files are looked for that no row names."""


class SessionWork(Protocol):
    """Ends what still works on sessions."""

    async def end(self, session_ids: frozenset[str]) -> None:
        """End streams, arriving uploads, watchers and running jobs of these sessions; returns when they have ended."""
        ...


class NoWork:
    """For a server that is stopped."""

    async def end(self, session_ids: frozenset[str]) -> None:
        """Nothing works."""


async def _nothing() -> None:
    return


class Eraser:
    """Erases, one request at a time.

    The order makes an interruption harmless. Work on the sessions ends. One transaction deletes all rows and remembers
    the erasure as begun. Files are deleted, and the ledger is written anew. Then the erasure is complete. ``round``
    completes one that was interrupted, also that of another server.

    Another server may have been about to write something of an erased session. Its transactions have ended when the
    ledger was written anew. What they left is deleted then, and it is written anew again.

    Args:
        artifacts: Folder of redacted pictures and recordings.
        work: Ends what works on a session.
        audit: Gets each erasure, by its id and its scope.
        after_rewrite: Called when the ledger was written anew, so that copies of it are made anew too.
        wait_s: How long an erasure waits for ``alone``.

    Attributes:
        alone: Held while files of the server are deleted or replaced, and while a backup needs them as they are.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        artifacts: Path,
        work: SessionWork,
        clock: Clock,
        audit: AuditTrail,
        after_rewrite: Callable[[], Awaitable[None]] = _nothing,
        wait_s: float = WAIT_S,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._artifacts = artifacts
        self._work = work
        self._clock = clock
        self._audit = audit
        self._after_rewrite = after_rewrite
        self._wait_s = wait_s
        self.alone = asyncio.Lock()
        self._looked: datetime | None = None

    async def preview(self, target: ErasureTarget) -> Erased:
        """What ``erase`` would delete."""
        session_ids, clients = await self._sessions_of(target), self._clients_of(target)
        return await self._ledger.read(lambda cursor: erasure.found(cursor, session_ids, clients))

    async def erase(self, target: ErasureTarget) -> tuple[str, Erased]:
        """Erase everything of a target; returns when no byte of it is left.

        Returns:
            UUID of the erasure, empty when there was nothing to erase, and what was deleted. Its numbers of rows are
            those of the moment at which it began: ending the sessions writes more events, which are deleted too.

        Raises:
            Overloaded: BACKUP_BUSY; nothing was begun.
            VestibuleError: The ledger or the disk refused. What was begun is completed by ``round``.
        """
        async with held_soon(self.alone, self._wait_s):
            session_ids, clients = await self._sessions_of(target), self._clients_of(target)
            before = await self._ledger.read(lambda cursor: erasure.found(cursor, session_ids, clients))
            if not session_ids and not before.rows[erasure.DAILY_COUNTS]:
                return "", before
            erasure_id, erased = await self._erase_rows(target, session_ids, clients)
            await self._complete(unless_done=True)
            return erasure_id, replace(erased, rows=before.rows)

    async def expire(self, session_ids: frozenset[str], limit: str) -> None:
        """Erase sessions that are older than a limit allows, and keep counts of their events by day.

        ``alone`` must be held, and ``purge`` must follow. If it does not, ``round`` completes the erasure.

        Args:
            session_ids: Which; they have ended.
            limit: Name of the limit, such as ``car_return@1 records_days``.
        """
        await self._erase_rows(ErasureTarget(ErasureScope.AGE, limit), session_ids, frozenset(), erasure.keep_counts)

    async def _erase_rows(
        self,
        target: ErasureTarget,
        session_ids: frozenset[str],
        clients: frozenset[str],
        first: Callable[[Cursor, frozenset[str]], None] = lambda cursor, session_ids: None,
    ) -> tuple[str, Erased]:
        """End the work on sessions, delete their rows, and what waits in the spool.

        Args:
            target: What is erased, for the audit.
            session_ids: Its sessions.
            clients: Whose counts by day go, too.
            first: What is done in the same transaction before rows are deleted.

        Returns:
            UUID of the erasure, and what was deleted. It is empty if another server has erased it all meanwhile.
        """
        await self._work.end(session_ids)
        erasure_id = str(uuid.uuid4())
        entry = self._audit.entry(AuditAction.ERASE, ("erasure", erasure_id), reason=target.scope)

        def delete(cursor: Cursor) -> Erased:
            lock_deletion(cursor)
            lock_sessions(cursor, session_ids)
            lock_letters(cursor)
            first(cursor, session_ids)
            erased = erasure.erase(cursor, session_ids, clients)
            if any(erased.rows.values()):
                erasure.begin(cursor, erasure_id, target, erased.rows["sessions"], self._clock())
                self._audit.append(cursor, entry)
            return erased

        erased = await self._ledger.write(delete)
        if not any(erased.rows.values()):
            return "", erased
        await asyncio.to_thread(self._delete_files, erased)
        log.info("erased", erasure=erasure_id, scope=target.scope, sessions=erased.rows["sessions"])
        return erasure_id, erased

    async def round(self) -> None:
        """Complete erasures that were interrupted, and once a day delete files that no row names."""
        await self.resume()
        now = self._clock()
        if self._looked is None or now - self._looked >= EVERY:
            async with self.alone:
                await self._delete_orphan_files()
            self._looked = now

    async def resume(self) -> bool:
        """Complete erasures that were interrupted, when it is their turn; returns whether there were any.

        Those that another server completes now are left to it.
        """
        if not await self._ledger.read(erasure.unfinished):
            return False
        async with self.alone, self._ledger.alone(COMPLETION, 0.0) as alone:
            if not alone or not await self._ledger.read(erasure.unfinished):
                return False
            await self._complete_alone()
            return True

    async def purge(self) -> None:
        """Write the ledger anew after rows were deleted, and delete files that no row names. ``alone`` must be held."""
        await self._complete()

    def _clients_of(self, target: ErasureTarget) -> frozenset[str]:
        """The ids under which counts of a client are stored, as far as the caller may erase them; none otherwise."""
        if target.scope is not ErasureScope.CLIENT:
            return frozenset()
        visible_to = current_caller().client_id
        ids = (target.value, self._audit.client_pseudonym(target.value))
        return frozenset(each for each in ids if visible_to in ("", each))

    async def _sessions_of(self, target: ErasureTarget) -> frozenset[str]:
        """The sessions of a target. A client of tokens is found by the id that its issuer gave it, too."""
        pseudonym = self._audit.client_pseudonym(target.value) if target.scope is ErasureScope.CLIENT else target.value
        visible_to = current_caller().client_id
        return await self._ledger.read(lambda cursor: erasure.sessions_of(cursor, target, pseudonym, visible_to))

    async def _complete(self, *, unless_done: bool = False) -> None:
        """Leave no byte of what was deleted.

        Args:
            unless_done: Whether nothing is to be done if another server has completed every erasure meanwhile.

        Raises:
            Unavailable: LEDGER_CONFLICT, another server does that for too long.
            VestibuleError: The ledger or the disk refused.
        """
        async with self._ledger.alone(COMPLETION, COMPLETION_WAIT_S) as alone:
            if not alone:
                raise Unavailable(
                    "Another server completes an erasure.",
                    reason=Reason.LEDGER_CONFLICT,
                    hint="The rows are gone. Their bytes go when that has ended.",
                )
            if unless_done and not await self._ledger.read(erasure.unfinished):
                return
            await self._complete_alone()

    async def _complete_alone(self) -> None:
        begun = await self._ledger.read(erasure.unfinished)  # first: the bytes of a later one may be left
        while True:
            await self._delete_orphan_files()
            await self._ledger.rewrite()
            if not await self._ledger.read(erasure.has_orphans):
                break
            await self._ledger.write(erasure.delete_orphans)
        await self._after_rewrite()
        await self._ledger.write(lambda cursor: erasure.complete(cursor, begun, self._clock()))

    async def _delete_orphan_files(self) -> None:
        files = await asyncio.to_thread(self._list_artifacts)
        owners = await self._ledger.read(erasure.artifact_owners)  # after the list: a new file has its job by now
        await asyncio.to_thread(_delete_orphans, files, owners)

    def _delete_files(self, erased: Erased) -> None:
        for spool_id in erased.spool_ids:
            self._spool.delete(spool_id)
        for stream_id in erased.stream_ids:
            self._spool.delete_log(stream_id)

    def _list_artifacts(self) -> list[Path]:
        return list(self._artifacts.iterdir()) if self._artifacts.exists() else []


def _delete_orphans(files: list[Path], owners: frozenset[str]) -> None:
    """Delete pictures and recordings without a job. A job that was cancelled late may have written one."""
    for file in files:
        owner = file.name.partition(".")[0]
        if is_uuid(owner) and owner not in owners:
            file.unlink(missing_ok=True)


class LiveWork:
    """What works on sessions in a running server.

    Args:
        end_streams: Ends the open streams of sessions.
        end_uploads: Ends the arriving uploads of sessions.
        end_jobs: Ends the running jobs of sessions.
        abandon: Ends a session that is open; its watchers see it.
    """

    def __init__(
        self,
        end_streams: Callable[[frozenset[str]], Awaitable[None]],
        end_uploads: Callable[[frozenset[str]], Awaitable[None]],
        end_jobs: Callable[[frozenset[str]], Awaitable[None]],
        abandon: Callable[[str, str], Awaitable[object]],
    ) -> None:
        self._end_streams = end_streams
        self._end_uploads = end_uploads
        self._end_jobs = end_jobs
        self._abandon = abandon

    async def end(self, session_ids: frozenset[str]) -> None:
        """See ``SessionWork``."""
        for session_id in session_ids:
            try:
                await self._abandon(session_id, ERASED)
            except (Conflict, NotFound):
                continue  # it had ended
        await self._end_streams(session_ids)
        await self._end_uploads(session_ids)  # before jobs: one that was accepted just now has a job
        await self._end_jobs(session_ids)
