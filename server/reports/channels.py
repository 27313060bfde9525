"""Where the weekly report is sent."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Final, Protocol

from models.errors import Unavailable
from models.private_files import write_atomically
from models.reasons import Reason
from server.alerts.signed_post import SignedPost
from server.alerts.smtp import MailSender, MailServer, domain_of
from server.alerts.types import SendReasons
from server.ledger.types import Clock
from server.reports.message import ReportMessage, mail
from server.runtime.daemon_thread import answer_of_thread
from server.times import machine_time

FOLDER_S: Final = 60.0
"""Bound of writing into a folder, which may be on a disk of the network that hangs."""
REPORT_REASONS: Final = SendReasons(Reason.REPORT_NOT_SENT, Reason.REPORT_REFUSED)


class ReportChannel(Protocol):
    """Sends reports."""

    @property
    def name(self) -> str:
        """A machine word."""
        ...

    async def send(self, message: ReportMessage, report_id: str) -> None:
        """Send it once.

        Args:
            message: The report.
            report_id: UUID; the same when it is sent again.

        Raises:
            Unavailable: REPORT_NOT_SENT; another attempt may succeed.
            InternalError: REPORT_REFUSED; no other attempt would.
        """
        ...


class FolderChannel:
    """Writes three files into a folder that exists: one that does not may be a disk that is not mounted."""

    name = "folder"

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def send(self, message: ReportMessage, report_id: str) -> None:
        """See ``ReportChannel``. A report of the same week is replaced, whole or not at all, mode 0600."""
        try:
            problem = await answer_of_thread(lambda: self._try(message), "report-folder", FOLDER_S)
        except TimeoutError:
            problem = "TimeoutError"
        if problem:
            raise Unavailable(f"The folder does not take the report ({problem}).", reason=Reason.REPORT_NOT_SENT)

    def _try(self, message: ReportMessage) -> str:
        """Returns the kind of failure; empty if there was none."""
        try:
            self._write(message)
        except (OSError, ValueError) as exc:  # a text that is no UTF-8 is a ValueError
            return type(exc).__name__
        return ""

    def _write(self, message: ReportMessage) -> None:
        stem = f"{'test-' if message.test else ''}weekly-report-{message.week}"
        document = json.dumps(message.document, indent=1) + "\n"
        for suffix, content in (("json", document), ("txt", message.text), ("html", message.html)):
            write_atomically(self._folder / f"{stem}.{suffix}", content.encode())


class WebhookChannel:
    """Posts JSON to one address, see ``SignedPost``."""

    name = "webhook"

    def __init__(self, url: str, secret: str, clock: Clock) -> None:
        self._post = SignedPost(url, secret, REPORT_REASONS)
        self._clock = clock

    async def send(self, message: ReportMessage, report_id: str) -> None:
        """See ``ReportChannel``."""
        now = self._clock()
        body = {
            "type": "funnel_report.test" if message.test else "funnel_report.weekly",
            "timestamp": machine_time(now),
            "data": {
                "subject": message.subject,
                "text": message.text,
                "html": message.html,
                "document": message.document,
            },
        }
        await self._post.send(json.dumps(body).encode(), report_id, now)


class MailChannel:
    """Sends a mail with text and HTML.

    Args:
        server: Takes the mail.
        sender: Address in From.
        recipients: Addresses in To, with commas.
        clock: The time now.
    """

    name = "mail"

    def __init__(self, server: MailServer, sender: str, recipients: str, clock: Clock) -> None:
        self._mail = MailSender(server, domain_of(sender), REPORT_REASONS)
        self._sender = sender
        self._recipients = recipients
        self._clock = clock

    async def send(self, message: ReportMessage, report_id: str) -> None:
        """See ``ReportChannel``."""
        await self._mail.send(mail(message, report_id, self._sender, self._recipients, self._clock()))
