"""AdminService: the state of the server, dead letters, circuit breakers and the audit."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

from vestibule.v1 import admin_pb2, admin_pb2_grpc

from server.access import ownership
from server.access.audit import AuditAction
from server.access.audit_book import AuditBook
from server.access.caller import current_caller
from server.backup.hold import FilesHold
from server.breakers.registry import Breakers
from server.erasure.eraser import Eraser
from server.jobs.letter_operations import LetterOperations
from server.jobs.runner import JobQueue
from server.ledger import dead_letters, job_attempts, jobs
from server.ledger.columns import Cursor
from server.ledger.erasure import ErasureScope, ErasureTarget
from server.ledger.letter_filter import LetterFilter
from server.ledger.transactional import Ledger
from server.records.machine_words import MachineWords
from server.records.status import StatusReporter
from server.rpc import convert
from server.services.admin_messages import breaker_message, erased_message, retry_policy_message
from server.services.audit_messages import audit_filter, audit_page, audit_report
from server.services.letter_messages import (
    discarded,
    letter_counts,
    letter_filter,
    letter_message,
    letter_with_attempts,
    redriven,
)
from server.services.speech_model_messages import compare_response, speech_models_message
from server.speech_models.report import report
from server.speech_models.shadow import FinalsShadow
from server.uploads.key_rotation import SpoolKeyRotation

DEFAULT_PAGE = 100

_SCOPES = {
    "session_id": ErasureScope.SESSION,
    "client_id": ErasureScope.CLIENT,
    "subject_hash": ErasureScope.SUBJECT,
}


class AdminService(admin_pb2_grpc.AdminServiceServicer):
    """See protos/vestibule/v1/admin.proto."""

    def __init__(
        self,
        status: StatusReporter,
        ledger: Ledger,
        jobs: JobQueue,
        breakers: Breakers,
        words: MachineWords,
        eraser: Eraser,
        audit: AuditBook,
        operations: LetterOperations,
        spool_key: SpoolKeyRotation,
        hold: FilesHold,
        shadow: FinalsShadow,
    ) -> None:
        self._status = status
        self._ledger = ledger
        self._jobs = jobs
        self._breakers = breakers
        self._words = words
        self._eraser = eraser
        self._audit = audit
        self._operations = operations
        self._spool_key = spool_key
        self._hold = hold
        self._shadow = shadow

    async def GetStatus(  # noqa: N802, D102
        self, request: admin_pb2.GetStatusRequest, context: Any
    ) -> admin_pb2.GetStatusResponse:
        now = await self._status.report()
        return admin_pb2.GetStatusResponse(
            version=now.version,
            start_time=convert.timestamp(now.start_time),
            components=[
                admin_pb2.Component(name=c.name, healthy=c.healthy, detail=c.detail, reason=c.reason)
                for c in now.components
            ],
            open_job_count=now.open_jobs,
            open_stream_count=now.open_streams,
            dead_letter_count=now.dead_letters,
            retry_policies=[retry_policy_message(policy) for policy in now.retry_policies],
            dashboard_url=now.dashboard_url,
        )

    async def ListDeadLetters(  # noqa: N802, D102
        self, request: admin_pb2.ListDeadLettersRequest, context: Any
    ) -> admin_pb2.ListDeadLettersResponse:
        which = self._letters_of(request.filter)

        def read(cursor: Cursor) -> admin_pb2.ListDeadLettersResponse:
            rows, next_token = dead_letters.list_letters(
                cursor,
                page_size=request.page_size or DEFAULT_PAGE,
                page_token=request.page_token,
                include_closed=request.include_closed,
                which=which,
            )
            return admin_pb2.ListDeadLettersResponse(
                dead_letters=[letter_message(row) for row in rows],
                next_page_token=next_token,
                total_count=dead_letters.count_letters(cursor, which, include_closed=request.include_closed),
                open_counts=letter_counts(dead_letters.open_counts(cursor, replace(which, kind="", reason=""))),
            )

        return await self._ledger.read(read)

    async def RetryDeadLetter(  # noqa: N802, D102
        self, request: admin_pb2.RetryDeadLetterRequest, context: Any
    ) -> admin_pb2.RetryDeadLetterResponse:
        row = await self._jobs.redrive(request.dead_letter_id)
        return admin_pb2.RetryDeadLetterResponse(dead_letter=letter_message(row))

    async def DiscardDeadLetter(  # noqa: N802, D102
        self, request: admin_pb2.DiscardDeadLetterRequest, context: Any
    ) -> admin_pb2.DiscardDeadLetterResponse:
        row = await self._jobs.discard(request.dead_letter_id, await self._words.replaced(request.reason))
        return admin_pb2.DiscardDeadLetterResponse(dead_letter=letter_message(row))

    def _letters_of(self, request: admin_pb2.DeadLetterFilter) -> LetterFilter:
        return letter_filter(request, current_caller().client_id, self._audit.trail.client_pseudonym)

    async def GetDeadLetter(  # noqa: N802, D102
        self, request: admin_pb2.GetDeadLetterRequest, context: Any
    ) -> admin_pb2.GetDeadLetterResponse:
        caller = current_caller()

        def read(cursor: Cursor) -> admin_pb2.GetDeadLetterResponse:
            row = ownership.dead_letter(cursor, request.dead_letter_id, caller)
            attempts = job_attempts.list_of_job(cursor, row.job_id)
            return letter_with_attempts(row, attempts, jobs.get(cursor, row.job_id).payload)

        return await self._ledger.read(read)

    async def RedriveDeadLetters(  # noqa: N802, D102
        self, request: admin_pb2.RedriveDeadLettersRequest, context: Any
    ) -> admin_pb2.RedriveDeadLettersResponse:
        which = self._letters_of(request.filter)
        if request.dry_run:
            return redriven(await self._operations.preview(which))
        reason = await self._words.replaced(request.reason)
        return redriven(await self._operations.redrive(which, request.operation_id, reason))

    async def DiscardDeadLetters(  # noqa: N802, D102
        self, request: admin_pb2.DiscardDeadLettersRequest, context: Any
    ) -> admin_pb2.DiscardDeadLettersResponse:
        which = self._letters_of(request.filter)
        if request.dry_run:
            return discarded(await self._operations.preview(which))
        reason = await self._words.replaced(request.reason)
        return discarded(await self._operations.discard(which, request.operation_id, reason))

    async def ListBreakers(  # noqa: N802, D102
        self, request: admin_pb2.ListBreakersRequest, context: Any
    ) -> admin_pb2.ListBreakersResponse:
        found = [breaker_message(snapshot) for snapshot in self._breakers.snapshots()]
        return admin_pb2.ListBreakersResponse(breakers=found)

    async def ResetBreaker(  # noqa: N802, D102
        self, request: admin_pb2.ResetBreakerRequest, context: Any
    ) -> admin_pb2.ResetBreakerResponse:
        breaker = self._breakers.get(request.name)
        await self._audit.record(AuditAction.BREAKER_RESET, ("breaker", breaker.name))
        breaker.reset()
        return admin_pb2.ResetBreakerResponse(breaker=breaker_message(breaker.snapshot()))

    async def TripBreaker(  # noqa: N802, D102
        self, request: admin_pb2.TripBreakerRequest, context: Any
    ) -> admin_pb2.TripBreakerResponse:
        breaker = self._breakers.get(request.name)
        await self._audit.record(AuditAction.BREAKER_TRIPPED, ("breaker", breaker.name))
        breaker.trip()
        return admin_pb2.TripBreakerResponse(breaker=breaker_message(breaker.snapshot()))

    async def GetSpeechModels(  # noqa: N802, D102
        self, request: admin_pb2.GetSpeechModelsRequest, context: Any
    ) -> admin_pb2.GetSpeechModelsResponse:
        return admin_pb2.GetSpeechModelsResponse(speech_models=speech_models_message(self._shadow.choice))

    async def UseSpeechModel(  # noqa: N802, D102
        self, request: admin_pb2.UseSpeechModelRequest, context: Any
    ) -> admin_pb2.UseSpeechModelResponse:
        await self._shadow.choice.use(request.weights)
        return admin_pb2.UseSpeechModelResponse(speech_models=speech_models_message(self._shadow.choice))

    async def ShadowSpeechModel(  # noqa: N802, D102
        self, request: admin_pb2.ShadowSpeechModelRequest, context: Any
    ) -> admin_pb2.ShadowSpeechModelResponse:
        await self._shadow.choice.shadow(request.weights, request.share)
        return admin_pb2.ShadowSpeechModelResponse(speech_models=speech_models_message(self._shadow.choice))

    async def DiscardSpeechCandidate(  # noqa: N802, D102
        self, request: admin_pb2.DiscardSpeechCandidateRequest, context: Any
    ) -> admin_pb2.DiscardSpeechCandidateResponse:
        await self._shadow.choice.discard()
        return admin_pb2.DiscardSpeechCandidateResponse(speech_models=speech_models_message(self._shadow.choice))

    async def CompareSpeechModels(  # noqa: N802, D102
        self, request: admin_pb2.CompareSpeechModelsRequest, context: Any
    ) -> admin_pb2.CompareSpeechModelsResponse:
        choice, client_id = self._shadow.choice, current_caller().client_id
        found = await report(self._ledger, choice, client_id=client_id, examples=request.example_count)
        return compare_response(found, self._shadow)

    async def RotateSpoolKey(  # noqa: N802, D102
        self, request: admin_pb2.RotateSpoolKeyRequest, context: Any
    ) -> admin_pb2.RotateSpoolKeyResponse:
        now = await self._spool_key.rotate(request.key_id)
        return admin_pb2.RotateSpoolKeyResponse(
            key_id=now.key_id,
            done_count=now.done,
            remaining_count=now.remaining,
            finished=now.finished,
            in_use_count=now.in_use,
            damaged_count=now.damaged,
            no_room_count=now.no_room,
            refused_count=now.refused,
            more=now.more,
            given=now.given,
        )

    async def HoldForBackup(  # noqa: N802, D102
        self, request_iterator: AsyncIterator[admin_pb2.HoldForBackupRequest], context: Any
    ) -> AsyncIterator[admin_pb2.HoldForBackupResponse]:
        async with self._hold.held() as marks:
            async for mark in marks(request_iterator):
                yield admin_pb2.HoldForBackupResponse(
                    ledger_inode=mark.file,
                    wal_inode=mark.wal,
                    wal_bytes=mark.wal_bytes,
                    spool_inode=self._hold.spool_inode,
                )

    async def Erase(  # noqa: N802, D102
        self, request: admin_pb2.EraseRequest, context: Any
    ) -> admin_pb2.EraseResponse:
        field = request.WhichOneof("target") or ""  # the rules of the proto ask for one
        target = ErasureTarget(_SCOPES[field], getattr(request, field))
        if request.dry_run:
            return erased_message("", await self._eraser.preview(target))
        # A caller that goes away does not stop an erasure.
        return erased_message(*await asyncio.shield(self._eraser.erase(target)))

    async def ListAuditEntries(  # noqa: N802, D102
        self, request: admin_pb2.ListAuditEntriesRequest, context: Any
    ) -> admin_pb2.ListAuditEntriesResponse:
        wanted = audit_filter(request, current_caller().client_id)
        return audit_page(*await self._audit.list(wanted, request.page_size or DEFAULT_PAGE, request.page_token))

    async def VerifyAudit(  # noqa: N802, D102
        self, request: admin_pb2.VerifyAuditRequest, context: Any
    ) -> admin_pb2.VerifyAuditResponse:
        return audit_report(await self._audit.verify())
