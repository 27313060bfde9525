"""Alerts by e-mail, over SMTP."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, Literal

from models.errors import InternalError, Unavailable
from models.reasons import Reason
from server.alerts.types import Alert
from server.ledger.types import Clock

TIMEOUT_S: Final = 10.0
FIRST_PERMANENT: Final = 500
"""SMTP statuses from here on are permanent (RFC 5321, 4.2.1)."""

Security = Literal["starttls", "tls", "none"]


@dataclass(frozen=True, slots=True)
class MailServer:
    """How mail is sent.

    Attributes:
        user: Empty sends without a login.
    """

    host: str
    port: int
    security: Security
    user: str = ""
    password: str = ""


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
        self._server = server
        self._sender = sender
        self._recipient = recipient
        self._clock = clock

    async def send(self, alert: Alert, alert_id: str) -> None:
        """See ``Channel``."""
        message = self._message(alert, alert_id)
        try:
            await asyncio.to_thread(self._deliver, message)
        except smtplib.SMTPResponseException as exc:
            raise _failure(exc.smtp_code) from exc
        except smtplib.SMTPRecipientsRefused as exc:
            raise _failure(next(iter(exc.recipients.values()))[0]) from exc
        except (smtplib.SMTPException, OSError) as exc:
            name = type(exc).__name__
            raise Unavailable(f"The mail server cannot be reached ({name}).", reason=Reason.ALERT_NOT_SENT) from exc

    def _message(self, alert: Alert, alert_id: str) -> EmailMessage:
        message = EmailMessage()
        message["From"] = self._sender
        message["To"] = self._recipient
        message["Date"] = format_datetime(self._clock())
        message["Message-ID"] = f"<{alert_id}@{self._sender.rpartition('@')[2]}>"
        noun = "job" if alert.number == 1 else "jobs"
        message["Subject"] = f"Vestibule: {alert.number} {noun} failed permanently"
        counts = [f"{number:>6}  {kind}  {reason}" for (kind, reason), number in alert.counts.most_common()]
        ids = [letter.id for letter in alert.letters]
        lines = ["Dead letters by kind and reason:", *counts, "", "The first of them:", *ids, ""]
        message.set_content("\n".join([*lines, "`vestibule dlq show ID` has the attempts.", ""]))
        return message

    def _deliver(self, message: EmailMessage) -> None:
        server, name = self._server, self._sender.rpartition("@")[2]
        context = ssl.create_default_context()
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=name, timeout=TIMEOUT_S, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, local_hostname=name, timeout=TIMEOUT_S)
        with connection:
            if server.security == "starttls":
                connection.starttls(context=context)
            if server.user:
                connection.login(server.user, server.password)
            connection.send_message(message)


def _failure(code: int) -> Unavailable | InternalError:
    message = f"The mail server answered with the status {code}."
    if code < FIRST_PERMANENT:
        return Unavailable(message, reason=Reason.ALERT_NOT_SENT)
    return InternalError(message, reason=Reason.ALERT_REFUSED)
