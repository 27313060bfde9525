"""Builds what most parts of the server use."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from models.reasons import Reason
from ray_tasks.cluster import Cluster
from ray_tasks.gateway import RayGateway
from server.access.audit_book import AuditBook
from server.cluster_config import cluster_config
from server.ledger.types import Clock
from server.ledger.writer import Ledger
from server.llm.assistant import OpenAiAssistant, llm_breaker
from server.llm.breaker_store import BreakerStore
from server.llm.breaker_types import BreakerChange, BreakerState
from server.llm.field_names import FieldNames
from server.observability.log import get_logger
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.vocabulary import VocabularySealer
from server.runtime.disk_room import Disk, DiskRoom
from server.runtime.lifecycle import Lifecycle
from server.sandbox.build import build_sandbox
from server.sandbox.sandbox import MediaSandbox
from server.settings import Settings
from server.tls.reload import ServerCertificate
from server.uploads.build import build_malware_scan
from server.uploads.keys import load_or_create_spool_key
from server.uploads.malware_scan import MalwareScan
from server.uploads.spool import Spool

log = get_logger("app")


@dataclass(frozen=True, slots=True)
class Shared:
    """What most parts of the server use."""

    ledger: Ledger
    spool: Spool
    room: DiskRoom
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


async def build_shared(settings: Settings, ledger: Ledger, stack: AsyncExitStack, clock: Clock) -> Shared:
    """Build it. The stack closes what holds a connection or a process."""
    metrics = Metrics()
    key = load_or_create_spool_key(settings.spool_key.get_secret_value(), settings.state_dir / "spool.key")
    cluster = Cluster(cluster_config(settings))
    spool = Spool(settings.spool_dir, key, limit_bytes=settings.limits.spool_bytes)
    room = _disk_room(settings, metrics)
    audit = AuditBook(ledger, settings.audit, settings.state_dir, clock, metadata.version("vestibule"), room.require)
    await audit.start(stack)
    assistant = await _assistant(settings, metrics, ledger, stack, clock)
    sandbox = build_sandbox(settings.media, settings.limits, metrics)
    stack.push_async_callback(sandbox.close)
    await sandbox.start()
    return Shared(
        ledger=ledger,
        spool=spool,
        room=room,
        sealer=VocabularySealer(key),
        cluster=cluster,
        gateway=RayGateway(cluster),
        assistant=assistant,
        pubsub=PubSub(),
        lifecycle=Lifecycle(),
        metrics=metrics,
        clock=clock,
        sandbox=sandbox,
        certificate=ServerCertificate(settings.tls, clock, metrics) if settings.tls.enabled else None,
        scan=build_malware_scan(settings.clamav, settings.limits, ledger, metrics, clock),
        audit=audit,
    )


def _disk_room(settings: Settings, metrics: Metrics) -> DiskRoom:
    disks = (
        Disk("ledger", settings.ledger_path.parent, Reason.LEDGER_FULL),
        Disk("spool", settings.spool_dir, Reason.SPOOL_FULL),
    )
    room = DiskRoom(disks, settings.limits.least_free_bytes)
    for disk in disks:
        metrics.disk_free_bytes.labels(disk.name).set_function(partial(room.free, disk))
    return room


async def _assistant(
    settings: Settings, metrics: Metrics, ledger: Ledger, stack: AsyncExitStack, clock: Clock
) -> OpenAiAssistant:
    upstream = settings.upstream
    store = BreakerStore(ledger, clock)
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
