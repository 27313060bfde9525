"""The gateway to the workers with a breaker for each kind, so that calls fail at once while the workers fail."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
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
from ray_tasks.types import EngineInfo, Gateway, RecordingResult, RecordingSource, SpeechStep, SpeechWindow
from server.breakers.breaker import AsyncBreaker
from server.breakers.suspects import is_suspected
from server.breakers.types import BreakerState, Outcome

SPEECH_API = "speech_api"
VISION_API = "vision_api"
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
        speech: Guards recognition, of streams and of recordings.
        vision: Guards the reading of pictures.
    """

    def __init__(self, gateway: Gateway, speech: AsyncBreaker, vision: AsyncBreaker) -> None:
        self._gateway = gateway
        self._speech = speech
        self._vision = vision

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window of a stream. A partial that is late counts as nothing: it is optional."""
        async with _guarded(self._speech, timeout_s, late_counts=window.final):
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
        async with _guarded(self._speech, timeout_s):
            return await self._gateway.read_recording(
                recording, language=language, timeout_s=timeout_s, scope=scope, keep_redacted=keep_redacted
            )

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """Decode, read and redact a picture."""
        async with _guarded(self._vision, timeout_s):
            return await self._gateway.read_picture(data, document_type=document_type, timeout_s=timeout_s, scope=scope)

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """Redact a batch of texts."""
        return await self._gateway.redact(texts, context, timeout_s=timeout_s)

    async def engines(self) -> list[EngineInfo]:
        """State of the kinds of worker; one whose breaker is not closed does not work."""
        breakers = {"speech": self._speech, "vision": self._vision}
        return [_with_breaker(info, breakers.get(info.kind)) for info in await self._gateway.engines()]


@asynccontextmanager
async def _guarded(breaker: AsyncBreaker, timeout_s: float, *, late_counts: bool = True) -> AsyncIterator[None]:
    async with breaker.guard() as guard:
        # A deadline of the caller that is shorter than the usual timeout says nothing about the workers.
        guard.late_counts = late_counts and time_left_s() > timeout_s
        guard.failure_counts = not is_suspected()
        yield


def _with_breaker(info: EngineInfo, breaker: AsyncBreaker | None) -> EngineInfo:
    if breaker is None or breaker.state is BreakerState.CLOSED:
        return info
    detail = f"The breaker {breaker.name} is {breaker.state}, after {breaker.failure_count} failures in a row."
    return replace(info, healthy=False, detail=f"{info.detail} {detail}".strip())


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
