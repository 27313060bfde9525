"""Builds the background jobs, and the parts that enqueue them."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata

from models.retry import RetryPolicies
from server.alerts.alerter import Alerter
from server.jobs.attempt import log_attempt
from server.jobs.handlers import build_handlers
from server.jobs.runner import JobRunner
from server.jobs.types import Handler, JobDetails, JobObserver, JobOutcome
from server.ledger.job_attempts import owner_name
from server.llm.field_names import FieldNames
from server.observability.metrics import Metrics
from server.records.guide import Guide
from server.records.recommender import Recommender
from server.records.reviews_metrics import ReviewMetrics
from server.runtime.steady_clock import SteadyClock
from server.settings import Settings
from server.uploads.build import build_upload_service
from server.uploads.service import UploadService
from server.wiring.letters import build_alerters, build_letter_rules
from server.wiring.shared import Shared


@dataclass(frozen=True, slots=True)
class Jobs:
    """Background jobs, and the parts that enqueue them."""

    runner: JobRunner
    recommender: Recommender
    uploads: UploadService
    handlers: Sequence[Handler]
    alerters: Sequence[Alerter]


def build_jobs(settings: Settings, shared: Shared) -> Jobs:
    """Build them; nothing runs yet."""
    ledger, spool, gateway, pubsub = shared.ledger, shared.spool, shared.gateway, shared.pubsub
    clock = shared.clock
    audit = shared.audit.trail
    alerters = build_alerters(settings, shared.metrics, clock)
    runner = JobRunner(
        ledger,
        clock=clock,
        owner=owner_name(metadata.version("vestibule"), str(uuid.uuid4())),
        audit=audit,
        observer=_count_jobs(shared.metrics),
        policies=settings.retry.policies,
        admit=shared.room.require,
        steady=SteadyClock(clock),
        letters=build_letter_rules(settings, shared.metrics, alerters),
        workers_up=lambda: shared.cluster.ready,
        tracer=shared.tracer,
    )
    shared.breakers.wake_when_closed(runner.wake)
    recommender = Recommender(
        ledger,
        gateway,
        shared.assistant,
        pubsub,
        clock=clock,
        audit=audit,
        approval=settings.approval,
        flows=shared.flows,
        fields=FieldNames(settings.upstream.field_names),
        on_job=runner.wake,
        label_wait_s=lambda: settings.labels.wait_s if shared.labeller.willing else 0.0,
        on_decided=ReviewMetrics(shared.metrics).decided,
        refusals=shared.refusals,
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
        refusals=shared.refusals,
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
        guide=Guide(shared.flows, shared.audit.trail),
        recordings_at_once=max(2, settings.speech.places),
        keep_recordings=settings.keep_redacted_recordings,
        experiments=shared.experiments,
        seals=shared.seals,
        labeller=shared.labeller,
        labels=settings.labels,
    )
    kinds = [handler.kind for handler in handlers]
    shared.metrics.show(shared.metrics.jobs, kinds, JobOutcome)
    shared.metrics.show(shared.metrics.job_seconds, kinds)
    shared.metrics.show(shared.metrics.waiting_jobs, kinds)
    shared.metrics.show(shared.metrics.waiting_job_seconds, kinds)
    shared.metrics.show(shared.metrics.dead_letters, kinds)
    shared.metrics.show(shared.metrics.dropped_letters, kinds)
    _show_policies(shared.metrics, settings.retry.policies)
    return Jobs(runner, recommender, uploads, handlers, alerters)


def _show_policies(metrics: Metrics, policies: RetryPolicies) -> None:
    for name, policy in policies.items():
        bounds = {
            "attempts": policy.attempts,
            "first_delay_s": policy.first_delay_s,
            "longest_delay_s": policy.longest_s,
            "total_s": policy.total_s,
        }
        for bound, value in bounds.items():
            metrics.retry_policy.labels(name, bound).set(value)


def _count_jobs(metrics: Metrics) -> JobObserver:
    def observe(details: JobDetails) -> None:
        log_attempt(details)
        metrics.jobs.labels(details.kind, details.outcome).inc()
        metrics.job_seconds.labels(details.kind).observe(details.took_s)

    return observe
