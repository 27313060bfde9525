"""A real SMTP server on loopback for tests, with TLS and logins."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from server.tls.development import make_development_certificate

USER, PASSWORD = "reports", "correct horse"


@dataclass
class Mailbox:
    """Takes mail and keeps it.

    Attributes:
        refused: Recipients that are refused for good.
        answers: Answers to the next mails, in the place of 250.
    """

    refused: tuple[str, ...] = ()
    answers: list[str] = field(default_factory=list)
    mails: list[bytes] = field(default_factory=list)
    recipients: list[list[str]] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refused:
            return "550 no such user"
        envelope.rcpt_tos.append(address)
        return "250 ok"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        answer = self.answers.pop(0) if self.answers else "250 kept"
        if answer.startswith("250"):
            assert isinstance(envelope.content, bytes)
            self.mails.append(envelope.content)
            self.recipients.append(envelope.rcpt_tos)
            assert server.transport is not None
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
        return answer


@asynccontextmanager
async def smtp_server(
    mailbox: Mailbox, security: str = "none", folder: Path | None = None, *, login: bool = False
) -> AsyncIterator[int]:
    """Serve on the event loop of the test; yields the port.

    Args:
        security: none, starttls or tls.
        folder: For the certificate, with ``ca.pem``; its CA is to be trusted by SSL_CERT_FILE.
        login: Whether a mail needs ``USER`` and ``PASSWORD``.
    """
    context = _context(folder) if folder is not None and security != "none" else None
    loop = asyncio.get_running_loop()

    def authenticate(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: Any) -> AuthResult:
        right = isinstance(data, LoginPassword) and data == LoginPassword(USER.encode(), PASSWORD.encode())
        return AuthResult(success=right, handled=False)

    def protocol() -> SMTP:
        return SMTP(
            mailbox,
            hostname="mail.example.org",
            ident="test",
            loop=loop,
            tls_context=context if security == "starttls" else None,
            require_starttls=security == "starttls",
            authenticator=authenticate if login else None,
            auth_required=login,
            auth_require_tls=security == "starttls",
        )

    listening = await loop.create_server(protocol, "127.0.0.1", 0, ssl=context if security == "tls" else None)
    async with listening:
        yield int(listening.sockets[0].getsockname()[1])


def _context(folder: Path) -> ssl.SSLContext:
    made = make_development_certificate(folder, ["127.0.0.1"], 2, datetime.now(UTC))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(made.certificate, made.key)
    return context
