"""Builds what most parts of the server use."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from importlib import metadata

from models.reasons import Reason
from models.tracing.spans import Tracer
from ray_tasks.supervised_gateway import SupervisedGateway
from ray_tasks.supervisor import ClusterSupervisor
from ray_tasks.types import Gateway
from server.access.audit_book import AuditBook
from server.breakers.prober import HealthProber
from server.breakers.registry import Breakers
from server.cluster_config import cluster_config
from server.experiments.catalogue import Experiments
from server.experiments.loader import check_flow_versions, load_experiments
from server.flows.catalogue import Flows
from server.flows.definition import FlowDefinition
from server.flows.loader import load_folder, shipped_flows
from server.ledger import flows
from server.ledger.columns import Cursor
from server.ledger.embedded import EmbeddedLedger
from server.ledger.long_reads import Reads
from server.ledger.opened import Ledgers
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.llm.assistant import OpenAiAssistant
from server.llm.labels import Labeller
from server.membership import Membership
from server.mirror import Mirror, NoMirror, build_mirror, take_state_folder
from server.observability.metrics import Metrics
from server.records.cluster_report import ClusterReport
from server.records.experiment_words import in_force_at_start
from server.records.pubsub import PubSub
from server.records.refusal_events import RefusalEvents
from server.records.vocabulary import VocabularySealer
from server.records.worker_report import WorkerReport
from server.runtime.disk_room import Disk, DiskRoom
from server.runtime.installation import load_or_create_installation_id
from server.runtime.lifecycle import Lifecycle
from server.sandbox.build import build_sandbox
from server.sandbox.sandbox import MediaSandbox
from server.sealed.requests import FlowSeals, Seals
from server.setting_groups import FlowSettings
from server.settings import Settings
from server.tls.files import files_of_console
from server.tls.reload import ConsoleCertificate, ServerCertificate
from server.uploads.build import build_malware_scan
from server.uploads.keys import KEY_FILE, load_or_create_spool_keys
from server.uploads.malware_scan import MalwareScan
from server.uploads.spool import Spool
from server.uploads.usage import LogBounds
from server.wiring.traces import build_tracer
from server.wiring.upstreams import build_upstreams


@dataclass(frozen=True, slots=True)
class Shared:
    """What most parts of the server use.

    Attributes:
        views: Where reports read. A server without a mirror refuses such reads.
        analyst_ledger: The same, as the file that analysts attach; None without a mirror. See ``Ledgers``.
        mirror: Keeps it up to date where PostgreSQL holds the ledger.
        membership: This server among those that share the ledger.
        experiments: Those in force: none until the redactor has read them, if it must.
        declared_experiments: What their file has.
        seals: Says which values are sealed.
    """

    ledger: Ledger
    views: Reads
    analyst_ledger: EmbeddedLedger | None
    mirror: Mirror | None
    membership: Membership | None
    spool: Spool
    room: DiskRoom
    sealer: VocabularySealer
    cluster: ClusterSupervisor
    cluster_report: ClusterReport
    worker_report: WorkerReport
    gateway: Gateway
    breakers: Breakers
    prober: HealthProber
    assistant: OpenAiAssistant
    labeller: Labeller
    pubsub: PubSub
    lifecycle: Lifecycle
    metrics: Metrics
    clock: Clock
    sandbox: MediaSandbox
    certificate: ServerCertificate | None
    console_certificate: ConsoleCertificate | None
    scan: MalwareScan | None
    audit: AuditBook
    flows: Flows
    experiments: Experiments
    declared_experiments: Experiments
    seals: Seals
    refusals: RefusalEvents
    tracer: Tracer


async def build_shared(settings: Settings, ledgers: Ledgers, stack: AsyncExitStack, clock: Clock) -> Shared:
    """Build it. The stack closes what holds a connection or a process."""
    ledger = ledgers.ledger
    membership = await _joined(settings, ledgers, clock, stack)
    tracer = build_tracer(settings, stack)
    metrics = Metrics()
    keys = load_or_create_spool_keys(settings.spool_key.get_secret_value(), settings.keys_dir / KEY_FILE)
    report = ClusterReport(metrics)
    workers = WorkerReport(ledger, metrics)
    stack.push_async_callback(workers.drain)
    refusals = RefusalEvents(ledger, clock)
    stack.push_async_callback(refusals.close)
    cluster = ClusterSupervisor(cluster_config(settings), observe=report.observe, observe_worker=workers.observe)
    report.follow(cluster)
    cluster.prepare()
    stack.push_async_callback(cluster.stop)
    limits = settings.limits
    kept = LogBounds(int(limits.spool_bytes * limits.client_audio_share), limits.client_kept_streams)
    spool = Spool(settings.spool_dir, keys, limit_bytes=limits.spool_bytes, client_logs=kept, together=ledgers.together)
    room = _disk_room(settings, metrics)
    _show_ledger(metrics, ledger)
    audit = AuditBook(ledger, settings.audit, settings.keys_dir, clock, metadata.version("vestibule"), room.require)
    await audit.start(stack)
    upstreams = await build_upstreams(settings, ledger, metrics, SupervisedGateway(cluster), stack, clock)
    sandbox = build_sandbox(settings.media, settings.limits, metrics)
    stack.push_async_callback(sandbox.close)
    await sandbox.start()
    known_flows = await _load_flows(settings.flows, ledger, clock)
    declared = load_experiments(settings.experiments.file, settings.idle_session_s)
    check_flow_versions(declared, known_flows)
    declared = declared.stored_as(audit.trail.client_pseudonym)
    return Shared(
        ledger=ledger,
        views=ledgers.views or NoMirror(),
        analyst_ledger=ledgers.views,
        mirror=await _build_mirror(settings, ledgers, stack, metrics),
        membership=membership,
        spool=spool,
        room=room,
        sealer=VocabularySealer(keys),
        cluster=cluster,
        cluster_report=report,
        worker_report=workers,
        gateway=upstreams.gateway,
        breakers=upstreams.breakers,
        prober=upstreams.prober,
        assistant=upstreams.assistant,
        labeller=upstreams.labeller,
        pubsub=PubSub(),
        lifecycle=Lifecycle(),
        metrics=metrics,
        clock=clock,
        sandbox=sandbox,
        certificate=ServerCertificate(settings.tls, clock, metrics) if settings.tls.enabled else None,
        console_certificate=_console_certificate(settings, clock, metrics),
        scan=build_malware_scan(settings.clamav, settings.limits, ledger, metrics, clock),
        audit=audit,
        flows=known_flows,
        experiments=in_force_at_start(declared),
        declared_experiments=declared,
        seals=FlowSeals(known_flows, settings.sealed.public_keys, settings.sealed.seals),
        refusals=refusals,
        tracer=tracer,
    )


async def _joined(settings: Settings, ledgers: Ledgers, clock: Clock, stack: AsyncExitStack) -> Membership | None:
    if not ledgers.together:
        return None
    installation = load_or_create_installation_id(settings.keys_dir)
    membership = Membership(ledgers.ledger, installation, metadata.version("vestibule"), clock)
    await membership.join()
    stack.push_async_callback(membership.leave)
    stack.callback(asyncio.create_task(membership.run()).cancel)
    return membership


async def _build_mirror(settings: Settings, ledgers: Ledgers, stack: AsyncExitStack, metrics: Metrics) -> Mirror | None:
    if not ledgers.url:
        return None
    if ledgers.views is None:
        take_state_folder(settings.state_dir, stack)
        return None
    mirror = await build_mirror(ledgers.url, ledgers.views, settings.state_dir, stack)
    metrics.mirror_lag_seconds.set_function(lambda: mirror.lag_s)
    return mirror


async def _load_flows(settings: FlowSettings, ledger: Ledger, clock: Clock) -> Flows:
    """The flows of the files, which the ledger keeps, and the earlier versions that it has kept."""
    files = [*shipped_flows(), *load_folder(settings.folder)]
    Flows(files, settings.default)  # so that nothing is kept of files that do not fit together
    now = clock()

    def write(cursor: Cursor) -> list[FlowDefinition]:
        flows.keep(cursor, files, now)
        return flows.stored(cursor)

    return Flows(files, settings.default, await ledger.write(write))


def _console_certificate(settings: Settings, clock: Clock, metrics: Metrics) -> ConsoleCertificate | None:
    files = files_of_console(settings.console, settings.tls)
    if files is None or not settings.console.enabled:
        return None
    return ConsoleCertificate(files[0], clock, metrics, files[1])


def _show_ledger(metrics: Metrics, ledger: Ledger) -> None:
    ledger.observe_commits(metrics.ledger_commit_seconds.observe)
    metrics.ledger_writable.set_function(lambda: float(ledger.health.refused_since is None))


def _disk_room(settings: Settings, metrics: Metrics) -> DiskRoom:
    disks = (
        Disk("ledger", settings.ledger_path.parent, Reason.LEDGER_FULL),
        Disk("spool", settings.spool_dir, Reason.SPOOL_FULL),
    )
    room = DiskRoom(disks, settings.limits.least_free_bytes)
    for disk in disks:
        metrics.disk_free_bytes.labels(disk.name).set_function(partial(room.free, disk))
    return room
