"""Builds the weekly report."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import get_args
from zoneinfo import ZoneInfo

from server.alerts.smtp import MailServer
from server.funnel.drop_offs import SeverityRules
from server.funnel.optimizer import FunnelOptimizer
from server.funnel.texts import load_texts
from server.ledger.long_reads import Reads
from server.ledger.transactional import Ledger
from server.ledger.types import Clock
from server.observability.metrics import Metrics
from server.reports.channels import FolderChannel, MailChannel, ReportChannel, WebhookChannel
from server.reports.delivery import ReportDelivery
from server.reports.week import Schedule
from server.reports.weekly import LedgerReportMaker
from server.setting_groups import ReportSettings
from server.setting_groups.reports import Weekday
from server.settings import Settings


def build_report_delivery(
    settings: Settings, ledger: Ledger, views: Reads, metrics: Metrics, clock: Clock
) -> ReportDelivery:
    """Build it; nothing is sent yet. The reports are made from what has the views."""
    given, rules = settings.reports, settings.funnel_report
    zone, texts = ZoneInfo(given.time_zone), load_texts(rules.texts, given.language)
    optimizer = FunnelOptimizer(SeverityRules(rules.high_rate, rules.critical_rate, rules.least_sessions), texts)
    idle = timedelta(seconds=settings.idle_session_s)
    channels = report_channels(given, clock)
    names = [channel.name for channel in channels]
    metrics.show(metrics.reports, names, ["sent", "retried", "failed"])
    delivery = ReportDelivery(
        ledger,
        channels,
        Schedule(get_args(Weekday).index(given.day), given.hour, zone),
        LedgerReportMaker(views, optimizer, texts, idle, zone, given.time_zone, clock),
        settings.retry.policies["reports"],
        clock,
        lambda channel, outcome: metrics.reports.labels(channel, outcome).inc(),
    )
    for name in names:
        metrics.report_failed.labels(name).set_function(partial(delivery.failed, name))
    return delivery


def report_channels(settings: ReportSettings, clock: Clock) -> list[ReportChannel]:
    """Those that are set."""
    channels: list[ReportChannel] = []
    if settings.folder is not None:
        channels.append(FolderChannel(settings.folder))
    if settings.webhook_url:
        channels.append(WebhookChannel(settings.webhook_url, settings.webhook_secret.get_secret_value(), clock))
    if settings.mail_to:
        password = settings.smtp_password.get_secret_value()
        server = MailServer(
            settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_user, password
        )
        channels.append(MailChannel(server, settings.mail_from, settings.mail_to, clock))
    return channels
