"""Sends a mail over SMTP, with bounds, so that no server of others holds ours up."""

from __future__ import annotations

import smtplib
import ssl
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import EmailMessage
from typing import Final, Literal

from models.errors import InternalError, Unavailable, VestibuleError
from server.alerts.types import SendReasons
from server.runtime.daemon_thread import answer_of_thread

TIMEOUT_S: Final = 10.0
"""Bound of each step of SMTP until the login."""
WHOLE_S: Final = 60.0
"""Bound of each step that hands the mail over. A server that checks a mail may take long to answer; one given up on has
the mail, and gets it again (RFC 5321, 4.5.3.2.6)."""
QUIT_S: Final = 2.0
"""Bound of the goodbye, which changes nothing."""
LONGEST_S: Final = WHOLE_S + 3 * TIMEOUT_S + QUIT_S
"""Bound of all, from connecting to the goodbye."""
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


class MailSender:
    """Hands messages to one mail server.

    Args:
        server: Takes the mail.
        domain: How this machine names itself; its own name is told to nobody.
        reasons: What a failure is called.
    """

    def __init__(self, server: MailServer, domain: str, reasons: SendReasons) -> None:
        self._server = server
        self._domain = domain
        self._reasons = reasons

    async def send(self, message: EmailMessage) -> None:
        """Send a message to its recipients, once.

        Raises:
            Unavailable: Another attempt may succeed.
            InternalError: No other attempt would, or some of the recipients were refused.
        """
        await self._attempt(lambda: self._deliver(message))

    async def check(self) -> None:
        """Connect and log in as for a message, without sending one.

        Raises:
            Unavailable, InternalError: As ``send``.
        """
        await self._attempt(self._only_connect)

    async def _attempt(self, deliver: Callable[[], int]) -> None:
        try:
            error = await answer_of_thread(lambda: self._try(deliver), "mail", LONGEST_S)
        except TimeoutError as exc:
            raise Unavailable("The mail server is too slow.", reason=self._reasons.not_sent) from exc
        except ValueError as exc:  # a host or an address that cannot be encoded
            message_text = f"The mail cannot be sent ({type(exc).__name__})."
            raise InternalError(message_text, reason=self._reasons.refused) from exc
        if error is not None:
            raise error

    def _try(self, deliver: Callable[[], int]) -> VestibuleError | None:
        """Deliver a message; returns why that failed.

        Args:
            deliver: Returns how many recipients were refused, if not all.
        """
        try:
            refused = deliver()
        except smtplib.SMTPAuthenticationError as exc:
            return self._failure(exc.smtp_code, "refuses the login")
        except smtplib.SMTPResponseException as exc:
            return self._failure(exc.smtp_code, "answered")
        except smtplib.SMTPRecipientsRefused as exc:
            return self._failure(next(iter(exc.recipients.values()))[0], "refuses the recipients")
        except (smtplib.SMTPException, OSError) as exc:
            name = type(exc).__name__
            return Unavailable(f"The mail server cannot be reached ({name}).", reason=self._reasons.not_sent)
        if refused:  # The others have it, and would get it twice.
            message_text = f"The mail server refuses {refused} of the recipients; the others have the mail."
            return InternalError(message_text, reason=self._reasons.refused)
        return None

    def _deliver(self, message: EmailMessage) -> int:
        """Returns how many recipients were refused, if not all."""
        with self._connected() as connection:
            return len(connection.send_message(message))

    def _only_connect(self) -> int:
        with self._connected():
            return 0

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        """A connection on which a mail can be sent. How it ends is no error: the mail was taken before, or refused."""
        server = self._server
        context = ssl.create_default_context()
        if server.security == "tls":
            connection: smtplib.SMTP = smtplib.SMTP_SSL(
                server.host, server.port, local_hostname=self._domain, timeout=TIMEOUT_S, context=context
            )
        else:
            connection = smtplib.SMTP(server.host, server.port, local_hostname=self._domain, timeout=TIMEOUT_S)
        try:
            if server.security == "starttls":
                connection.starttls(context=context)
            if server.user:
                connection.login(server.user, server.password)
            _limit(connection, WHOLE_S)
            yield connection
        finally:
            with suppress(smtplib.SMTPException, OSError):
                _limit(connection, QUIT_S)
                connection.quit()
            connection.close()

    def _failure(self, code: int, what: str) -> Unavailable | InternalError:
        message = f"The mail server {what} with the status {code}."
        if code < FIRST_PERMANENT:
            return Unavailable(message, reason=self._reasons.not_sent)
        return InternalError(message, reason=self._reasons.refused)


def _limit(connection: smtplib.SMTP, seconds: float) -> None:
    """Bound each further step."""
    if connection.sock is not None:
        connection.sock.settimeout(seconds)


def domain_of(address: str) -> str:
    """The domain of a mail address."""
    return address.rpartition("@")[2]
