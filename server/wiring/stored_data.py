"""Builds what reads, keeps and erases the stored data of people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from server.analytics.endpoint import AnalystEndpoint
from server.backup.hold import FilesHold
from server.erasure.eraser import Eraser, LiveWork
from server.erasure.retention import Retention
from server.housekeeping import Housekeeping
from server.jobs.waiting_metrics import WaitingJobs
from server.mirror import Mirror, forget_deleted
from server.records.reviews_metrics import WaitingRecords
from server.records.sessions import Sessions
from server.reports.delivery import ReportDelivery
from server.risk.trainer import RiskTrainer, forget_model
from server.settings import Settings
from server.streaming.stream_manager import StreamManager
from server.uploads.key_rotation import SpoolKeyRotation
from server.uploads.spool import Spool
from server.wiring.jobs import Jobs
from server.wiring.reports import build_report_delivery
from server.wiring.shared import Shared


@dataclass(frozen=True, slots=True)
class StoredData:
    """What reads, keeps and erases the stored data of people."""

    sessions: Sessions
    analysts: AnalystEndpoint
    eraser: Eraser
    retention: Retention
    housekeeping: Housekeeping
    spool_key: SpoolKeyRotation
    hold: FilesHold
    reports: ReportDelivery
    risk: RiskTrainer


def build_stored_data(settings: Settings, shared: Shared, jobs: Jobs, streams: StreamManager) -> StoredData:
    """Build it; nothing runs yet."""
    ledger, spool, clock, pictures = shared.ledger, shared.spool, shared.clock, settings.pictures_dir
    sessions = Sessions(
        ledger, shared.pubsub, shared.sealer, clock, shared.flows, shared.experiments, settings.flows.time_zone
    )
    analysts = AnalystEndpoint(
        shared.analyst_ledger,
        settings.quack,
        settings.state_dir,
        shared.audit.access.at_door,
        settings.limits.least_free_bytes,
    )
    work = LiveWork(streams.end_sessions, jobs.uploads.end_sessions, jobs.runner.end_sessions, sessions.abandon)
    forget = _forgetting(shared.mirror, analysts, settings.ledger.database)
    eraser = Eraser(ledger, spool, pictures, work, clock, shared.audit.trail, forget)
    letter_days = {str(kind): days for kind, days in settings.dead_letters.days_by_kind.items()}
    retention = Retention(
        ledger, spool, pictures, settings.retention, clock, eraser, letter_days, lambda: shared.flows.known
    )
    spool_key = SpoolKeyRotation(
        spool,
        ledger,
        shared.sealer,
        shared.audit.trail,
        eraser.alone,
        together=shared.membership is not None,
        least_free_bytes=settings.limits.least_free_bytes,
    )
    hold = FilesHold(spool, None if settings.ledger.database else shared.analyst_ledger, shared.audit, eraser.alone)
    reports = build_report_delivery(settings, ledger, shared.views, shared.metrics, clock)
    if shared.analyst_ledger is None:
        forget_model(settings.state_dir)
    risk = RiskTrainer(shared.views, clock, settings.risk, settings.idle_session_s, settings.state_dir)
    waiting = WaitingRecords(ledger, shared.metrics, clock)
    queue = WaitingJobs(ledger, shared.metrics, clock, [handler.kind for handler in jobs.handlers])
    also: list[Callable[[], Awaitable[object]]] = [eraser.round]
    if shared.membership is not None:
        also.append(partial(_recount, spool, streams))
    parts = (retention, spool_key, waiting, queue, shared.refusals)
    housekeeping = Housekeeping(
        sessions,
        jobs.uploads,
        ledger,
        spool,
        clock,
        streams,
        settings.idle_session_s,
        also=(*also, *(part.round for part in parts)),
        heavy=(partial(_with_fresh_mirror, shared.mirror, reports.round), risk.round) if shared.analyst_ledger else (),
    )
    return StoredData(sessions, analysts, eraser, retention, housekeeping, spool_key, hold, reports, risk)


async def _recount(spool: Spool, streams: StreamManager) -> None:
    """Count what other servers have in the spool."""
    await asyncio.to_thread(spool.recount)
    await streams.count_logs()


async def _with_fresh_mirror(mirror: Mirror | None, work: Callable[[], Awaitable[object]]) -> None:
    """Do what is made of the mirror, unless that is behind; the next round tries again."""
    if mirror is None or mirror.component.healthy:
        await work()


def _forgetting(mirror: Mirror | None, analysts: AnalystEndpoint, url: str) -> Callable[[], Awaitable[None]]:
    """What leaves no byte of what was erased in the copies of the ledger, those of other servers too."""
    forget_snapshot = partial(asyncio.to_thread, analysts.forget_snapshot)
    if mirror is None:
        if not url:
            return forget_snapshot
        from server.ledger.postgres.mirrors import Forgetting  # psycopg is an extra

        return partial(forget_deleted, partial(Forgetting, url))
    mirror.forget_copies = forget_snapshot
    return mirror.forget_deleted
