"""The job that reads a recording."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path

from models.errors import DeadlineExceeded
from models.redaction.types import RedactionScope
from ray_tasks.types import Gateway, RecordingSource
from server.jobs.read_upload import DECRYPTED, ReadResult, ReadUpload
from server.ledger.transactional import Ledger
from server.ledger.types import Artifact, Clock, JobRow, UploadRow
from server.records.guide import Guide
from server.records.pubsub import PubSub
from server.sealed.requests import NOTHING_SEALED, Seals
from server.uploads.spool import Spool
from server.uploads.transactions import READ_RECORDING

RECORDING_TIMEOUT_S = 600.0
"""A recording of 10 MB may last an hour; two cores transcribe it several times faster than it was spoken."""


class ReadRecording(ReadUpload):
    """Reads a recording.

    Args:
        at_once: Recordings that are read at a time. An hour of sound has about 60 MB, and takes minutes.
        keep_recordings: Whether recordings are kept once they are muted.
    """

    kind = READ_RECORDING
    deadline_s = math.inf  # it may wait for room behind other recordings, each of which takes minutes
    reading_s = RECORDING_TIMEOUT_S + 60.0
    """Bound of an attempt from when there is room."""

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        gateway: Gateway,
        pubsub: PubSub,
        artifacts: Path,
        clock: Clock,
        seals: Seals = NOTHING_SEALED,
        *,
        guide: Guide,
        at_once: int,
        keep_recordings: bool = False,
    ) -> None:
        super().__init__(ledger, spool, gateway, pubsub, artifacts, clock, seals, guide=guide)
        self.concurrency = at_once
        self._keep_recordings = keep_recordings

    async def _read(self, job: JobRow, upload: UploadRow, language: str, scope: RedactionScope) -> ReadResult:
        try:
            async with asyncio.timeout(None) as bound:
                result = await self._gateway.read_recording(
                    await self._source(job, bound),
                    language=language,
                    timeout_s=RECORDING_TIMEOUT_S,
                    scope=scope,
                    keep_redacted=self._keep_recordings,
                )
        except TimeoutError as exc:
            raise DeadlineExceeded(f"The recording was not read within {self.reading_s:g} s.") from exc
        artifact = None
        if (muted := result.redacted) is not None:
            name = await self._keep(job, muted.media_type, muted.data)
            artifact = Artifact(name, muted.media_type, len(muted.data), len(muted.muted))
        return ReadResult(result.text, result.compute_s, artifact, result.sealed)

    async def _source(self, job: JobRow, bound: asyncio.Timeout) -> RecordingSource:
        size_bytes = await asyncio.to_thread(self._spool.size_bytes, [job.payload["spool_id"]])
        return RecordingSource(size_bytes, partial(self._pieces, job, bound))

    async def _pieces(self, job: JobRow, bound: asyncio.Timeout) -> AsyncIterator[bytes]:
        """The recording. Once its first piece is asked for, there is room for it, and its time begins."""
        if not bound.expired():
            bound.reschedule(asyncio.get_running_loop().time() + self.reading_s)
        pieces = self._spool.pieces(job.payload["spool_id"])
        while (piece := await asyncio.to_thread(next, pieces, None)) is not None:
            yield piece
        await self._progress(job.payload["upload_id"], DECRYPTED)
