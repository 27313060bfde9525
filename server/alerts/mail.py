"""Alerts by e-mail, over SMTP."""

from __future__ import annotations

import asyncio
import smtplib
import ssl
import threading
from contextlib import suppress
from dataclasses import dataclass
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Final, Literal

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from server.alerts.types import Alert
from server.ledger.types import Clock

TIMEOUT_S: Final = 10.0
"""Bound of each step of SMTP."""
WHOLE_S: Final = 60.0
"""Bound of all steps."""
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
        loop = asyncio.get_running_loop()
        ended: asyncio.Future[VestibuleError | None] = loop.create_future()

        def work() -> None:
            error = self._try(message)
            with suppress(RuntimeError):  # the server has ended
                loop.call_soon_threadsafe(_settle, ended, error)

        # A server that ends does not wait for a daemon thread, as it would for one of the loop.
        threading.Thread(target=work, name="alert-mail", daemon=True).start()
        try:
            error = await asyncio.wait_for(ended, WHOLE_S)
        except TimeoutError as exc:
            raise Unavailable("The mail server is too slow.", reason=Reason.ALERT_NOT_SENT) from exc
        if error is not None:
            raise error

    def _try(self, message: EmailMessage) -> VestibuleError | None:
        """Deliver a message; returns why that failed."""
        try:
            self._deliver(message)
        except smtplib.SMTPResponseException as exc:
            return _failure(exc.smtp_code)
        except smtplib.SMTPRecipientsRefused as exc:
            return _failure(next(iter(exc.recipients.values()))[0])
        except (smtplib.SMTPException, OSError) as exc:
            name = type(exc).__name__
            return Unavailable(f"The mail server cannot be reached ({name}).", reason=Reason.ALERT_NOT_SENT)
        return None

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


def _settle(ended: asyncio.Future[VestibuleError | None], error: VestibuleError | None) -> None:
    if not ended.done():
        ended.set_result(error)


def _failure(code: int) -> Unavailable | InternalError:
    message = f"The mail server answered with the status {code}."
    if code < FIRST_PERMANENT:
        return Unavailable(message, reason=Reason.ALERT_NOT_SENT)
    return InternalError(message, reason=Reason.ALERT_REFUSED)
