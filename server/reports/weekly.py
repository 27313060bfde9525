"""The weekly report as a value, and how it is made from the ledger."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta, tzinfo
from typing import Final, Protocol

from models.errors import InternalError
from models.reasons import Reason
from server.funnel.drop_offs import DropOff
from server.funnel.optimizer import FunnelData, FunnelOptimizer, read_funnel
from server.funnel.recommendations import Recommendation
from server.funnel.report import FunnelReport
from server.funnel.selection import Selection
from server.funnel.texts import ReportTexts
from server.funnel.types import Interval
from server.ledger.long_reads import Reads
from server.ledger.types import Clock
from server.observability.log import get_logger
from server.reports.changes import COMPLETED, Change, compare, completion, early_steps
from server.reports.explanations import Explanations, explain
from server.reports.incidents import Incident, read_incidents
from server.reports.news import CauseChange, NewValue, cause_changes, new_values
from server.reports.week import Week
from server.runtime.daemon_thread import answer_of_thread

log = get_logger("reports")

ANALYSIS_S: Final = 600.0
"""Bound of the statistics. Those of 200,000 sessions a week take some seconds."""


@dataclass(frozen=True, slots=True)
class WeeklyReport:
    """What a week was like, and what changed since the one before.

    Attributes:
        zone: Name of the time zone of the week.
        make_time: When it was made.
        report: Of the week.
        before: Of the week before.
        changes: Figures of both, completion first.
        explanations: Why they may have changed.
        new_values: What came or went, such as versions of an app.
        causes: Causes that only one of the weeks names.
        incidents: What happened in the week, and in the one before.
        texts: What features are called.
    """

    week: Week
    zone: str
    make_time: datetime
    report: FunnelReport
    before: FunnelReport
    changes: tuple[Change, ...] = ()
    explanations: Explanations = field(default_factory=Explanations)
    new_values: tuple[NewValue, ...] = ()
    causes: tuple[CauseChange, ...] = ()
    incidents: tuple[tuple[Incident, ...], tuple[Incident, ...]] = ((), ())
    texts: ReportTexts = field(kw_only=True, repr=False)

    @property
    def completion(self) -> Interval | None:
        """The share of sessions that complete; None with too little data."""
        return completion(self.report)

    @property
    def main_change(self) -> Change | None:
        """How the completion rate changed; None if one of the weeks has too little data."""
        return next((change for change in self.changes if change.step == COMPLETED), None)

    @property
    def early(self) -> tuple[DropOff, ...]:
        """Steps of which so many sessions still wait that the weeks cannot be compared yet."""
        return early_steps(self.report, self.before)

    @property
    def recommendations(self) -> tuple[Recommendation, ...]:
        """What to change first. A rule of thumb says that nothing explains leaving at its step.

        So it is left out where the comparison of the weeks names something that people leave more often with.
        """
        named = {found.step for found in self.explanations.found if found.effect.mid > 0}
        named |= {change.step for change in self.causes if change.sureness == "unsure"}
        return tuple(found for found in self.report.recommendations if found.evidence or found.step not in named)


class ReportMaker(Protocol):
    """Makes reports."""

    async def make(self, week: Week) -> WeeklyReport:
        """The report of a week that is over.

        Raises:
            VestibuleError: The ledger cannot be read.
            InternalError: REPORT_NOT_MADE.
        """
        ...


@dataclass(frozen=True, slots=True)
class LedgerReportMaker:
    """Makes reports from the ledger. The statistics run in a thread, so that no call waits for them.

    Attributes:
        optimizer: Has the rules and the texts.
        texts: The same texts, for the names of features.
        idle: Idle time after which the server ends a session.
        zone: Of the weeks.
        zone_name: Its name.
    """

    ledger: Reads
    optimizer: FunnelOptimizer
    texts: ReportTexts
    idle: timedelta
    zone: tzinfo
    zone_name: str
    clock: Clock

    async def make(self, week: Week) -> WeeklyReport:
        """See ``ReportMaker``."""
        now = self.clock()
        data = [await self._data(each, now) for each in (week, week.before)]
        incidents = [await self._incidents(each) for each in (week, week.before)]
        try:
            made = await answer_of_thread(lambda: self._try(week, now, data, incidents), "weekly-report", ANALYSIS_S)
        except TimeoutError as exc:
            raise InternalError("The weekly report takes too long.", reason=Reason.REPORT_NOT_MADE) from exc
        if isinstance(made, InternalError):
            raise made
        return made

    def _try(
        self, week: Week, now: datetime, data: list[FunnelData], incidents: list[tuple[Incident, ...]]
    ) -> WeeklyReport | InternalError:
        try:
            return self._analyze(week, now, data, incidents)
        except (ArithmeticError, AttributeError, LookupError, MemoryError, TypeError, ValueError) as exc:
            name = type(exc).__name__
            log.error("report_not_made", error=name)
            return InternalError(f"The weekly report could not be made ({name}).", reason=Reason.REPORT_NOT_MADE)

    async def _data(self, week: Week, now: datetime) -> FunnelData:
        chosen = Selection(*week.bounds(self.zone))
        return await self.ledger.read(lambda cursor: read_funnel(cursor, chosen, now=now, idle=self.idle))

    async def _incidents(self, week: Week) -> tuple[Incident, ...]:
        return await self.ledger.read(lambda cursor: read_incidents(cursor, *week.bounds(self.zone)))

    def _analyze(
        self, week: Week, now: datetime, data: list[FunnelData], incidents: list[tuple[Incident, ...]]
    ) -> WeeklyReport:
        report, before = (self.optimizer.analyze(each) for each in data)
        tables = data[0].table, data[1].table
        return WeeklyReport(
            week=week,
            zone=self.zone_name,
            make_time=now,
            report=report,
            before=before,
            changes=compare(report, before),
            explanations=explain(*tables, leave_out={found.count.step for found in early_steps(report, before)}),
            new_values=new_values(*tables),
            causes=cause_changes(report, before, tables),
            incidents=(incidents[0], incidents[1]),
            texts=self.texts,
        )
