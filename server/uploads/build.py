"""Builds the upload service with its checks, quota and records."""

from __future__ import annotations

import time
from collections.abc import Callable

from ray_tasks.types import Gateway
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.metrics import Metrics
from server.records.pubsub import PubSub
from server.records.refusal_events import RefusalEvents
from server.setting_groups import ClamavSettings, LimitSettings
from server.uploads.checks import default_checks
from server.uploads.clamav import ClamavClient
from server.uploads.display_name import DisplayNames
from server.uploads.encode_anew import MediaCleaner
from server.uploads.malware_scan import MalwareScan
from server.uploads.pace import UploadPace
from server.uploads.quota import UploadQuota
from server.uploads.refusals import RefusalRecorder
from server.uploads.service import UploadService
from server.uploads.spool import Spool


def build_upload_service(
    ledger: Ledger,
    spool: Spool,
    pubsub: PubSub,
    gateway: Gateway,
    metrics: Metrics,
    limits: LimitSettings,
    cleaner: MediaCleaner,
    *,
    on_job: Callable[[], None],
    clock: Clock,
    refusals: RefusalEvents,
    scan: MalwareScan | None = None,
) -> UploadService:
    """An upload service with ``default_checks``; see its arguments."""
    quota = UploadQuota(ledger, limits, clock)
    checks = default_checks(limits, quota, cleaner, scan)
    recorder = RefusalRecorder(refusals, metrics, checks)
    pace = UploadPace(limits.upload_bytes_per_s, limits.upload_stall_s, limits.upload_s)
    return UploadService(
        ledger, spool, pubsub, checks, quota, recorder, DisplayNames(gateway), on_job=on_job, clock=clock, pace=pace
    )


def build_malware_scan(
    settings: ClamavSettings, limits: LimitSettings, ledger: Ledger, metrics: Metrics, clock: Clock
) -> MalwareScan | None:
    """The malware scanner; None when it is off."""
    if settings.mode == "off":
        return None
    client = ClamavClient(settings.address, timeout_s=settings.timeout_s, at_once=settings.at_once)
    required = settings.mode == "required"
    return MalwareScan(
        client, ledger, metrics, clock, required=required, largest_bytes=limits.upload_bytes, now_s=time.monotonic
    )
