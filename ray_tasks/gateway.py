"""The gateway: the only code that calls the workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final, Protocol

from models.deadline import time_left_s
from models.errors import DeadlineExceeded, Overloaded, Unavailable
from models.reasons import Reason
from models.redaction.types import NO_SCOPE, Redaction, RedactionContext, RedactionScope
from models.retry import RetryPolicy
from models.retry_budget import RetryBudget
from models.text import RawText
from models.tracing.spans import trace_argument
from models.vision.types import RedactedPage
from ray_tasks.deployments import DEPLOYMENTS
from ray_tasks.engine_info import MISMATCH, EngineFacts
from ray_tasks.room import Room
from ray_tasks.serve_client import QUEUE_RETRY_AFTER_S, call
from ray_tasks.types import (
    ClusterConfig,
    EngineInfo,
    RecordingResult,
    RecordingSource,
    SpeechStep,
    SpeechWindow,
    WorkerConfig,
)

STATUS_TIMEOUT_S: Final = 3.0


class Workers(Protocol):
    """The part of ``Cluster`` that the gateway uses."""

    @property
    def config(self) -> ClusterConfig:
        """Resources, queues and engines."""
        ...

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the settings and policies that the workers must be built from. Every call carries it."""
        ...

    @property
    def facts(self) -> dict[str, EngineFacts]:
        """The workers' descriptions of themselves, by kind."""
        ...

    def handle(self, kind: str) -> Any:
        """The handle to a kind of worker. Raises Unavailable while there is none."""
        ...

    async def share(self, data: bytes) -> Any:
        """Put bytes into the shared memory, once for all attempts of a call. They stay as long as what is returned,
        which is an argument of a call in their place. The worker gets an array of them, which is not copied.
        """
        ...

    async def refresh_facts(self, kinds: Iterable[str]) -> None:
        """Ask workers to describe themselves again. They must be idle, because a busy one answers late."""
        ...

    async def statuses(self) -> dict[str, Any]:
        """Serve's view of the applications, by kind."""
        ...


class RayGateway:
    """Implements ``ray_tasks.types.Gateway`` on Ray Serve.

    Args:
        workers: The cluster, which need not be up yet.
        policy: How a call is sent again when its worker dies; None takes that of the cluster. The reading of a file is
            not sent again: its job is tried again, and notes that a worker died.
        sleep: Waits between attempts.
        budget: Makes the retry budget of one kind of worker.
    """

    def __init__(
        self,
        workers: Workers,
        policy: RetryPolicy | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        budget: Callable[[], RetryBudget] = RetryBudget,
    ) -> None:
        self._workers = workers
        self._policy = policy or workers.config.retry
        self._once = replace(self._policy, retries=0)
        self._sleep = sleep
        self._budgets = {kind: budget() for kind in DEPLOYMENTS}
        self._open = dict.fromkeys(DEPLOYMENTS, 0)
        # Three quarters of the shared memory: two for recordings, which stay in it for minutes, and one for the rest.
        # Ray would write what does not fit to disk, and these media are not redacted yet.
        self._bytes_left = workers.config.object_store_bytes // 4
        self._recordings = Room(workers.config.object_store_bytes // 2)

    async def speech_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """Recognise and redact one window of a stream."""
        result: SpeechStep = await self._call("speech", "step", (window,), len(window.pcm), timeout_s)
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
        """Decode, recognise and redact a whole recording."""
        async with self._recordings.reserved(recording.size_bytes):
            shared = [await self._workers.share(piece) async for piece in recording.pieces()]
            arguments = (language, scope, keep_redacted, *shared)
            result: RecordingResult = await self._call("speech", "recording", arguments, 0, timeout_s, self._once)
        return result

    async def read_picture(
        self, data: bytes, *, document_type: str, timeout_s: float, scope: RedactionScope = NO_SCOPE
    ) -> RedactedPage:
        """Decode, read and redact a picture."""
        arguments = (data, document_type, scope)
        result: RedactedPage = await self._call("vision", "picture", arguments, len(data), timeout_s, self._once)
        return result

    async def redact(self, texts: list[RawText], context: RedactionContext, *, timeout_s: float) -> list[Redaction]:
        """Redact a batch of texts."""
        size = sum(len(text) for text in texts)
        result: list[Redaction] = await self._call("redaction", "redact", (texts, context), size, timeout_s)
        return result

    async def engines(self) -> list[EngineInfo]:
        """State of the three kinds of worker, from Serve's controller. Only idle workers are asked to describe
        themselves.
        """
        statuses: dict[str, Any] = {}
        detail = "It is not deployed yet."
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                statuses = await self._workers.statuses()
                idle = [kind for kind, app in statuses.items() if running_replicas(kind, app) and not self._open[kind]]
                await self._workers.refresh_facts(idle)
        except Unavailable as exc:
            detail = exc.message
        except TimeoutError:
            detail = "The cluster does not answer."
        return [self._info(kind, statuses.get(kind), detail) for kind in DEPLOYMENTS]

    async def _call(
        self,
        kind: str,
        method: str,
        arguments: tuple[object, ...],
        size: int,
        timeout_s: float,
        policy: RetryPolicy | None = None,
    ) -> Any:
        left_s = time_left_s()
        if left_s <= 0:
            raise DeadlineExceeded("No time is left to ask the workers.", reason=Reason.NO_TIME_LEFT)
        remote = getattr(self._workers.handle(kind), method).remote
        expected, budget, sent = self._workers.fingerprint, self._budgets[kind], 0
        traced = trace_argument()

        def send(replica_s: float) -> Any:
            nonlocal sent
            budget.count(retry=sent > 0)
            sent += 1
            return remote(expected, replica_s, *arguments, **traced)

        with self._memory_for(kind, size):
            return await call(
                send,
                timeout_s=min(timeout_s, left_s),
                policy=policy or self._policy,
                sleep=self._sleep,
                may_repeat=lambda: budget.left > 0,
            )

    @contextmanager
    def _memory_for(self, kind: str, size_bytes: int) -> Iterator[None]:
        """Reserve shared memory for a call while it is open.

        Raises:
            Overloaded: Open calls have reserved all of it.
        """
        if size_bytes > self._bytes_left:
            raise Overloaded(
                "The media that wait for the workers fill the memory set aside for them.",
                retry_after_s=QUEUE_RETRY_AFTER_S,
            )
        self._bytes_left -= size_bytes
        self._open[kind] += 1
        try:
            yield
        finally:
            self._bytes_left += size_bytes
            self._open[kind] -= 1

    def _info(self, kind: str, application: Any, detail: str) -> EngineInfo:
        status = application and application.deployments.get(DEPLOYMENTS[kind])
        if status is None:
            return EngineInfo(kind, healthy=False, detail=detail)
        running = running_replicas(kind, application)
        facts = self._workers.facts.get(kind)
        if facts and facts.fingerprint != self._workers.fingerprint:
            return EngineInfo(kind, healthy=False, detail=MISMATCH)
        config: WorkerConfig = getattr(self._workers.config, kind)
        return EngineInfo(
            kind=kind,
            healthy=running > 0,
            engine=facts.engine if facts else config.engine,
            device=facts.device if facts else "",
            replicas=running,
            detail=facts.detail if facts else "It is starting.",
            queued=max(0, self._open[kind] - running * config.max_ongoing),
            extra={"state": status.status.value, "replicas_wanted": str(config.replicas)},
        )


def running_replicas(kind: str, application: Any) -> int:
    """Number of replicas that take calls."""
    # While its controller comes back, Serve may show an application without its deployment.
    deployment = application.deployments.get(DEPLOYMENTS[kind])
    count: int = deployment.replica_states.get("RUNNING", 0) if deployment else 0
    return count
