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
from ray_tasks.applications import Application
from ray_tasks.deployments import DEPLOYMENTS
from ray_tasks.engine_info import MISMATCH, speech_weights
from ray_tasks.room import Room
from ray_tasks.serve_client import QUEUE_RETRY_AFTER_S, call
from ray_tasks.types import (
    ClusterConfig,
    EngineInfo,
    RecordingResult,
    RecordingSource,
    SpeechModels,
    SpeechStep,
    SpeechWindow,
    WorkerConfig,
)

STATUS_TIMEOUT_S: Final = 3.0
CANDIDATE_CALLS: Final = 2
"""Calls to a candidate that may be open: one that runs, and one that waits."""


class Workers(Protocol):
    """The part of ``Cluster`` that the gateway uses."""

    @property
    def config(self) -> ClusterConfig:
        """Resources, queues and engines."""
        ...

    def application(self, kind: str) -> Application:
        """The application that takes calls to a kind of worker now. Raises Unavailable while there is none."""
        ...

    @property
    def candidate(self) -> Application | None:
        """The application of speech whose results are only compared."""
        ...

    async def use_speech_models(self, models: SpeechModels, timeout_s: float) -> None:
        """See ``ray_tasks.types.Gateway``."""
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
        self._candidate_budget = budget()
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

    async def use_speech_models(self, models: SpeechModels, *, timeout_s: float) -> None:
        """See ``Gateway``."""
        await self._workers.use_speech_models(models, min(timeout_s, time_left_s()))

    async def candidate_step(self, window: SpeechWindow, *, timeout_s: float) -> SpeechStep:
        """See ``Gateway``. It is not made again, and its memory, of two windows at most, is none of the other calls."""
        candidate = self._workers.candidate
        if candidate is None:
            raise Unavailable("No weights are compared with those in use.", reason=Reason.NO_CANDIDATE)
        if candidate.open_calls >= CANDIDATE_CALLS:
            raise Overloaded("The candidate has a call waiting already.", retry_after_s=QUEUE_RETRY_AFTER_S)
        budget = self._candidate_budget
        result: SpeechStep = await self._send(candidate, "step", (window,), timeout_s, self._once, budget)
        return result

    async def engines(self) -> list[EngineInfo]:
        """State of the three kinds of worker, from Serve's controller. Only idle workers are asked to describe
        themselves.
        """
        statuses: dict[str, Any] = {}
        applications: dict[str, Application] = {}
        detail = "It is not deployed yet."
        try:
            async with asyncio.timeout(STATUS_TIMEOUT_S):
                statuses = await self._workers.statuses()
                applications = {kind: self._workers.application(kind) for kind in statuses}
                running = [kind for kind, app in statuses.items() if running_replicas(kind, app)]
                await self._workers.refresh_facts(kind for kind in running if not applications[kind].open_calls)
        except Unavailable as exc:
            detail = exc.message
        except TimeoutError:
            detail = "The cluster does not answer."
        return [self._info(kind, applications.get(kind), statuses.get(kind), detail) for kind in DEPLOYMENTS]

    async def _call(
        self,
        kind: str,
        method: str,
        arguments: tuple[object, ...],
        size: int,
        timeout_s: float,
        policy: RetryPolicy | None = None,
    ) -> Any:
        application = self._workers.application(kind)
        with self._memory_for(size):
            budget = self._budgets[kind]
            return await self._send(application, method, arguments, timeout_s, policy or self._policy, budget)

    async def _send(
        self,
        application: Application,
        method: str,
        arguments: tuple[object, ...],
        timeout_s: float,
        policy: RetryPolicy,
        budget: RetryBudget,
    ) -> Any:
        left_s = time_left_s()
        if left_s <= 0:
            raise DeadlineExceeded("No time is left to ask the workers.", reason=Reason.NO_TIME_LEFT)
        traced, sent = trace_argument(), 0
        with application.calling() as handle:
            remote = getattr(handle, method).remote

            def send(replica_s: float) -> Any:
                nonlocal sent
                budget.count(retry=sent > 0)
                sent += 1
                return remote(application.fingerprint, replica_s, *arguments, **traced)

            return await call(
                send,
                timeout_s=min(timeout_s, left_s),
                policy=policy,
                sleep=self._sleep,
                may_repeat=lambda: budget.left > 0,
            )

    @contextmanager
    def _memory_for(self, size_bytes: int) -> Iterator[None]:
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
        try:
            yield
        finally:
            self._bytes_left += size_bytes

    def _info(self, kind: str, application: Application | None, overview: Any, detail: str) -> EngineInfo:
        status = overview and overview.deployments.get(DEPLOYMENTS[kind])
        if status is None or application is None:
            return EngineInfo(kind, healthy=False, detail=detail)
        running = running_replicas(kind, overview)
        facts = application.facts
        if facts and not application.fits:
            return EngineInfo(kind, healthy=False, detail=MISMATCH)
        config: WorkerConfig = getattr(self._workers.config, kind)
        return EngineInfo(
            kind=kind,
            healthy=running > 0,
            engine=facts.engine if facts else config.engine,
            device=facts.device if facts else "",
            replicas=running,
            detail=facts.detail if facts else "It is starting.",
            queued=max(0, application.open_calls - running * config.max_ongoing),
            extra={"state": status.status.value, "replicas_wanted": _wanted(config), **self._weights(application)},
        )

    def _weights(self, application: Application) -> dict[str, str]:
        """Names of the weights that recognise speech, and of those that are compared with them."""
        if application.kind != "speech":
            return {}
        weights = {"weights": speech_weights(application.config)[0]}
        candidate = self._workers.candidate
        return weights if candidate is None else {**weights, "candidate": speech_weights(candidate.config)[0]}


def _wanted(config: WorkerConfig) -> str:
    return str(config.replicas) if config.most == config.replicas else f"{config.replicas} to {config.most}"


def running_replicas(kind: str, application: Any) -> int:
    """Number of replicas that take calls."""
    # While its controller comes back, Serve may show an application without its deployment.
    deployment = application.deployments.get(DEPLOYMENTS[kind])
    count: int = deployment.replica_states.get("RUNNING", 0) if deployment else 0
    return count
