"""The job that reads a picture or a document."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from models.media.pages import unpack
from models.redaction.types import RedactionScope
from ray_tasks.types import Gateway
from server.jobs.read_upload import DECRYPTED, ReadResult, ReadUpload
from server.ledger import picture_lines
from server.ledger.columns import Cursor
from server.ledger.transactional import Ledger
from server.ledger.types import Artifact, Clock, JobRow, SessionRow, UploadRow
from server.records.guide import Guide
from server.records.pubsub import PubSub
from server.sealed.requests import NOTHING_SEALED, Seals
from server.uploads.spool import Spool
from server.uploads.transactions import READ_PICTURE

PICTURE_TIMEOUT_S = 120.0
"""For each page. Two CPUs need half of it for a page that takes all that it may, ``vision.page_cpu_s``. So it can also
wait for other pages."""

OnRead = Callable[[Cursor, UploadRow, datetime], None]
"""Gets an upload that was read, within the transaction that stores its result."""


def _no_labels(_cursor: Cursor, _row: UploadRow, _now: datetime) -> None:
    return


class ReadPicture(ReadUpload):
    """Reads a picture, or the pages of a document.

    Args:
        on_read: Has the picture labelled.
    """

    kind = READ_PICTURE
    deadline_s = 5 * PICTURE_TIMEOUT_S + 60.0  # a document has five pages by default

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
        on_read: OnRead = _no_labels,
    ) -> None:
        super().__init__(ledger, spool, gateway, pubsub, artifacts, clock, seals, guide=guide)
        self._on_read = on_read

    def _store(self, cursor: Cursor, upload_id: str, result: ReadResult) -> tuple[UploadRow, SessionRow | None]:
        row, moved = super()._store(cursor, upload_id, result)
        self._on_read(cursor, row, self._clock())
        return row, moved

    async def _read(self, job: JobRow, upload: UploadRow, language: str, scope: RedactionScope) -> ReadResult:
        content = await asyncio.to_thread(self._spool.read, job.payload["spool_id"])
        await self._progress(upload.id, DECRYPTED)
        page = await self._gateway.read_picture(
            content, document_type=upload.kind, timeout_s=PICTURE_TIMEOUT_S * len(unpack(content)), scope=scope
        )
        name = await self._keep(job, page.image_mime, page.image)
        artifact = Artifact(name, page.image_mime, len(page.image), page.painted, page.width, page.height)
        return ReadResult(page.text, page.compute_s, artifact, page.sealed, picture_lines.rows_of(page))
