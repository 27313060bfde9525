"""The composition root: builds every long-lived object of the server and passes each its dependencies.

``server.app`` starts and stops them. What lives as long as one stream is built by ``server.streaming``.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from models.speech.endpointing.policy import DEFAULT_POLICY
from models.speech.endpointing.segmenter import segmenter_factory
from models.speech.engines import build_vad
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from server.access.audit_book import AuditBook
from server.access.authenticator import Access, build_access
from server.analytics.endpoint import AnalystEndpoint
from server.cluster_config import cluster_config
from server.erasure.eraser import Eraser, LiveWork
from server.erasure.retention import Retention
from server.grpc_server import GrpcServer
from server.housekeeping import Housekeeping
from server.jobs.attempt import log_attempt
from server.jobs.handlers import build_handlers
from server.jobs.runner import JobRunner
from server.jobs.types import Handler, JobDetails, JobObserver, JobOutcome
from server.ledger.types import Clock, utc_now
from server.ledger.writer import Ledger
from server.llm.assistant import OpenAiAssistant, llm_breaker
from server.llm.breaker_store import BreakerStore
from server.llm.breaker_types import BreakerChange, BreakerState
from server.llm.field_names import FieldNames
from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.records.machine_words import MachineWords
from server.records.pubsub import PubSub
from server.records.recommender import Recommender
from server.records.sessions import Sessions
from server.records.status import StatusReporter
from server.records.vocabulary import VocabularySealer
from server.rpc.interceptors.authenticate import Authenticate, observer
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.runtime.lifecycle import Lifecycle
from server.runtime.token_bucket import Rate
from server.sandbox.build import build_sandbox
from server.sandbox.sandbox import MediaSandbox
from server.services import Services
from server.services.access import AccessService
from server.services.admin import AdminService
from server.services.conversation import ConversationService
from server.services.funnel import FunnelService
from server.services.media import MediaService
from server.services.recommendation import RecommendationService
from server.services.session import SessionService
from server.settings import Settings
from server.streaming.admission import Admission, AdmissionLimits
from server.streaming.conversation_factory import ConversationFactory
from server.streaming.load_meter import SpeechLoadMeter
from server.streaming.partials import SpeechBackend
from server.streaming.priority_limiter import PriorityLimiter
from server.streaming.rate_limit import RateLimits, TypedRates
from server.streaming.repository import StreamRepository
from server.streaming.responder import ReplyBackend
from server.streaming.stream_config import StreamLimits
from server.streaming.stream_manager import StreamManager
from server.streaming.stream_registry import StreamRegistry
from server.tls.reload import ServerCertificate
from server.uploads.build import build_malware_scan, build_upload_service
from server.uploads.keys import load_or_create_spool_key
from server.uploads.malware_scan import MalwareScan, NoScan
from server.uploads.service import UploadService
from server.uploads.spool import Spool

log = get_logger("app")


@dataclass(frozen=True, slots=True)
class Components:
    """What ``server.app`` starts and stops."""

    cluster: Cluster
    grpc_server: GrpcServer
    runner: JobRunner
    handlers: Sequence[Handler]
    uploads: UploadService
    pubsub: PubSub
    analysts: AnalystEndpoint
    housekeeping: Housekeeping
    metrics: Metrics
    certificate: ServerCertificate | None
    scan: MalwareScan | None


@dataclass(frozen=True, slots=True)
class _Shared:
    """What most parts of the server use."""

    ledger: Ledger
    spool: Spool
    sealer: VocabularySealer
    cluster: Cluster
    gateway: RayGateway
    assistant: OpenAiAssistant
    pubsub: PubSub
    lifecycle: Lifecycle
    metrics: Metrics
    clock: Clock
    sandbox: MediaSandbox
    certificate: ServerCertificate | None
    scan: MalwareScan | None
    audit: AuditBook


@dataclass(frozen=True, slots=True)
class _Jobs:
    """Background jobs, and the parts that enqueue them."""

    runner: JobRunner
    recommender: Recommender
    uploads: UploadService
    handlers: Sequence[Handler]


async def build_components(settings: Settings, ledger: Ledger, stack: AsyncExitStack) -> Components:
    """Build everything around the open ledger. The stack closes what holds a connection.

    Raises:
        VestibuleError: A setting, a key or the weights are not usable.
    """
    shared = await _shared(settings, ledger, stack)
    access = await build_access(settings, ledger, shared.clock, shared.audit.trail, stack)
    jobs = _jobs(settings, shared)
    streams = await _streams(settings, shared, jobs)
    sessions = Sessions(shared.ledger, shared.pubsub, shared.sealer, shared.clock)
    analysts = AnalystEndpoint(shared.ledger, settings.quack, settings.state_dir)
    eraser = _eraser(settings, shared, jobs, streams, sessions, analysts)
    retention = Retention(
        shared.ledger, shared.spool, settings.pictures_dir, settings.retention, shared.clock, eraser.purge
    )
    services = _services(settings, shared, jobs, streams, sessions, analysts, eraser, retention, access)
    return Components(
        cluster=shared.cluster,
        grpc_server=_grpc_server(settings, services, shared, access),
        runner=jobs.runner,
        handlers=jobs.handlers,
        uploads=jobs.uploads,
        pubsub=shared.pubsub,
        analysts=analysts,
        housekeeping=Housekeeping(
            sessions,
            jobs.uploads,
            shared.ledger,
            shared.spool,
            shared.clock,
            streams,
            settings.idle_session_s,
            (eraser.resume, retention.round),
        ),
        metrics=shared.metrics,
        certificate=shared.certificate,
        scan=shared.scan,
    )


async def _shared(settings: Settings, ledger: Ledger, stack: AsyncExitStack) -> _Shared:
    metrics = Metrics()
    key = load_or_create_spool_key(settings.spool_key.get_secret_value(), settings.state_dir / "spool.key")
    cluster = Cluster(cluster_config(settings))
    audit = AuditBook(ledger, settings.audit, settings.state_dir, utc_now, metadata.version("vestibule"))
    await audit.start(stack)
    assistant = await _assistant(settings, metrics, ledger, stack)
    sandbox = build_sandbox(settings.media, settings.limits, metrics)
    stack.push_async_callback(sandbox.close)
    await sandbox.start()
    return _Shared(
        ledger=ledger,
        spool=Spool(settings.spool_dir, key, limit_bytes=settings.limits.spool_bytes),
        sealer=VocabularySealer(key),
        cluster=cluster,
        gateway=RayGateway(cluster),
        assistant=assistant,
        pubsub=PubSub(),
        lifecycle=Lifecycle(),
        metrics=metrics,
        clock=utc_now,
        sandbox=sandbox,
        certificate=ServerCertificate(settings.tls, utc_now, metrics) if settings.tls.enabled else None,
        scan=build_malware_scan(settings.clamav, settings.limits, ledger, metrics, utc_now),
        audit=audit,
    )


async def _assistant(settings: Settings, metrics: Metrics, ledger: Ledger, stack: AsyncExitStack) -> OpenAiAssistant:
    upstream = settings.upstream
    store = BreakerStore(ledger, utc_now)
    stack.push_async_callback(store.drain)
    breaker = llm_breaker(
        failures=upstream.failures,
        reset_s=upstream.reset_s,
        successes=upstream.successes,
        on_change=_on_breaker_change(metrics, store),
    )
    await store.restore(breaker)
    metrics.show(metrics.breaker_open, [breaker.name])
    metrics.breaker_open.labels(breaker.name).set(breaker.state is not BreakerState.CLOSED)
    assistant = OpenAiAssistant(
        base_url=upstream.base_url,
        api_key=upstream.api_key.get_secret_value(),
        model=upstream.model,
        breaker=breaker,
        timeout_s=upstream.timeout_s,
        interactive_timeout_s=upstream.interactive_timeout_s,
        fields=FieldNames(upstream.field_names),
    )
    stack.push_async_callback(assistant.aclose)
    return assistant


def _on_breaker_change(metrics: Metrics, store: BreakerStore) -> Callable[[BreakerChange], None]:
    def on_change(change: BreakerChange) -> None:
        log.warning("breaker_changed", breaker=change.name, state=change.new)
        metrics.breaker_open.labels(change.name).set(change.new is not BreakerState.CLOSED)
        store.store(change)

    return on_change


def _jobs(settings: Settings, shared: _Shared) -> _Jobs:
    ledger, spool, gateway, pubsub = shared.ledger, shared.spool, shared.gateway, shared.pubsub
    clock = shared.clock
    audit = shared.audit.trail
    runner = JobRunner(ledger, clock=clock, owner=str(uuid.uuid4()), audit=audit, observer=_count_jobs(shared.metrics))
    recommender = Recommender(
        ledger,
        gateway,
        shared.assistant,
        pubsub,
        clock=clock,
        audit=audit,
        approval=settings.approval,
        fields=FieldNames(settings.upstream.field_names),
        on_job=runner.wake,
    )
    uploads = build_upload_service(
        ledger,
        spool,
        pubsub,
        gateway,
        shared.metrics,
        settings.limits,
        shared.sandbox,
        on_job=runner.wake,
        clock=clock,
        scan=shared.scan,
    )
    handlers = build_handlers(
        ledger,
        spool,
        gateway,
        shared.assistant,
        recommender,
        pubsub,
        artifacts=settings.pictures_dir,
        clock=clock,
        keep_recordings=settings.keep_redacted_recordings,
    )
    kinds = [handler.kind for handler in handlers]
    shared.metrics.show(shared.metrics.jobs, kinds, JobOutcome)
    shared.metrics.show(shared.metrics.job_seconds, kinds)
    return _Jobs(runner, recommender, uploads, handlers)


def _count_jobs(metrics: Metrics) -> JobObserver:
    def observe(details: JobDetails) -> None:
        log_attempt(details)
        metrics.jobs.labels(details.kind, details.outcome).inc()
        metrics.job_seconds.labels(details.kind).observe(details.took_s)

    return observe


async def _streams(settings: Settings, shared: _Shared, jobs: _Jobs) -> StreamManager:
    limits, places = settings.limits, settings.speech.places
    load = SpeechLoadMeter(places, time.monotonic)
    vad = await asyncio.to_thread(build_vad, settings.weights_dir)
    registry = StreamRegistry(shared.ledger, shared.spool, shared.sealer, shared.clock)
    admission_limits = AdmissionLimits(
        limits.streams, limits.client_streams, limits.session_streams, limits.speech_floor, limits.speech_load
    )
    admission = Admission(admission_limits, load, shared.metrics)
    conversations = ConversationFactory(
        registry=registry,
        admission=admission,
        segmenters=segmenter_factory(vad, DEFAULT_POLICY.utterances.with_longest(limits.utterance_s)),
        speech=SpeechBackend(shared.gateway, PriorityLimiter(places), load),
        replies=ReplyBackend(shared.assistant, shared.gateway, jobs.recommender),
        repositories=partial(StreamRepository, shared.ledger, shared.pubsub, jobs.runner, shared.clock),
        limits=StreamLimits(limits.stream_s, limits.stream_idle_s, RateLimits(limits.pace, limits.ahead_s)),
        typed=TypedRates(
            Rate.per_minute(limits.typed_per_minute), Rate.per_minute(limits.client_typed_per_minute), time.monotonic
        ),
        lifecycle=shared.lifecycle,
        metrics=shared.metrics,
        clock=shared.clock,
        open_container=shared.sandbox.open_stream,
    )
    return StreamManager(registry, admission, conversations)


def _grpc_server(settings: Settings, services: Services, shared: _Shared, access: Access) -> GrpcServer:
    credentials = shared.certificate.credentials if shared.certificate else None
    return GrpcServer(
        settings.address,
        services,
        shared.lifecycle,
        shared.metrics,
        Authenticate(
            access.authenticator,
            observer(shared.metrics, shared.audit.access),
            RefusalLimits(settings.limits),
        ),
        credentials=credentials,
        limits=settings.limits,
    )


def _eraser(
    settings: Settings,
    shared: _Shared,
    jobs: _Jobs,
    streams: StreamManager,
    sessions: Sessions,
    analysts: AnalystEndpoint,
) -> Eraser:
    work = LiveWork(streams.end_sessions, jobs.uploads.end_sessions, jobs.runner.end_sessions, sessions.abandon)
    forget = partial(asyncio.to_thread, analysts.forget_snapshot)
    return Eraser(shared.ledger, shared.spool, settings.pictures_dir, work, shared.clock, shared.audit.trail, forget)


def _services(
    settings: Settings,
    shared: _Shared,
    jobs: _Jobs,
    streams: StreamManager,
    sessions: Sessions,
    analysts: AnalystEndpoint,
    eraser: Eraser,
    retention: Retention,
    access: Access,
) -> Services:
    ledger, gateway, pubsub, lifecycle = shared.ledger, shared.gateway, shared.pubsub, shared.lifecycle
    clock, breaker = shared.clock, shared.assistant.breaker
    words = MachineWords(gateway)
    scan = shared.scan or NoScan()
    sandbox = shared.sandbox
    reporting = (analysts, retention, shared.certificate, scan, sandbox, sandbox.confinement)
    parts = [part for part in reporting if part is not None]
    status = StatusReporter(gateway, ledger, shared.assistant, breaker, clock(), lambda: streams.count, parts)
    return Services(
        session=SessionService(sessions, pubsub, lifecycle, words),
        conversation=ConversationService(streams),
        media=MediaService(jobs.uploads, ledger, pubsub, lifecycle, settings.pictures_dir),
        recommendation=RecommendationService(jobs.recommender, words),
        funnel=FunnelService(ledger, gateway, clock),
        admin=AdminService(status, ledger, jobs.runner, {"llm_api": breaker}, words, eraser, shared.audit),
        access=AccessService(access.keys, words, clock),
    )
