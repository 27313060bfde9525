"""The gateway to the workers with a breaker for each kind, so that calls fail at once while the workers fail."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from io import BytesIO

from PIL import Image

from models.deadline import time_left_s
from models.errors import DeadlineExceeded, InternalError, Unavailable, WorkerLost, WorkTooLong
from models.media.samples import SAMPLE_RATE_HZ
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.text import RawText
from models.vision.types import RedactedPage
from ray_tasks.types import (
    EngineInfo,
    Gateway,
    RecordingResult,
    RecordingSource,
    SpeechModels,
    SpeechStep,
    SpeechWindow,
)
from server.breakers.client_pauses import ClientPauses
from server.breakers.suspects import current_suspicion
from server.breakers.types import BreakerState, Outcome
from server.breakers.worker_calls import WorkerCall, WorkerCalls

SPEECH, VISION, REDACTION = "speech", "vision", "redaction"
SPEECH_WORKER = "speech_worker"
VISION_WORKER = "vision_worker"
PROBE_TIMEOUT_S = 15.0
"""Bound of a health probe; a worker that works needs less than a second for it."""


def judge_worker_error(error: Exception) -> Outcome:
    """What an error says about the workers.

    A full queue, bad input, input that takes too long, and a redaction that fails are not their fault. Workers that are
    not there are reported at once anyway.
    """
    if isinstance(error, WorkTooLong):
        return Outcome.NOTHING
    failed = isinstance(error, WorkerLost | InternalError | DeadlineExceeded)
    unreachable = isinstance(error, Unavailable) and error.reason == Reason.CLUSTER_UNAVAILABLE
    return Outcome.FAILURE if failed or unreachable else Outcome.NOTHING


class GuardedGateway:
    """Implements ``ray_tasks.types.Gateway`` on another one. Every guarded method raises BreakerOpen too.

    Redaction has no breaker: without it nothing can be done, and its calls are short.

    Args:
        gateway: Calls the workers.
        speech: With the breaker that guards recognition, of streams and of recordings.
        vision: With the breaker that guards the reading of pictures.
        clock: Seconds, never going back.
    """

    def __init__(
        self,
        gateway: Gateway,
        speech: ClientPauses,
        vision: ClientPauses,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._gateway = gateway
        self._pauses = {SPEECH: speech, VISION: vision}
        self._calls = WorkerCalls(clock)

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window of a stream. A partial that is late counts as nothing: it is optional."""
        async with self._guarded(SPEECH, window.scope, timeout_s, late_counts=window.final):
            return await self._gateway.speech_step(window, timeout_s=timeout_s)

    async def read_recording(
        self,
        recording: RecordingSource,
        *,
        language: str,
        timeout_s: float,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """Decode, recognise and redact a whole recording."""
        async with self._guarded(SPEECH, scope, timeout_s):
            return await self._gateway.read_recording(
                recording, language=language, timeout_s=timeout_s, scope=scope, keep_redacted=keep_redacted
            )

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """Decode, read and redact a picture."""
        async with self._guarded(VISION, scope, timeout_s):
            return await self._gateway.read_picture(data, document_type=document_type, timeout_s=timeout_s, scope=scope)

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """Redact a batch of texts."""
        with self._noted(REDACTION, context.scope):
            return await self._gateway.redact(texts, context, timeout_s=timeout_s)

    async def use_speech_models(self, models: SpeechModels, *, timeout_s: float) -> None:
        """Have speech recognised by other weights, also while the breaker is open: they may be what helps."""
        await self._gateway.use_speech_models(models, timeout_s=timeout_s)

    async def candidate_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window by the candidate. Nobody waits for it, so it counts for no breaker."""
        return await self._gateway.candidate_step(window, timeout_s=timeout_s)

    async def engines(self) -> list[EngineInfo]:
        """State of the kinds of worker; one whose breaker is not closed does not work."""
        return [_with_breaker(info, self._pauses.get(info.kind)) for info in await self._gateway.engines()]

    @asynccontextmanager
    async def _guarded(
        self, kind: str, scope: RedactionScope, timeout_s: float, *, late_counts: bool = True
    ) -> AsyncIterator[None]:
        pauses = self._pauses[kind]
        pauses.require(scope.client_id)
        async with pauses.breaker.guard() as guard:
            # A deadline of the caller that is shorter than the usual timeout says nothing about the workers.
            guard.late_counts = late_counts and time_left_s() > timeout_s
            with self._noted(kind, scope) as call:
                guard.failure_counts = lambda: current_suspicion() is None and pauses.record_failure(call.clients)
                yield
        pauses.end()

    @contextmanager
    def _noted(self, kind: str, scope: RedactionScope) -> Iterator[WorkerCall]:
        """Note a call while it runs, and, when its worker is lost, for a job that may be the cause, who else called."""
        with self._calls.running(kind, scope) as call:
            try:
                yield call
            except WorkerLost as error:
                if (suspicion := current_suspicion()) is not None:
                    suspicion.beside = self._calls.beside(call, everywhere=_lost_with_all(kind, error))
                raise


def _lost_with_all(kind: str, error: WorkerLost) -> bool:
    """Whether calls to any kind of worker may be the cause: the cluster was lost, or the redaction, which all use."""
    return kind == REDACTION or error.reason == Reason.CLUSTER_LOST_TWICE


def _with_breaker(info: EngineInfo, pauses: ClientPauses | None) -> EngineInfo:
    if pauses is None:
        return info
    breaker, paused = pauses.breaker, len(pauses.clients)
    if breaker.state is not BreakerState.CLOSED:
        detail = f"The breaker {breaker.name} is {breaker.state}, after {breaker.failure_count} failures in a row."
        return replace(info, healthy=False, detail=f"{info.detail} {detail}".strip())
    if paused:
        detail = f"The calls of {paused} client(s) failed {breaker.bounds.failures} times in a row and are paused."
        return replace(info, detail=f"{info.detail} {detail}".strip())
    return info


class WorkerProbes:
    """Small real calls to the workers, past their breakers.

    Args:
        gateway: Calls the workers; not the guarded one.
    """

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    async def speech(self) -> None:
        """Have half a second of silence recognised."""
        await self._gateway.speech_step(SpeechWindow(_SILENCE, final=True), timeout_s=PROBE_TIMEOUT_S)

    async def vision(self) -> None:
        """Have an empty picture read."""
        await self._gateway.read_picture(_EMPTY_PICTURE, document_type="", timeout_s=PROBE_TIMEOUT_S)


def _empty_picture() -> bytes:
    file = BytesIO()
    Image.new("RGB", (64, 64), "white").save(file, "PNG")
    return file.getvalue()


_SILENCE = bytes(4 * SAMPLE_RATE_HZ // 2)
_EMPTY_PICTURE = _empty_picture()
