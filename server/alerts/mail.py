"""Alerts by e-mail."""

from __future__ import annotations

from email.message import EmailMessage
from email.utils import format_datetime

from server.alerts.smtp import MailSender, MailServer, domain_of
from server.alerts.types import ALERT_REASONS, Alert
from server.ledger.types import Clock


class MailChannel:
    """Sends plain text to one address.

    Args:
        server: Takes the mail.
        sender: Address in From.
        recipient: Address in To.
        clock: The time now.
    """

    name = "mail"

    def __init__(self, server: MailServer, sender: str, recipient: str, clock: Clock) -> None:
        self._mail = MailSender(server, domain_of(sender), ALERT_REASONS)
        self._sender = sender
        self._recipient = recipient
        self._clock = clock

    async def send(self, alert: Alert, alert_id: str) -> None:
        """See ``Channel``."""
        await self._mail.send(self._message(alert, alert_id))

    def _message(self, alert: Alert, alert_id: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = self._recipient
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = f"<{alert_id}@{domain_of(self._sender)}>"
        noun = "job" if alert.number == 1 else "jobs"
        message["Subject"] = f"Vestibule: {alert.number} {noun} failed permanently"
        counts = [f"{number:>6}  {kind}  {reason}" for (kind, reason), number in alert.counts.most_common()]
        ids = [letter.id for letter in alert.letters]
        lines = ["Dead letters by kind and reason:", *counts, "", "The first of them:", *ids, ""]
        message.set_content("\n".join([*lines, "`vestibule dlq show ID` has the attempts.", ""]))
        return message
