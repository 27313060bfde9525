"""What the jobs that read pictures and recordings share."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from pathlib import Path

from models.errors import Conflict, VestibuleError
from models.private_files import make_private_folder, write_atomically
from models.reasons import Reason
from models.redaction.types import RedactionScope
from models.sealed_values import SealedValue
from models.text import RedactedText
from ray_tasks.types import Gateway
from server.jobs.failure_policy import NOT_BEGUN
from server.jobs.types import Completion, Handler
from server.ledger import events, picture_lines, sessions, uploads
from server.ledger.columns import Cursor, exists
from server.ledger.transactional import Ledger
from server.ledger.types import Artifact, Clock, JobRow, SessionRow, UploadRow
from server.records.events import make_event, redacted_counts
from server.records.guide import Guide
from server.records.pubsub import PubSub
from server.records.session_material import note_read
from server.records.session_scope import scope_of
from server.sealed.requests import NOTHING_SEALED, Seals
from server.uploads.disk import disk_errors
from server.uploads.spool import Spool
from server.uploads.transactions import READ_PICTURE

STARTED, DECRYPTED, READ = 0.1, 0.5, 0.9
"""Progress of an upload: attempt started, content decrypted and sent to a worker, result waiting to be stored."""

_EXTENSIONS = {"image/jpeg": "jpg", "image/png": "png", "audio/flac": "flac"}


@dataclass(frozen=True, slots=True)
class ReadResult:
    """What a worker read in an upload.

    Attributes:
        sealed: Values that are sealed for another system.
        lines: Of a picture, where its lines of print lie.
    """

    text: RedactedText
    compute_s: float
    artifact: Artifact | None
    sealed: tuple[SealedValue, ...]
    lines: picture_lines.Rows = field(default_factory=list)


class ReadUpload(Handler):
    """Reads an upload. The content is deleted from the spool when the result is durable.

    Args:
        seals: Says which values of an upload are sealed.
        guide: Notes what an upload answers in the flow of its session.
    """

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
    ) -> None:
        self._guide = guide
        self._ledger = ledger
        self._spool = spool
        self._gateway = gateway
        self._pubsub = pubsub
        self._artifacts = artifacts
        self._clock = clock
        self._seals = seals

    async def run(self, job: JobRow) -> Completion[tuple[UploadRow, SessionRow | None]]:
        """See ``Handler``."""
        upload_id = job.payload["upload_id"]
        upload, language, scope = await self._ledger.write(lambda cursor: self._begin(cursor, upload_id))
        self._publish(upload)
        result = await self._read(job, upload, language, scope)
        await self._progress(upload_id, READ)

        async def after(stored: tuple[UploadRow, SessionRow | None]) -> None:
            row, moved = stored
            if moved is not None:
                self._pubsub.publish(moved, moved.id)
            self._publish(row)
            await self._delete_content(job)

        return Completion(lambda cursor: self._store(cursor, upload_id, result), after)

    def on_fail(self, job: JobRow, error: VestibuleError, *, redrivable: bool) -> Completion[UploadRow]:
        """See ``Handler``."""

        def record(cursor: Cursor) -> UploadRow:
            now = self._clock()
            if error.reason in NOT_BEGUN:
                uploads.undo_attempt(cursor, job.payload["upload_id"], now)
            row = uploads.fail(cursor, job.payload["upload_id"], now, error.reason)
            session = sessions.get(cursor, row.session_id)
            events.append(cursor, make_event(session, "upload_failed", now, reason=error.reason.lower()))
            return row

        async def after(row: UploadRow) -> None:
            self._publish(row)
            if not redrivable:
                await self._delete_content(job)

        return Completion(record, after)

    def on_not_begun(self, job: JobRow) -> Completion[UploadRow]:
        """See ``Handler``."""
        return Completion(
            lambda cursor: uploads.undo_attempt(cursor, job.payload["upload_id"], self._clock()), self._tell
        )

    def on_redrive(self, job: JobRow) -> Completion[UploadRow]:
        """See ``Handler``."""
        return Completion(lambda cursor: uploads.redrive(cursor, job.payload["upload_id"], self._clock()), self._tell)

    async def on_discard(self, job: JobRow) -> None:
        """See ``Handler``."""
        await self._delete_content(job)

    async def _delete_content(self, job: JobRow) -> None:
        await asyncio.to_thread(self._spool.delete, job.payload["spool_id"])

    def _begin(self, cursor: Cursor, upload_id: str) -> tuple[UploadRow, str, RedactionScope]:
        uploads.begin_attempt(cursor, upload_id, self._clock())
        row = uploads.set_progress(cursor, upload_id, self._clock(), STARTED)
        session = sessions.get(cursor, row.session_id)
        seal = self._seals.request(session, picture=row.kind if self.kind == READ_PICTURE else None)
        return row, session.language, scope_of(session, self._guide.flow(session), seal)

    async def _read(self, job: JobRow, upload: UploadRow, language: str, scope: RedactionScope) -> ReadResult:
        """Have a worker read it, and keep what is to be kept."""
        raise NotImplementedError

    async def _keep(self, job: JobRow, media_type: str, content: bytes) -> str:
        # Named by the job, so that a repeated attempt overwrites the file of the one before.
        name = f"{job.id}.{_EXTENSIONS.get(media_type, 'bin')}"
        path = self._artifacts / name
        await asyncio.to_thread(_write_file, path, content)
        if not await self._ledger.read(lambda cursor: exists(cursor, "jobs", job.id)):
            # Another server has erased the session, and looked for files before this one was there.
            await asyncio.to_thread(path.unlink, missing_ok=True)
            raise Conflict("The job was erased.", reason=Reason.LEASE_LOST)
        return name

    def _store(self, cursor: Cursor, upload_id: str, result: ReadResult) -> tuple[UploadRow, SessionRow | None]:
        """Store what was read; returns the upload, and the session if that changed its stage."""
        now = self._clock()
        row = uploads.finish(cursor, upload_id, now, text=result.text, artifact=result.artifact)
        picture_lines.put(cursor, row.id, row.session_id, result.lines)
        session = sessions.get(cursor, row.session_id)
        change = self._guide.read(cursor, session, row, now, sealed=result.sealed)
        event = make_event(
            session,
            "upload_read",
            now,
            took_s=(now - row.create_time).total_seconds(),
            kind=row.kind or "unspecified",
            compute_ms=round(1000 * result.compute_s),
            sealed=change.sealed or None,
            **redacted_counts(result.text),
        )
        events.append(cursor, event)
        return row, note_read(cursor, session, row, now)

    async def _progress(self, upload_id: str, progress: float) -> None:
        row = await self._ledger.write(lambda cursor: uploads.set_progress(cursor, upload_id, self._clock(), progress))
        self._publish(row)

    async def _tell(self, row: UploadRow) -> None:
        self._publish(row)

    def _publish(self, row: UploadRow) -> None:
        self._pubsub.publish(row, row.session_id, row.id)


def _write_file(path: Path, content: bytes) -> None:
    with disk_errors():
        make_private_folder(path.parent)
        write_atomically(path, content)
