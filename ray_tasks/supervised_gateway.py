"""The gateway of the server: calls wait while the cluster is away, and are made again when it was lost meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from opentelemetry.trace import SpanKind

from models.deadline import time_left_s
from models.errors import DeadlineExceeded, Unavailable, WorkerLost
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.text import RawText
from models.tracing.attributes import WORKER_METHOD
from models.tracing.names import SpanName
from models.tracing.spans import child_span
from models.vision.types import RedactedPage
from ray_tasks.ray_child import RayChild
from ray_tasks.supervisor import ClusterPhase, ClusterSupervisor
from ray_tasks.types import EngineInfo, RecordingResult, RecordingSource, SpeechModels, SpeechStep, SpeechWindow

KINDS: Final = ("redaction", "speech", "vision")
NOTICE_S: Final = 1.0
"""Workers end with their cluster, sometimes sooner than it is noticed that the cluster is lost."""
WAIT_S: Final = 60.0
"""Longest wait for the cluster, which usually is back within half a minute."""
ENGINES_S: Final = 6.0
_SIGNS: Final = frozenset({Reason.CLUSTER_UNAVAILABLE, Reason.WORKER_LOST})
"""Reasons of errors that a lost cluster causes, and other faults, too."""


class SupervisedGateway:
    """Implements ``ray_tasks.types.Gateway``.

    The calls are stateless, so any cluster can take them. One that was under way when the cluster was lost is made
    once more: if that loses the cluster again, the call may be the cause.

    Args:
        cluster: The supervisor.
        sleep: Waits until a loss would have been noticed.
    """

    def __init__(self, cluster: ClusterSupervisor, sleep: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        self._cluster = cluster
        self._sleep = sleep

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``."""
        result: SpeechStep = await self._call("speech_step", window, timeout_s=timeout_s)
        return result

    async def read_recording(
        self,
        recording: RecordingSource,
        *,
        language: str,
        timeout_s: float,
        scope: RedactionScope = NO_SCOPE,
        keep_redacted: bool = False,
    ) -> RecordingResult:
        """See ``Gateway``."""
        result: RecordingResult = await self._call(
            "read_recording",
            recording,
            language=language,
            timeout_s=timeout_s,
            scope=scope,
            keep_redacted=keep_redacted,
        )
        return result

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """See ``Gateway``."""
        result: RedactedPage = await self._call(
            "read_picture", data, document_type=document_type, timeout_s=timeout_s, scope=scope
        )
        return result

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """See ``Gateway``."""
        result: list[Redaction] = await self._call("redact", texts, context, timeout_s=timeout_s)
        return result

    async def use_speech_models(self, models: SpeechModels, *, timeout_s: float) -> None:
        """See ``Gateway``. A Ray that is started later begins with them."""
        await self._call("use_speech_models", models, timeout_s=timeout_s)
        self._cluster.speech_models = models

    async def candidate_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``. It never waits for the cluster, and is not made again."""
        if not self._cluster.ready:
            raise self._cluster.away()
        child = await self._cluster.child()
        result: SpeechStep = await child.call("candidate_step", window, timeout_s=timeout_s)
        return result

    async def engines(self) -> list[EngineInfo]:
        """See ``Gateway``. Never waits for the cluster."""
        if not self._cluster.ready:
            return [EngineInfo(kind, healthy=False, detail=self._detail()) for kind in KINDS]
        try:
            async with asyncio.timeout(ENGINES_S):
                child = await self._cluster.child()
                found: list[EngineInfo] = await child.call("engines")
                return found
        except (Unavailable, TimeoutError):
            return [EngineInfo(kind, healthy=False, detail="The cluster does not answer.") for kind in KINDS]

    def _detail(self) -> str:
        starting = self._cluster.state.phase is ClusterPhase.STARTING
        return "It is starting." if starting else "The Ray cluster is away; see the part ray."

    async def _call(self, method: str, *arguments: Any, timeout_s: float, **options: Any) -> Any:
        """Make a call. Its time begins when the cluster is there, for which it waits for ``WAIT_S`` at most.

        Raises:
            WorkerLost: CLUSTER_LOST_TWICE.
            Unavailable: CLUSTER_LOST or WORKERS_NOT_READY, the cluster was away for all that time.
            DeadlineExceeded: NO_TIME_LEFT.
        """
        with child_span(SpanName.WORKER_CALL, SpanKind.CLIENT) as span:
            span.set(WORKER_METHOD, method)
            return await self._repeat(method, *arguments, timeout_s=timeout_s, **options)

    async def _repeat(self, method: str, *arguments: Any, timeout_s: float, **options: Any) -> Any:
        for _ in range(2):
            child = await self._child(timeout_s)
            left_s = min(timeout_s, time_left_s())
            if left_s <= 0:
                raise DeadlineExceeded("No time is left to ask the workers.", reason=Reason.NO_TIME_LEFT)
            try:
                return await child.call(method, *arguments, timeout_s=left_s, **options)
            except Unavailable as error:
                if not await self._was_lost(child, error):
                    raise
        raise WorkerLost("The cluster was lost twice during the call.", reason=Reason.CLUSTER_LOST_TWICE)

    async def _child(self, timeout_s: float) -> RayChild:
        try:
            async with asyncio.timeout(min(timeout_s, time_left_s(), WAIT_S)):
                return await self._cluster.child()
        except TimeoutError:
            raise self._cluster.away() from None

    async def _was_lost(self, child: RayChild, error: Unavailable) -> bool:
        """Whether the cluster was lost during the call."""
        if error.reason == Reason.CLUSTER_LOST:
            await self._cluster.until_lost(child)
        elif error.reason in _SIGNS and self._cluster.runs(child):
            await self._sleep(NOTICE_S)
        return not self._cluster.runs(child)
