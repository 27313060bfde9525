"""Periodic work: ends idle sessions, and deletes media that is no longer needed."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Protocol

from models.errors import InternalError, NotFound, VestibuleError
from server.ledger import streams as stream_rows
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.log import describe, get_logger
from server.records.sessions import Sessions
from server.uploads.service import UploadService
from server.uploads.spool import Spool

log = get_logger("housekeeping")

ROUND_S = 30.0


class OpenStreams(Protocol):
    """``server.streaming.stream_manager.StreamManager``."""

    @property
    def ids(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def session_ids(self) -> frozenset[str]: ...  # noqa: D102


class Housekeeping:
    """Does the periodic work.

    Args:
        streams: The open streams; their sessions and audio logs are left alone.
        also: Further work. Each piece may wait for the files of the server without holding up the rest of a round.
        heavy: Further work that takes much processor time.
        idle_s: Seconds without activity after which a session is abandoned, and a broken stream cannot be resumed.
    """

    def __init__(
        self,
        sessions: Sessions,
        uploads: UploadService,
        ledger: Ledger,
        spool: Spool,
        clock: Clock,
        streams: OpenStreams,
        idle_s: float,
        also: Sequence[Callable[[], Awaitable[object]]] = (),
        heavy: Sequence[Callable[[], Awaitable[object]]] = (),
    ) -> None:
        self._sessions = sessions
        self._uploads = uploads
        self._ledger = ledger
        self._spool = spool
        self._clock = clock
        self._streams = streams
        self._idle_s = idle_s
        self._also = also
        self._heavy = heavy

    async def run(self) -> None:
        """Do a round every ``ROUND_S`` until cancelled. What fails is logged and tried again with the next round."""
        await _repeat_each((self.round, *self._also))

    async def run_heavy(self) -> None:
        """Do the heavy work in the same way. A server that starts would be slowed down by it."""
        await _repeat_each(self._heavy)

    async def round(self) -> None:
        """End idle sessions, and delete media and audio that is no longer needed."""
        now = self._clock()
        elsewhere = await self._ledger.read(lambda cursor: stream_rows.held(cursor, now))
        busy = self._streams.session_ids.union(elsewhere.values())
        abandoned = await self._sessions.abandon_idle(self._idle_s, busy)
        deleted = await self._uploads.sweep()
        for stream_id in await self._old_logs():
            if stream_id not in self._streams.ids and stream_id not in elsewhere and await self._stale(stream_id):
                deleted += await asyncio.to_thread(self._spool.delete_log, stream_id)
        if abandoned or deleted:
            log.info("housekeeping", sessions_abandoned=abandoned, spool_files_deleted=deleted)

    async def _old_logs(self) -> frozenset[str]:
        """Streams with a log that may be stale. One question answers for all that can be resumed: there are many."""
        logs = await asyncio.to_thread(self._spool.log_ids)  # first: a log that is there by now has its row
        since = self._clock() - timedelta(seconds=self._idle_s)
        return frozenset(logs) - await self._ledger.read(lambda cursor: stream_rows.resumable_since(cursor, since))

    async def _stale(self, stream_id: str) -> bool:
        """Whether the stream cannot be resumed any more. If its row is still open, it is closed."""
        before = self._clock() - timedelta(seconds=self._idle_s)
        try:
            row = await self._ledger.read(lambda cursor: stream_rows.get(cursor, stream_id))
        except NotFound:
            return True
        if not row.open:
            return True
        if row.update_time >= before or (row.held_until is not None and row.held_until > self._clock()):
            return False
        next_offset = await asyncio.to_thread(self._log_bytes, stream_id)

        def close(cursor: Cursor) -> bool:
            now = self._clock()
            return stream_rows.close(cursor, stream_id, now, next_offset, holder=row.holder, idle_since=before)

        # A client that resumes it from now on reads the row after this write.
        return stream_id not in self._streams.ids and await self._ledger.write(close)

    def _log_bytes(self, stream_id: str) -> int:
        """Bytes of audio in a log; 0 if it is damaged and cannot be read."""
        try:
            return self._spool.log_bytes(stream_id)
        except InternalError:
            return 0


async def _repeat_each(works: Sequence[Callable[[], Awaitable[object]]]) -> None:
    async with asyncio.TaskGroup() as group:
        for work in works:
            group.create_task(_repeat(work))


async def _repeat(work: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await work()
        except VestibuleError as error:
            log.warning("housekeeping_failed", **describe(error))
        except Exception as error:  # noqa: BLE001 - the edge: one work that fails must not end the others
            log.error("unexpected_error", **describe(error))
        await asyncio.sleep(ROUND_S)
