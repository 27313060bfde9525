"""The composition root: builds every long-lived object of the server and passes each its dependencies.

``server.app`` starts and stops them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from ray_tasks.supervisor import ClusterSupervisor
from server.access.access_log import AccessLog
from server.access.authenticator import build_access
from server.alerts.alerter import Alerter
from server.analytics.endpoint import AnalystEndpoint
from server.breakers.prober import HealthProber
from server.breakers.worker_health import WorkerHealth
from server.console.http import ConsoleServer
from server.grpc_server import GrpcServer
from server.housekeeping import Housekeeping
from server.jobs.runner import JobRunner
from server.jobs.types import Handler
from server.ledger.opened import Ledgers
from server.ledger.transactional import Ledger
from server.ledger.types import utc_now
from server.membership import Membership
from server.mirror import Mirror
from server.observability.metrics import Metrics
from server.records.experiment_words import put_in_force
from server.records.pubsub import PubSub
from server.runtime.disk_room import DiskRoom
from server.settings import Settings
from server.speech_models.choice import SpeechModelChoice
from server.tls.reload import ServerCertificate
from server.uploads.malware_scan import MalwareScan
from server.uploads.service import UploadService
from server.wiring.console import build_console
from server.wiring.jobs import build_jobs
from server.wiring.port import build_grpc_server, build_services
from server.wiring.relay import RunningRelay, build_relay
from server.wiring.shared import build_shared
from server.wiring.stored_data import build_stored_data
from server.wiring.streams import build_streams


@dataclass(frozen=True, slots=True)
class Components:
    """What ``server.app`` starts and stops.

    Attributes:
        start_experiments: Puts the declared experiments in force; needs the redactor.
    """

    cluster: ClusterSupervisor
    grpc_server: GrpcServer
    runner: JobRunner
    handlers: Sequence[Handler]
    alerters: Sequence[Alerter]
    uploads: UploadService
    pubsub: PubSub
    analysts: AnalystEndpoint
    housekeeping: Housekeeping
    prober: HealthProber
    worker_health: WorkerHealth
    speech_models: SpeechModelChoice
    metrics: Metrics
    room: DiskRoom
    access_log: AccessLog
    certificate: ServerCertificate | None
    scan: MalwareScan | None
    mirror: Mirror | None
    membership: Membership | None
    relay: RunningRelay | None
    ledger: Ledger
    console: ConsoleServer | None
    start_experiments: Callable[[], Awaitable[None]]


async def build_components(settings: Settings, ledgers: Ledgers, stack: AsyncExitStack) -> Components:
    """Build everything around the open ledger. The stack closes what holds a connection.

    Raises:
        VestibuleError: A setting, a key or the weights are not usable.
    """
    shared = await build_shared(settings, ledgers, stack, utc_now)
    access = await build_access(settings, ledgers.ledger, shared.clock, shared.audit.trail, stack)
    jobs = build_jobs(settings, shared)
    streams, shadow = await build_streams(settings, shared, jobs, stack)
    stored = build_stored_data(settings, shared, jobs, streams)
    services = build_services(settings, shared, access, jobs, streams, stored, shadow)
    return Components(
        cluster=shared.cluster,
        grpc_server=build_grpc_server(settings, services, shared, access),
        runner=jobs.runner,
        handlers=jobs.handlers,
        alerters=jobs.alerters,
        uploads=jobs.uploads,
        pubsub=shared.pubsub,
        mirror=shared.mirror,
        membership=shared.membership,
        relay=build_relay(ledgers.url, shared, jobs.runner, access.keys, services.funnel.declared, shadow.choice),
        ledger=shared.ledger,
        analysts=stored.analysts,
        housekeeping=stored.housekeeping,
        prober=shared.prober,
        worker_health=WorkerHealth(shared.cluster, shared.breakers),
        speech_models=shadow.choice,
        metrics=shared.metrics,
        room=shared.room,
        access_log=shared.audit.access,
        certificate=shared.certificate,
        scan=shared.scan,
        console=build_console(settings, services, shared, access),
        start_experiments=partial(put_in_force, shared.experiments, shared.declared_experiments, shared.gateway),
    )
