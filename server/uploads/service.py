"""Accepts uploads. An accepted upload is durable in spool and ledger before the caller gets its answer."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import AbstractAsyncContextManager, nullcontext, suppress
from dataclasses import replace
from typing import Any, TypeVar

from models.errors import VestibuleError
from models.media.formats import HEAD_BYTES, detect
from models.text import RedactedText
from models.tracing.attributes import CHECK_STAGE, MEDIUM, SESSION_ID, SIZE_BYTES
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from server.access.caller import current_caller
from server.ledger import sessions
from server.ledger.needed_media import needed_spool_ids
from server.ledger.transactional import Ledger
from server.ledger.types import Clock, SessionRow, UploadRow, utc_now
from server.records.pubsub import PubSub
from server.uploads import transactions
from server.uploads.arriving import ArrivingUploads
from server.uploads.checks import size_mismatch
from server.uploads.clean_form import CleanForm
from server.uploads.display_name import DisplayNames
from server.uploads.pace import UploadPace, paced
from server.uploads.quota import UploadQuota
from server.uploads.receiver import UploadReceiver
from server.uploads.refusals import RefusalRecorder, caused_by_server
from server.uploads.spool import Spool
from server.uploads.types import CheckStage, CheckStep, DeclaredUpload, ReceivedBytes, Waiting

T = TypeVar("T")


class UploadService:
    """Accepts uploads, many at a time.

    Args:
        ledger: Where the upload and its job are recorded.
        spool: Keeps the content.
        pubsub: Gets every accepted upload.
        checks: What an upload must pass, see ``default_checks``.
        quota: What the checks reserve; here an attempt's share is corrected or given back.
        refusals: Gets every refused upload.
        names: Redacts display names.
        on_job: Called after a job was committed, on the event loop.
        pace: How slowly its bytes may come.
    """

    def __init__(
        self,
        ledger: Ledger,
        spool: Spool,
        pubsub: PubSub,
        checks: tuple[CheckStep, ...],
        quota: UploadQuota,
        refusals: RefusalRecorder,
        names: DisplayNames,
        *,
        on_job: Callable[[], None] = lambda: None,
        clock: Clock = utc_now,
        pace: UploadPace = UploadPace(),  # noqa: B008 - it is frozen
    ) -> None:
        self._ledger = ledger
        self._spool = spool
        self._pubsub = pubsub
        self._checks = checks
        self._quota = quota
        self._refusals = refusals
        self._names = names
        self._on_job = on_job
        self._clock = clock
        self._pace = pace
        self._arriving = ArrivingUploads()
        self._storing: set[str] = set()
        self._background: set[asyncio.Task[Any]] = set()

    async def accept(self, description: DeclaredUpload, chunks: AsyncIterator[bytes]) -> UploadRow:
        """Accept one upload.

        Args:
            description: What the client says about it.
            chunks: Its bytes, in pieces of any size.

        Returns:
            The upload, ACCEPTED; or as it is now, when the same content was accepted under its id before.

        Raises:
            VestibuleError: A check refuses it, ``default_checks`` lists with which reasons; UPLOAD_ID_REUSED,
                UPLOAD_STALLED, UPLOAD_TOO_SLOW, UPLOAD_CHUNKS_TOO_SMALL; or a failure of the spool or the ledger.
        """
        with child_span(SpanName.UPLOAD) as span:
            span.set(SESSION_ID, description.session_id)
            span.set(SIZE_BYTES, description.size_bytes)
            return await self._accept(description, chunks)

    async def _accept(self, description: DeclaredUpload, chunks: AsyncIterator[bytes]) -> UploadRow:
        caller = current_caller()
        facts = await self._ledger.read(lambda cursor: transactions.facts_of(cursor, description, caller))
        # What is stored is encoded anew: a recording may be many times as large as what was sent.
        stored_bytes = await asyncio.to_thread(self._spool.size_bytes, facts.spool_ids)
        facts = replace(facts, waiting=replace(facts.waiting, session_bytes=stored_bytes))
        arriving: AbstractAsyncContextManager[None] = nullcontext()
        if facts.session is not None:  # otherwise the first check refuses it, and it must not count for the session
            arriving = self._arriving.counted(description)
        # A random name, because two streams may send the same upload at the same time.
        attempt_id = str(uuid.uuid4())
        async with arriving:
            if facts.upload is not None:
                return await self._repeated(attempt_id, facts.session, facts.upload, description, chunks)
            return await self._accept_new(attempt_id, facts, description, chunks)

    async def end_sessions(self, session_ids: frozenset[str]) -> None:
        """End arriving uploads of sessions that are being erased, as if there were no such session.

        Returns when each is gone, or is in the ledger and the spool.
        """
        await self._arriving.end_sessions(session_ids)
        await self.drain()

    async def sweep(self) -> int:
        """Delete content of the spool that no job needs. A kill may leave such content.

        Content is needed while its job waits or runs, or while its dead letter can be redriven.

        Returns:
            The number of files deleted. Those that a backup makes wait are not counted.
        """
        # Files first, then jobs: a listed file that is not being stored either has its job already or never gets one.
        await self._quota.sweep()
        files = await asyncio.to_thread(self._spool.ids) - self._storing
        files -= await self._ledger.read(needed_spool_ids)
        files -= await asyncio.to_thread(self._spool.of_others, files)
        deleted = 0
        for spool_id in files:
            deleted += await asyncio.to_thread(self._spool.delete, spool_id)
        parts = await asyncio.to_thread(self._spool.part_ids) - self._storing
        parts -= await asyncio.to_thread(self._spool.of_others, parts)
        for spool_id in parts:
            deleted += await asyncio.to_thread(self._spool.delete_part, spool_id)
        return deleted

    async def drain(self) -> None:
        """Wait for uploads that are being stored or refused, whether their callers wait or not."""
        if self._background:
            await asyncio.wait(self._background)

    async def _accept_new(
        self, attempt_id: str, facts: transactions.KnownFacts, description: DeclaredUpload, chunks: AsyncIterator[bytes]
    ) -> UploadRow:
        stored = replace(facts.waiting, spool_bytes=self._spool.usage.used_bytes)
        waiting = self._arriving.added_to(stored, description.session_id)
        seen = ReceivedBytes(attempt_id, description, facts.session, waiting)
        receiver = UploadReceiver()
        counted = False
        try:
            await self._check(CheckStage.DESCRIBED, seen)
            counted = True
            seen = await self._receive(seen, chunks, receiver)
            return await self._check_and_store(seen)
        except VestibuleError as error:
            seen = replace(seen, found=seen.found or detect(receiver.head), size_bytes=receiver.size_bytes)
            await asyncio.shield(self._in_background(self._refused(seen, error, counted)))
            raise
        except asyncio.CancelledError:
            if counted and receiver.size_bytes < description.size_bytes:
                self._in_background(self._quota.settle(attempt_id, receiver.size_bytes))
            raise

    async def _refused(self, seen: ReceivedBytes, error: VestibuleError, counted: bool) -> None:
        await self._refusals.record(seen, error)
        if not counted:
            return
        with suppress(VestibuleError):  # then it counts as it was declared
            if caused_by_server(error):
                await self._quota.forget(seen.attempt_id)
            elif seen.size_bytes < seen.description.size_bytes:
                await self._quota.settle(seen.attempt_id, seen.size_bytes)

    async def _receive(
        self, seen: ReceivedBytes, chunks: AsyncIterator[bytes], receiver: UploadReceiver
    ) -> ReceivedBytes:
        declared_bytes = seen.description.size_bytes
        async for chunk in paced(chunks, self._pace):
            if receiver.size_bytes + len(chunk) > declared_bytes:
                raise size_mismatch(seen.description)
            receiver.take(chunk)
            if seen.found is None and receiver.size_bytes >= min(HEAD_BYTES, declared_bytes):
                seen = await self._begun(seen, receiver)
        content, sha256 = receiver.finish()
        return replace(seen, size_bytes=receiver.size_bytes, sha256=sha256, content=content)

    async def _begun(self, seen: ReceivedBytes, receiver: UploadReceiver) -> ReceivedBytes:
        seen = replace(seen, found=detect(receiver.head), size_bytes=receiver.size_bytes)
        await self._check(CheckStage.BEGUN, seen)
        return seen

    async def _check_and_store(self, seen: ReceivedBytes) -> UploadRow:
        form = CleanForm(self._spool, seen.attempt_id)
        self._storing.add(form.spool_id)
        passed = False
        try:
            await self._check(CheckStage.ARRIVED, replace(seen, clean_form=form))
            passed = True
        finally:
            if not passed:
                await asyncio.shield(self._in_background(self._discard(form)))
        # From here on this task stores or removes the content, even if the caller goes away.
        return await asyncio.shield(self._in_background(self._store(seen, form)))

    async def _discard(self, form: CleanForm) -> None:
        with suppress(VestibuleError):  # what an error of the disk leaves is for ``sweep``
            await asyncio.to_thread(form.abort)
        self._storing.discard(form.spool_id)

    async def _store(self, seen: ReceivedBytes, form: CleanForm) -> UploadRow:
        spool_id = form.spool_id
        new = False
        try:
            await asyncio.to_thread(form.commit)
            upload, job = transactions.rows_of(seen, await self._name(seen), spool_id, self._clock())
            caller = current_caller()
            kept = await self._ledger.write(lambda cursor: transactions.record(cursor, upload, job, caller))
            new = kept.new
        finally:
            if not new:
                await self._delete_unless_needed(spool_id)
            self._storing.discard(spool_id)
        if new:
            self._pubsub.publish(kept.session, kept.session.id)
            self._pubsub.publish(kept.upload, kept.session.id, kept.upload.id)
            self._on_job()
        return kept.upload

    async def _name(self, seen: ReceivedBytes) -> RedactedText | None:
        given, session = seen.description.display_name, seen.session
        if not given or session is None:
            return None
        language = await self._ledger.read(lambda cursor: sessions.language_of(cursor, session))
        return await self._names.redacted(given, session, language)

    async def _delete_unless_needed(self, spool_id: str) -> None:
        # A failed write may have been committed; ``sweep`` asks the ledger later.
        with suppress(VestibuleError):
            if spool_id not in await self._ledger.read(needed_spool_ids):
                await asyncio.to_thread(self._spool.delete, spool_id)

    def _in_background(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Do work that a caller who leaves does not interrupt; ``drain`` waits for it."""
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[Any]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # the caller gets the error too, if it still waits

    async def _repeated(
        self,
        attempt_id: str,
        session: SessionRow | None,
        stored: UploadRow,
        description: DeclaredUpload,
        chunks: AsyncIterator[bytes],
    ) -> UploadRow:
        if description.session_id != stored.session_id or description.size_bytes != stored.size_bytes:
            raise transactions.reused()
        sha256 = description.sha256
        if not sha256:
            seen = ReceivedBytes(attempt_id, description, session)
            sha256 = await self._hash_of_repeated(seen, chunks)
        if sha256.hex() != stored.sha256:
            raise transactions.reused()
        return stored

    async def _hash_of_repeated(self, seen: ReceivedBytes, chunks: AsyncIterator[bytes]) -> bytes:
        """Receive an upload only to hash it; nothing of it waits, but its bytes arrive and count like any others."""
        seen = replace(seen, waiting=Waiting(arriving_bytes=self._arriving.size_bytes))
        for step in self._checks:
            if step.of_repeats:
                await step.check(seen)
        receiver = UploadReceiver(keep=False)
        try:
            return (await self._receive(seen, chunks, receiver)).sha256
        finally:
            if receiver.size_bytes < seen.description.size_bytes:
                self._in_background(self._quota.settle(seen.attempt_id, receiver.size_bytes))

    async def _check(self, stage: CheckStage, seen: ReceivedBytes) -> None:
        """Run the checks of a stage in order."""
        with child_span(SpanName.UPLOAD_CHECK) as span:
            span.set(CHECK_STAGE, stage.name.lower())
            if seen.found is not None:
                span.set(MEDIUM, seen.found.kind)
            for step in self._checks:
                if step.stage is stage:
                    await step.check(seen)
