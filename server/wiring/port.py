"""Builds the gRPC port: the services, and the checks that each call passes before them."""

from __future__ import annotations

from server.access.authenticator import Access
from server.funnel.texts import load_texts
from server.grpc_server import GrpcServer
from server.jobs.letter_operations import LetterOperations
from server.llm.field_names import FieldNames
from server.records.approval import ApprovalRules
from server.records.disk_status import DiskStatus
from server.records.flow_answers import FlowAnswers
from server.records.guide import Guide
from server.records.machine_words import MachineWords, as_device
from server.records.report_status import ReportStatus
from server.records.reviews import Reviews
from server.records.reviews_fields import FieldReview
from server.records.reviews_metrics import ReviewMetrics
from server.records.sealed_releases import SealedReleases
from server.records.status import StatusReporter
from server.risk.texts import RiskTexts
from server.rpc.interceptors.authenticate import Authenticate, observer
from server.rpc.interceptors.refusal_limits import RefusalLimits
from server.services import Services
from server.services.access import AccessService
from server.services.admin import AdminService
from server.services.conversation import ConversationService
from server.services.experiment import ExperimentService
from server.services.flow import FlowService
from server.services.funnel import FunnelService
from server.services.funnel_analysis import Analysis
from server.services.media import MediaService
from server.services.recommendation import RecommendationService
from server.services.report import ReportService
from server.services.review import ReviewService
from server.services.risk import RiskService
from server.services.sealed import SealedValueService
from server.services.session import SessionService
from server.settings import Settings
from server.speech_models.shadow import FinalsShadow
from server.streaming.stream_manager import StreamManager
from server.uploads.malware_scan import NoScan
from server.wiring.jobs import Jobs
from server.wiring.shared import Shared
from server.wiring.stored_data import StoredData


def build_services(
    settings: Settings,
    shared: Shared,
    access: Access,
    jobs: Jobs,
    streams: StreamManager,
    stored: StoredData,
    shadow: FinalsShadow,
) -> Services:
    """One servicer for each gRPC service."""
    ledger, gateway, pubsub, lifecycle = shared.ledger, shared.gateway, shared.pubsub, shared.lifecycle
    clock, sandbox = shared.clock, shared.sandbox
    words = MachineWords(gateway)
    scan = shared.scan or NoScan()
    disks = [DiskStatus(shared.room, disk) for disk in shared.room.disks]
    own = (shared.cluster_report, *disks, stored.analysts, stored.retention, stored.spool_key, shared.certificate)
    console = shared.console_certificate
    reporting = (
        *own,
        shadow,
        shared.membership,
        shared.mirror,
        console,
        scan,
        sandbox,
        sandbox.confinement,
        ReportStatus(stored.reports) if shared.analyst_ledger else None,
    )
    parts = [part for part in reporting if part is not None]
    status = StatusReporter(
        gateway,
        ledger,
        shared.assistant,
        shared.breakers,
        clock(),
        lambda: streams.count,
        parts,
        settings.retry.policies,
        shared.worker_report.sentence,
        lambda: shared.cluster.dashboard_url,
        shared.labeller,
    )
    rate = settings.dead_letters.redrive_per_s
    operations = LetterOperations(ledger, jobs.runner, shared.audit.trail, clock, rate)
    return Services(
        session=SessionService(stored.sessions, pubsub, lifecycle, words),
        conversation=ConversationService(streams),
        media=MediaService(jobs.uploads, ledger, pubsub, lifecycle, settings.pictures_dir),
        recommendation=RecommendationService(jobs.recommender, words),
        review=_build_review(settings, shared, words),
        flow=FlowService(
            shared.flows,
            FlowAnswers(ledger, gateway, pubsub, Guide(shared.flows, shared.audit.trail), clock, shared.seals),
            settings.retention,
        ),
        funnel=FunnelService(
            ledger,
            gateway,
            clock,
            shared.audit.trail,
            Analysis.of_settings(settings, clock),
            flows=shared.flows.known,
            undeclared=settings.events.undeclared,
            most_of_session=settings.events.most_of_session,
            metrics=shared.metrics,
            views=shared.views,
            refusals=shared.refusals,
        ),
        risk=RiskService(
            shared.views, stored.risk, clock, RiskTexts(load_texts(settings.funnel_report.texts)), settings.risk
        ),
        sealed=SealedValueService(SealedReleases(ledger, shared.audit.trail, clock, shared.metrics, shared.flows)),
        experiment=ExperimentService(shared.views, shared.experiments, clock, shared.audit.trail.client_pseudonym),
        report=ReportService(stored.reports),
        admin=AdminService(
            status,
            ledger,
            jobs.runner,
            shared.breakers,
            words,
            stored.eraser,
            shared.audit,
            operations,
            stored.spool_key,
            stored.hold,
            shadow,
        ),
        access=AccessService(access.keys, MachineWords(gateway, as_device), clock),
    )


def _build_review(settings: Settings, shared: Shared, words: MachineWords) -> ReviewService:
    ledger, gateway, clock, audit = shared.ledger, shared.gateway, shared.clock, shared.audit.trail
    rules = ApprovalRules(settings.approval, shared.flows)
    names = FieldNames(settings.upstream.field_names)
    reviews = Reviews(ledger, gateway, clock, audit, rules, shared.flows, settings.approval.claim_s)
    counted = ReviewMetrics(shared.metrics)
    fields = FieldReview(ledger, gateway, shared.pubsub, clock, audit, rules, shared.flows, names, counted)
    return ReviewService(reviews, fields, words)


def build_grpc_server(settings: Settings, services: Services, shared: Shared, access: Access) -> GrpcServer:
    """The port; it does not listen yet."""
    credentials = shared.certificate.credentials if shared.certificate else None
    observe = observer(shared.metrics, shared.audit.access)
    authenticate = Authenticate(access.authenticator, observe, RefusalLimits(settings.limits))
    return GrpcServer(
        settings.address,
        services,
        shared.lifecycle,
        shared.metrics,
        authenticate,
        credentials=credentials,
        limits=settings.limits,
        room=shared.room,
        on_flood=shared.audit.access.at_port,
        tracer=shared.tracer,
    )
