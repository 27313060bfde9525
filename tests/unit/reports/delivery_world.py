"""A delivery of weekly reports with a clock that a test sets, and channels that keep what they are given."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cache

from models.errors import InternalError, Unavailable, VestibuleError
from models.reasons import Reason
from models.retry import RetryPolicy
from server.funnel.report import FunnelReport
from server.funnel.texts import ReportTexts, load_texts
from server.ledger.embedded import EmbeddedLedger
from server.records.report_status import ReportStatus
from server.reports.delivery import ReportDelivery
from server.reports.message import ReportMessage
from server.reports.week import Schedule, Week
from server.reports.weekly import WeeklyReport
from tests.unit.reports.two_weeks import BERLIN

WEEK = Week(2026, 10)
DUE = datetime(2026, 3, 9, 7, 0, tzinfo=UTC)
A_DAY = timedelta(days=1)
POLICY = RetryPolicy("reports", retries=3, first_delay_s=60.0, longest_s=3600.0, factor=2.0, total_s=86_400.0)
MONDAYS = Schedule(0, 8, BERLIN)
GONE = Unavailable("Gone.", reason=Reason.REPORT_NOT_SENT)
NO = InternalError("No.", reason=Reason.REPORT_REFUSED)


@cache
def texts() -> ReportTexts:
    return load_texts()


@dataclass
class Recorded:
    """A channel that keeps what it is given, after the failures that a test wants."""

    name: str = "mail"
    failures: list[VestibuleError] = field(default_factory=list)
    sent: list[tuple[str, bool]] = field(default_factory=list)
    ids: list[str] = field(default_factory=list)

    async def send(self, message: ReportMessage, report_id: str) -> None:
        self.ids.append(report_id)
        if self.failures:
            raise self.failures.pop(0)
        self.sent.append((message.week, message.test))

    @property
    def weeks(self) -> list[str]:
        return [week for week, _ in self.sent]


@dataclass
class Empty:
    """Makes reports of nothing, after the failures that a test wants."""

    failures: list[VestibuleError] = field(default_factory=list)
    made: list[str] = field(default_factory=list)

    async def make(self, week: Week) -> WeeklyReport:
        if self.failures:
            raise self.failures.pop(0)
        self.made.append(week.name)
        await asyncio.sleep(0)  # the others may run
        nothing = FunnelReport(0, None, ())
        return WeeklyReport(week, "Europe/Berlin", DUE, nothing, nothing, texts=texts())


class World:
    """A delivery with a clock that a test sets."""

    def __init__(
        self,
        ledger: EmbeddedLedger,
        *channels: Recorded,
        now: datetime = DUE - A_DAY,
        schedule: Schedule = MONDAYS,
        policy: RetryPolicy = POLICY,
    ) -> None:
        self.now = now
        self.maker = Empty()
        self.ends: list[tuple[str, str]] = []
        self.delivery = ReportDelivery(
            ledger, channels, schedule, self.maker, policy, lambda: self.now, lambda *end: self.ends.append(end)
        )

    async def at(self, *moments: datetime) -> None:
        """Do a round at each of these times."""
        for self.now in moments:
            await self.delivery.round()

    @property
    def status(self) -> tuple[bool, str]:
        component = ReportStatus(self.delivery).component
        return component.healthy, component.detail


def hours(*numbers: float) -> Sequence[datetime]:
    return [DUE + timedelta(hours=number) for number in numbers]
