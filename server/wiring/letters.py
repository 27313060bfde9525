"""Builds what learns of new dead letters: the log, the metrics, and the alerts about critical kinds."""

from __future__ import annotations

from collections.abc import Sequence

from server.alerts.alerter import Alerter
from server.alerts.mail import MailChannel
from server.alerts.smtp import MailServer
from server.alerts.types import Channel
from server.alerts.webhook import WebhookChannel
from server.jobs.letter_rules import LetterRules, NewLetter, log_critical, log_letter
from server.ledger.dead_letters import LetterBounds
from server.ledger.types import Clock
from server.observability.metrics import Metrics
from server.setting_groups import AlertSettings
from server.settings import Settings


def build_alerters(settings: Settings, metrics: Metrics, clock: Clock) -> tuple[Alerter, ...]:
    """One for each channel that is set; none of them runs yet."""
    policy = settings.retry.policies["network"]
    channels = _channels(settings.alerts, clock)
    metrics.show(metrics.alerts, [channel.name for channel in channels], ["sent", "failed"])

    def count(channel: str, outcome: str) -> None:
        metrics.alerts.labels(channel, outcome).inc()

    return tuple(Alerter(channel, policy, settings.alerts.every_s, count) for channel in channels)


def build_letter_rules(settings: Settings, metrics: Metrics, alerters: Sequence[Alerter]) -> LetterRules:
    """The bounds of the settings, and the observer that tells of new letters."""
    critical = frozenset(settings.alerts.kinds)
    metrics.show(metrics.critical_letters, critical)

    def observe(new: NewLetter) -> None:
        kind = new.letter.kind
        log_letter(new)
        metrics.dead_letters.labels(kind).inc()
        for dropped in new.dropped:
            metrics.dropped_letters.labels(dropped.kind).inc(dropped.number)
        if kind in critical:
            log_critical(new.letter)
            metrics.critical_letters.labels(kind).inc()
            for alerter in alerters:
                alerter.notify(new.letter)

    by_kind = {str(kind): most for kind, most in settings.dead_letters.most_by_kind.items()}
    return LetterRules(LetterBounds(settings.dead_letters.most, by_kind), observe)


def _channels(settings: AlertSettings, clock: Clock) -> list[Channel]:
    channels: list[Channel] = []
    if settings.webhook_url:
        channels.append(WebhookChannel(settings.webhook_url, settings.webhook_secret.get_secret_value(), clock))
    if settings.mail_to:
        password = settings.smtp_password.get_secret_value()
        server = MailServer(
            settings.smtp_host, settings.smtp_port, settings.smtp_security, settings.smtp_user, password
        )
        channels.append(MailChannel(server, settings.mail_from, settings.mail_to, clock))
    return channels
