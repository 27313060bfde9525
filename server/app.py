"""Builds every object of the server, starts and stops them in order.

Up: ledger, spool, the gRPC port (health says NOT_SERVING), the port of the metrics, Ray and the workers, the job
runner, the analysts' endpoint; then health says SERVING and one line goes to standard output. Down, on SIGTERM or
SIGINT: new calls are refused, streams end with a status, jobs in hand finish or are kept, then everything goes in the
reverse order.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

from models.errors import CallerError, VestibuleError
from models.redaction.policy_file import parse_policies, read_policy_text
from models.speech.engines import build_vad
from ray_tasks.cluster import Cluster, Step
from ray_tasks.gateway import RayGateway
from ray_tasks.types import ClusterConfig, WorkerConfig
from server.allocator import keep_freed_memory
from server.analysts import Analysts
from server.attempts import log_attempt
from server.conversation.admission import Admission, AdmissionLimits
from server.conversation.cutting import cutter_maker
from server.conversation.load import MeasuredGateway, SpeechLoad
from server.conversation.pace import PaceLimits
from server.conversation.stream_config import StreamLimits
from server.conversation.streams import Streams
from server.conversation.turnstile import Turnstile
from server.housekeeping import Housekeeping
from server.job_types import Handler, JobDetails, JobObserver
from server.jobs import JobRunner
from server.ledger.types import utc_now
from server.ledger.writer import Ledger
from server.lifecycle import Lifecycle
from server.listener import Listener, check_address
from server.llm.breaker import BreakerChange, BreakerState
from server.llm.client import OpenAiAssistant, llm_breaker
from server.log import configure, describe, get_logger
from server.metrics import Metrics
from server.pipeline import build_handlers
from server.recommendations import Recommender
from server.services import Services
from server.services.admin import AdminService
from server.services.conversation import ConversationService
from server.services.funnel import FunnelService
from server.services.media import MediaService
from server.services.recommendation import RecommendationService
from server.services.session import SessionService
from server.sessions import Sessions
from server.settings import Settings, WorkerSettings
from server.status import Status
from server.uploads.checks import default_checks
from server.uploads.intake import UploadIntake
from server.uploads.keys import load_or_create_spool_key
from server.uploads.spool import Spool
from server.vocabulary import VocabularySealer
from server.watch import WatchHub

log = get_logger("app")

# Together with what Ray needs to stop, the promise of ending within ten seconds.
JOBS_STOP_S = 3.5

_OPERATORS_TO_MEND = frozenset({"ADDRESS_IN_USE", "LEDGER_LOCKED"})
"""Where two servers meet: nothing is unavailable for a while, something was set twice."""


def run(settings: Settings) -> int:
    """Serve until SIGTERM or SIGINT; returns the exit code. Prints one line when ready."""
    configure(settings.log_level, settings.log_format)
    keep_freed_memory()
    try:
        asyncio.run(_serve(settings))
    except VestibuleError as error:
        # A wrong setting needs no trace of our code, and no second line that says the same.
        if not isinstance(error, CallerError) and error.reason not in _OPERATORS_TO_MEND:
            log.error("server_failed", **describe(error))
        sys.stderr.write(f"{error.message} [{error.reason}] {error.hint}\n")
        return 1
    return 0


async def _serve(settings: Settings) -> None:
    began = time.monotonic()
    check_address(settings.address, allow_plaintext=settings.allow_plaintext)
    _policies(settings.redaction.policy_file)
    told_to_end = asyncio.Event()
    _take_signals(told_to_end)
    async with AsyncExitStack() as stack:
        starting = asyncio.ensure_future(_start(settings, stack, told_to_end))
        ending = asyncio.ensure_future(told_to_end.wait())
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            address, dashboard = starting.result()
            log.info("ready", address=address, dashboard=dashboard, after_s=round(time.monotonic() - began, 1))
            sys.stdout.write(f"Vestibule is ready on {address}. Ray dashboard: {dashboard or 'off'}\n")
            sys.stdout.flush()
            await ending
        else:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        log.info("ending")
    log.info("ended")


def _take_signals(told_to_end: asyncio.Event) -> None:
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told_to_end.set)


async def _start(settings: Settings, stack: AsyncExitStack, told_to_end: asyncio.Event) -> tuple[str, str]:
    """Build and start everything; what was started is stopped by the stack, in reverse.

    Returns:
        Where the server listens, and the address of the Ray dashboard.
    """
    parts = await _build(settings, stack)

    def on_step(step: Step) -> None:
        log.info("start_step", step=step.name, after_s=round(step.seconds, 1))
        # Ray's core puts a handler of its own before ours, which prints a trace and aborts the process 3 s after
        # SIGTERM; taking the signals again takes that one away.
        _take_signals(told_to_end)

    swept = await parts.intake.sweep()
    # Both ports before Ray, which takes long to start: one that somebody else has is known at once.
    await parts.listener.start()
    stack.push_async_callback(parts.listener.stop, 0.0)
    parts.metrics.serve(settings.metrics_port)
    stack.push_async_callback(parts.cluster.stop)
    await parts.cluster.start(on_step)
    taken_over = await parts.runner.start(parts.handlers)
    stack.push_async_callback(_end_work, parts, settings.drain_s)
    await asyncio.to_thread(parts.analysts.start)
    stack.push_async_callback(asyncio.to_thread, parts.analysts.stop)
    keeping = asyncio.create_task(parts.housekeeping.run())
    stack.callback(keeping.cancel)
    await parts.listener.serving()
    following = asyncio.create_task(parts.listener.follow(lambda: parts.cluster.ready))
    stack.callback(following.cancel)
    log.info("started", jobs_taken_over=taken_over, spool_files_swept=swept)
    return parts.listener.address, parts.cluster.dashboard_url


@dataclass(frozen=True, slots=True)
class _Parts:
    """What has a start or an end of its own."""

    cluster: Cluster
    listener: Listener
    runner: JobRunner
    handlers: Sequence[Handler]
    intake: UploadIntake
    hub: WatchHub
    analysts: Analysts
    housekeeping: Housekeeping
    metrics: Metrics


async def _build(settings: Settings, stack: AsyncExitStack) -> _Parts:
    for folder in (settings.data_dir, settings.state_dir, settings.pictures_dir):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    clock, lifecycle, metrics, hub = utc_now, Lifecycle(), Metrics(), WatchHub()

    ledger = await asyncio.to_thread(Ledger.open, settings.ledger_path)
    stack.push_async_callback(asyncio.to_thread, ledger.close)
    key = load_or_create_spool_key(settings.spool_key.get_secret_value(), settings.state_dir / "spool.key")
    spool, sealer = Spool(settings.spool_dir, key), VocabularySealer(key)

    cluster = Cluster(_cluster_config(settings))
    gateway = RayGateway(cluster)
    assistant = _assistant(settings, metrics)
    stack.push_async_callback(assistant.aclose)

    limits = settings.limits
    runner = JobRunner(ledger, clock=clock, owner=str(uuid.uuid4()), observer=_count_jobs(metrics))
    recommender = Recommender(ledger, gateway, assistant, hub, clock=clock, on_job=runner.wake)
    checks = default_checks(upload_bytes=limits.upload_bytes, open_jobs=limits.open_jobs)
    intake = UploadIntake(ledger, spool, hub, checks, on_job=runner.wake, clock=clock)
    load = SpeechLoad(settings.speech.replicas, time.monotonic)
    vad = await asyncio.to_thread(build_vad, settings.weights_dir)
    streams = Streams(
        ledger,
        MeasuredGateway(gateway, load),
        assistant,
        recommender,
        spool,
        hub,
        sealer,
        runner,
        lifecycle,
        metrics,
        clock,
        StreamLimits(limits.stream_s, limits.stream_idle_s, PaceLimits(limits.pace, limits.ahead_s)),
        cutter_maker(vad, limits.utterance_s),
        Turnstile(settings.speech.replicas),
        Admission(
            AdmissionLimits(limits.streams, limits.client_streams, limits.speech_floor, limits.speech_load),
            load,
            metrics,
        ),
    )
    sessions = Sessions(ledger, hub, sealer, clock)
    analysts = Analysts(ledger, settings.quack, settings.state_dir)
    status = Status(gateway, ledger, assistant, assistant.breaker, clock(), lambda: streams.count, analysts)
    services = Services(
        SessionService(sessions, hub, lifecycle),
        ConversationService(streams),
        MediaService(intake, ledger, hub, lifecycle, settings.pictures_dir),
        RecommendationService(recommender),
        FunnelService(ledger, gateway, clock),
        AdminService(status, ledger, runner, {"llm_api": assistant.breaker}),
    )
    return _Parts(
        cluster,
        Listener(settings.address, services, lifecycle, metrics),
        runner,
        build_handlers(
            ledger,
            spool,
            gateway,
            assistant,
            recommender,
            hub,
            pictures=settings.pictures_dir,
            clock=clock,
            keep_recordings=settings.keep_redacted_recordings,
        ),
        intake,
        hub,
        analysts,
        Housekeeping(sessions, intake, ledger, spool, clock, streams, settings.idle_session_s),
        metrics,
    )


async def _end_work(parts: _Parts, drain_s: float) -> None:
    """Refuse new work, end or keep what is in hand. Jobs and streams share the time that is left."""
    parts.hub.close()
    await asyncio.gather(parts.listener.stop(drain_s), parts.runner.stop(min(drain_s, JOBS_STOP_S)))
    await parts.intake.drain()


def _assistant(settings: Settings, metrics: Metrics) -> OpenAiAssistant:
    upstream = settings.upstream

    def on_change(change: BreakerChange) -> None:
        log.warning("breaker_changed", breaker=change.name, state=change.new)
        metrics.breaker_open.labels(change.name).set(change.new is not BreakerState.CLOSED)

    breaker = llm_breaker(
        failures=upstream.failures,
        reset_s=upstream.reset_s,
        successes=upstream.successes,
        on_change=on_change,
    )
    return OpenAiAssistant(
        base_url=upstream.base_url,
        api_key=upstream.api_key.get_secret_value(),
        model=upstream.model,
        breaker=breaker,
        timeout_s=upstream.timeout_s,
        interactive_timeout_s=upstream.interactive_timeout_s,
    )


def _cluster_config(settings: Settings) -> ClusterConfig:
    speech = replace(
        _worker(settings.speech, settings.speech.device),
        engine=settings.speech.engine,
        weights=settings.speech.weights,
    )
    return ClusterConfig(
        speech=speech,
        vision=_worker(settings.vision, settings.vision.device),
        redaction=_worker(settings.redaction, "cpu"),
        weights_dir=str(settings.weights_dir),
        carry_key_path=str(settings.carry_key_path),
        address=settings.ray.address,
        dashboard=settings.ray.dashboard,
        dashboard_port=settings.ray.dashboard_port,
        num_cpus=settings.ray.num_cpus,
        num_gpus=settings.ray.num_gpus,
        object_store_bytes=settings.ray.object_store_bytes,
        image_pixels=settings.limits.image_pixels,
        redaction_policies=_policies(settings.redaction.policy_file),
    )


def _policies(path: Path | None) -> str:
    """The policy file's text, which the workers get; they may run where the file is not.

    Raises:
        InvalidInput: POLICY_INVALID, with every place that is wrong.
    """
    if path is None:
        return ""
    text = read_policy_text(path)
    parse_policies(text, str(path))
    return text


def _worker(settings: WorkerSettings, device: str) -> WorkerConfig:
    return WorkerConfig(
        replicas=settings.replicas,
        cpus=settings.cpus,
        gpus=settings.gpus,
        threads=settings.threads,
        max_ongoing=settings.max_ongoing,
        max_queued=settings.max_queued,
        device=device,
    )


def _count_jobs(metrics: Metrics) -> JobObserver:
    def observe(details: JobDetails) -> None:
        log_attempt(details)
        metrics.jobs.labels(details.kind, details.outcome).inc()
        metrics.job_seconds.labels(details.kind).observe(details.took_s)

    return observe
