"""Accepts uploads. An accepted upload is durable in spool and ledger before the caller gets its answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime

from models.errors import Conflict, DeadlineExceeded, NotFound, VestibuleError
from models.media.formats import HEAD_BYTES, detect
from models.reasons import Reason
from server.ledger import events, jobs, sessions, uploads
from server.ledger.columns import Cursor
from server.ledger.needed_media import needed_spool_ids
from server.ledger.types import Clock, JobRow, JobState, SessionRow, UploadRow, UploadState, utc_now
from server.ledger.writer import Ledger
from server.records.events import make_event
from server.records.pubsub import PubSub
from server.records.session_progress import note_new_input
from server.uploads.checks import CheckStage, DeclaredUpload, ReceivedBytes, UploadCheck, size_mismatch
from server.uploads.receiver import UploadReceiver
from server.uploads.spool import Spool

READ_UPLOAD = "read_upload"
"""Kind of the job that reads an upload."""

BATCH_BYTES = 1024 * 1024
"""Bytes that are sealed and written to the spool at a time."""

STALL_S = 30.0
"""Seconds without data after which an upload is refused."""


@dataclass(frozen=True, slots=True)
class _Facts:
    """What the ledger says about an upload before its first byte."""

    session: SessionRow | None
    upload: UploadRow | None
    jobs: int


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the transaction stored. ``new`` is False if the same upload was accepted by another call meanwhile."""

    upload: UploadRow
    session: SessionRow
    new: bool


class UploadService:
    """Accepts uploads, many at a time.

    Args:
        ledger: Where the upload and its job are recorded.
        spool: Keeps the content.
        pubsub: Gets every accepted upload.
        checks: What an upload must pass, see ``default_checks``.
        on_job: Called after a job was committed, on the event loop.
        stall_s: Seconds without data after which an upload is refused.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        pubsub: PubSub,
        checks: tuple[tuple[CheckStage, UploadCheck], ...],
        *,
        on_job: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
        stall_s: float = STALL_S,
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._pubsub = pubsub
        self._checks = checks
        self._on_job = on_job
        self._clock = clock
        self._stall_s = stall_s
        self._receiving: set[str] = set()
        self._storing: set[asyncio.Task[UploadRow]] = set()

    async def accept(self, description: DeclaredUpload, chunks: AsyncIterator[bytes]) -> UploadRow:
        """Accept one upload.

        Args:
            description: What the client says about it.
            chunks: Its bytes, in pieces of any size.

        Returns:
            The upload, ACCEPTED; or as it is now, when the same content was accepted under its id before.

        Raises:
            NotFound: SESSION_NOT_FOUND.
            Conflict: SESSION_ENDED, or UPLOAD_ID_REUSED.
            TooLarge: UPLOAD_TOO_LARGE.
            InvalidInput: SIZE_MISMATCH, HASH_MISMATCH, MEDIA_TYPE_MISMATCH, UPLOAD_EMPTY.
            UnsupportedMedia: The format of the content is not supported.
            Overloaded: JOBS_FULL, SPOOL_FULL.
            DeadlineExceeded: UPLOAD_STALLED.
        """
        facts = await self._ledger.read(lambda cursor: _facts(cursor, description))
        if facts.upload is not None:
            return await self._repeated(facts.upload, description, chunks)
        seen = ReceivedBytes(description, facts.session, facts.jobs + len(self._receiving) + 1)
        await self._check(CheckStage.DESCRIBED, seen)
        return await self._accept_new(seen, chunks)

    async def sweep(self) -> int:
        """Delete content of the spool that no job needs. A kill may leave such content.

        Content is needed while its job waits or runs, or while its dead letter can be redriven.

        Returns:
            The number of files deleted.
        """
        # Files first, then jobs: a listed file that is not being received either has its job already or never gets one.
        files = await asyncio.to_thread(self._spool.ids) - self._receiving
        files -= await self._ledger.read(needed_spool_ids)
        for spool_id in files:
            await asyncio.to_thread(self._spool.delete, spool_id)
        parts = await asyncio.to_thread(self._spool.part_ids) - self._receiving
        for spool_id in parts:
            await asyncio.to_thread(self._spool.delete_part, spool_id)
        return len(files) + len(parts)

    async def drain(self) -> None:
        """Wait for uploads that are being stored, whether their callers wait or not."""
        if self._storing:
            await asyncio.wait(self._storing)

    async def _accept_new(self, seen: ReceivedBytes, chunks: AsyncIterator[bytes]) -> UploadRow:
        # A random name, because two streams may send the same upload at the same time.
        spool_id = str(uuid.uuid4())
        self._receiving.add(spool_id)
        try:
            seen = await self._receive(seen, chunks, UploadReceiver())
            seen = await self._check(CheckStage.ARRIVED, seen)
        except BaseException:
            self._receiving.discard(spool_id)
            raise
        # From here on this task stores or removes the content, even if the caller goes away.
        storing = asyncio.create_task(self._store(seen, spool_id))
        self._storing.add(storing)
        storing.add_done_callback(self._stored)
        return await asyncio.shield(storing)

    async def _receive(
        self, seen: ReceivedBytes, chunks: AsyncIterator[bytes], receiver: UploadReceiver
    ) -> ReceivedBytes:
        declared_bytes = seen.description.size_bytes
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._stall_s) as stall:
                async for chunk in chunks:
                    if receiver.size_bytes + len(chunk) > declared_bytes:
                        raise size_mismatch(seen.description)
                    receiver.take(chunk)
                    if seen.found is None and receiver.size_bytes >= min(HEAD_BYTES, declared_bytes):
                        seen = await self._begun(seen, receiver)
                    stall.reschedule(loop.time() + self._stall_s)
        except TimeoutError as exc:
            raise DeadlineExceeded(
                f"No data arrived for {self._stall_s:g} s.", reason=Reason.UPLOAD_STALLED, hint="Send the upload again."
            ) from exc
        content, sha256 = receiver.finish()
        return replace(seen, size_bytes=receiver.size_bytes, sha256=sha256, content=content)

    async def _begun(self, seen: ReceivedBytes, receiver: UploadReceiver) -> ReceivedBytes:
        seen = replace(seen, found=detect(receiver.head), size_bytes=receiver.size_bytes)
        return await self._check(CheckStage.BEGUN, seen)

    async def _store(self, seen: ReceivedBytes, spool_id: str) -> UploadRow:
        new = False
        try:
            await asyncio.to_thread(self._spool.put, spool_id, _batches(seen.content))
            upload, job = _rows(seen, spool_id, self._clock())
            kept = await self._ledger.write(lambda cursor: _record(cursor, upload, job))
            new = kept.new
        finally:
            if not new:
                await self._delete_unless_needed(spool_id)
            self._receiving.discard(spool_id)
        if new:
            self._pubsub.publish(kept.session, kept.session.id)
            self._pubsub.publish(kept.upload, kept.session.id, kept.upload.id)
            self._on_job()
        return kept.upload

    async def _delete_unless_needed(self, spool_id: str) -> None:
        # A failed write may have been committed; ``sweep`` asks the ledger later.
        with suppress(VestibuleError):
            if spool_id not in await self._ledger.read(needed_spool_ids):
                await asyncio.to_thread(self._spool.delete, spool_id)

    def _stored(self, task: asyncio.Task[UploadRow]) -> None:
        self._storing.discard(task)
        if not task.cancelled():
            task.exception()  # the caller gets the error too, if it still waits

    async def _repeated(
        self, stored: UploadRow, description: DeclaredUpload, chunks: AsyncIterator[bytes]
    ) -> UploadRow:
        if description.session_id != stored.session_id or description.size_bytes != stored.size_bytes:
            raise _reused()
        sha256 = description.sha256
        if not sha256:
            seen = await self._receive(ReceivedBytes(description, None, 0), chunks, UploadReceiver(keep=False))
            sha256 = seen.sha256
        if sha256.hex() != stored.sha256:
            raise _reused()
        return stored

    async def _check(self, stage: CheckStage, seen: ReceivedBytes) -> ReceivedBytes:
        """Run the checks of a stage in order; each sees the content as the one before left it."""
        for when, check in self._checks:
            if when is stage and (clean := await check(seen)) is not None:
                seen = replace(seen, content=clean.content)
        return seen


def _batches(content: bytes) -> Iterator[bytes]:
    """The content in pieces that the spool writes efficiently."""
    return (content[start : start + BATCH_BYTES] for start in range(0, len(content), BATCH_BYTES))


def _facts(cursor: Cursor, description: DeclaredUpload) -> _Facts:
    try:
        session = sessions.get(cursor, description.session_id)
    except NotFound:
        session = None
    return _Facts(session, _find(cursor, description.upload_id), jobs.count_open(cursor))


def _find(cursor: Cursor, upload_id: str) -> UploadRow | None:
    try:
        return uploads.get(cursor, upload_id)
    except NotFound:
        return None


def _record(cursor: Cursor, upload: UploadRow, job: JobRow) -> _Kept:
    known = _find(cursor, upload.id)
    if known is not None:
        if (known.session_id, known.sha256) != (upload.session_id, upload.sha256):
            raise _reused()
        return _Kept(known, sessions.get(cursor, known.session_id), new=False)
    session, _moved = note_new_input(cursor, upload.session_id, upload.create_time)
    uploads.insert_upload(cursor, upload)
    jobs.enqueue(cursor, job)
    accepted = make_event(
        session,
        "upload_accepted",
        upload.create_time,
        kind=upload.kind or "unspecified",
        media_type=upload.media_type,
        size_bytes=upload.size_bytes,
    )
    events.append(cursor, accepted)
    return _Kept(upload, session, new=True)


def _rows(seen: ReceivedBytes, spool_id: str, now: datetime) -> tuple[UploadRow, JobRow]:
    described = seen.description
    assert seen.found is not None
    upload = UploadRow(
        id=described.upload_id,
        session_id=described.session_id,
        kind=described.kind,
        state=UploadState.ACCEPTED,
        size_bytes=seen.size_bytes,
        sha256=seen.sha256.hex(),
        media_type=seen.found.mime,
        create_time=now,
        update_time=now,
    )
    job = JobRow(
        id=str(uuid.uuid4()),
        kind=READ_UPLOAD,
        key=f"{READ_UPLOAD}:{upload.id}",
        session_id=upload.session_id,
        payload={"upload_id": upload.id, "spool_id": spool_id},
        state=JobState.QUEUED,
        policy="network",
        create_time=now,
        next_attempt_time=now,
    )
    return upload, job


def _reused() -> Conflict:
    return Conflict(
        "Another upload has this id.", reason=Reason.UPLOAD_ID_REUSED, hint="Make a new upload_id for new content."
    )
