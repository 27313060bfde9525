"""The weekly report as it is sent: HTML, text, one JSON document and a mail."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import format_datetime
from typing import Any

from server.alerts.smtp import domain_of
from server.funnel.document import document as funnel_document
from server.funnel.document import interval
from server.funnel.steps import FUNNEL
from server.reports.changes import COMPLETED, Change
from server.reports.incidents import Incident
from server.reports.page import page
from server.reports.text import text
from server.reports.weekly import WeeklyReport
from server.reports.wording import Wording


@dataclass(frozen=True, slots=True)
class ReportMessage:
    """A report in every form.

    Attributes:
        week: Name of the week.
        test: Whether it is a test.
        make_time: When the report was made.
        subject: The main figure in a line.
        document: Numbers and sentences as plain values.
    """

    week: str
    test: bool
    make_time: datetime
    subject: str
    html: str
    text: str
    document: dict[str, Any]

    @classmethod
    def of(cls, report: WeeklyReport, *, test: bool = False) -> ReportMessage:
        """A report in every form."""
        subject = Wording(report).subject(test=test)
        html, plain = page(report, test=test), text(report, test=test)
        return cls(report.week.name, test, report.make_time, subject, html, plain, document(report))


def document(report: WeeklyReport) -> dict[str, Any]:
    """The report as plain values. Rates are shares from 0 to 1, times are in seconds."""
    rate = report.completion
    return {
        "week": report.week.name,
        "first_day": report.week.monday.isoformat(),
        "time_zone": report.zone,
        "sessions": report.report.sessions,
        "sessions_before": report.before.sessions,
        "completion_rate": interval(rate) if rate else None,
        "changes": [_change(change) for change in report.changes],
        "compared_groups": report.explanations.compared,
        "reasons": [
            {"head": line.head, "detail": line.detail, "effect": line.effect or None, "interval": line.bounds or None}
            for line in Wording(report).reasons()
        ],
        "incidents": [_incident(each) for each in report.incidents[0]],
        "incidents_before": [_incident(each) for each in report.incidents[1]],
        "report": funnel_document(replace(report.report, recommendations=report.recommendations)),
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "figure": "completion_rate" if change.step == COMPLETED else "drop_off_rate",
        "to_stage": FUNNEL[change.step].value if change.step != COMPLETED else None,
        "now": interval(change.now),
        "before": interval(change.before),
        "difference": interval(change.difference),
        "clear": change.clear,
    }


def _incident(incident: Incident) -> dict[str, Any]:
    return {
        "kind": incident.kind,
        "subject": incident.subject,
        "number": incident.number,
        "seconds": round(incident.seconds, 3),
    }


def mail(message: ReportMessage, report_id: str, sender: str, recipients: str, now: datetime) -> EmailMessage:
    """A mail with the report as text and as HTML.

    Args:
        message: The report.
        report_id: UUID, the same in every attempt, so that a client shows a mail that came twice once.
        sender: Address in From.
        recipients: Addresses in To, with commas.
        now: When it is sent.
    """
    domain = domain_of(sender)
    found = EmailMessage()
    found["From"] = Address("Vestibule", addr_spec=sender)
    found["To"] = [Address(addr_spec=address.strip()) for address in recipients.split(",")]
    found["Subject"] = message.subject
    found["Date"] = format_datetime(now)
    found["Message-ID"] = f"<{report_id}@{domain}>"
    found["List-Id"] = f"Vestibule weekly report <vestibule-weekly-report.{domain}>"  # RFC 2919: filters sort by it
    found["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody answers it automatically
    found.set_content(message.text, cte="quoted-printable")
    found.add_alternative(message.html, subtype="html", cte="quoted-printable")
    return found
