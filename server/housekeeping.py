"""What has to be done from time to time: idle sessions end, and media that nobody needs any more go."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Protocol

from models.errors import InternalError, NotFound, VestibuleError
from server.ledger import streams as stream_rows
from server.ledger.columns import Cursor
from server.ledger.types import Clock
from server.ledger.writer import Ledger
from server.observability.log import describe, get_logger
from server.records.sessions import Sessions
from server.uploads.service import UploadService
from server.uploads.spool import Spool

log = get_logger("housekeeping")

ROUND_S = 30.0


class OpenStreams(Protocol):
    """``server.streaming.stream_manager.Streams``."""

    @property
    def ids(self) -> frozenset[str]: ...  # noqa: D102
    @property
    def session_ids(self) -> frozenset[str]: ...  # noqa: D102


class Housekeeping:
    """Runs until cancelled.

    Args:
        streams: What is open now.
        idle_s: Idle time after which a session is abandoned, and a broken stream can no longer be resumed.
    """

    def __init__(
        self,
        sessions: Sessions,
        intake: UploadService,
        ledger: Ledger,
        spool: Spool,
        clock: Clock,
        streams: OpenStreams,
        idle_s: float,
    ) -> None:
        self._sessions = sessions
        self._intake = intake
        self._ledger = ledger
        self._spool = spool
        self._clock = clock
        self._streams = streams
        self._idle_s = idle_s

    async def run(self) -> None:
        """One round after the other; a round that fails is logged, and the next one tries again."""
        while True:
            try:
                await self.round()
            except VestibuleError as error:
                log.warning("housekeeping_failed", **describe(error))
            await asyncio.sleep(ROUND_S)

    async def round(self) -> None:
        """Do everything once."""
        abandoned = await self._sessions.abandon_idle(self._idle_s, self._streams.session_ids)
        forgotten = await self._intake.sweep()
        for stream_id in await asyncio.to_thread(self._spool.log_ids):
            if stream_id not in self._streams.ids and await self._stale(stream_id):
                await asyncio.to_thread(self._spool.delete_log, stream_id)
                forgotten += 1
        if abandoned or forgotten:
            log.info("housekeeping", sessions_abandoned=abandoned, spool_files_deleted=forgotten)

    async def _stale(self, stream_id: str) -> bool:
        """Whether nobody can resume the stream any more; an open row is closed on the way."""
        before = self._clock() - timedelta(seconds=self._idle_s)
        try:
            row = await self._ledger.read(lambda cursor: stream_rows.get(cursor, stream_id))
        except NotFound:
            return True
        if not row.open:
            return True
        if row.update_time >= before:
            return False
        taken_in = await asyncio.to_thread(self._taken_in, stream_id)

        def close(cursor: Cursor) -> bool:
            if stream_rows.get(cursor, stream_id).update_time >= before:
                return False
            stream_rows.close(cursor, stream_id, self._clock(), taken_in)
            return True

        # Whoever comes to resume it from now on reads the row behind this write.
        return stream_id not in self._streams.ids and await self._ledger.write(close)

    def _taken_in(self, stream_id: str) -> int:
        """Bytes of audio in a log; 0 in one that is damaged, which is as good as lost."""
        try:
            return len(self._spool.read_log(stream_id).data)
        except InternalError:
            return 0
