"""Says where people leave, what goes with it, and what to change first."""

from __future__ import annotations

from collections.abc import Mapping, Set
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import numpy as np
from threadpoolctl import threadpool_limits

from server.funnel.drop_offs import DropOff, SeverityRules, judge
from server.funnel.feature_table import read_table
from server.funnel.gains import by_rule, completion_rate, roi
from server.funnel.logistic import inflation
from server.funnel.recommendations import Recommendation, in_order, labels, of_cause
from server.funnel.report import FunnelReport
from server.funnel.selection import Selection
from server.funnel.span import Span, read_versions
from server.funnel.step_counts import Period, StepCount, count_by_time, end_of_observation, outcome_parameters
from server.funnel.steps import STAGES, Steps
from server.funnel.texts import ReportTexts, load_texts
from server.funnel.types import Cause, CauseReport, Improvement, SessionTable
from server.ledger.columns import DuckDb, aware_or_none

_SEVERE = frozenset({"HIGH", "CRITICAL"})


@dataclass(frozen=True, slots=True)
class FunnelData:
    """What a report is made from.

    Attributes:
        steps: The sessions at each step, in order.
        observed_until: Until when they were watched; None where there is no session.
        table: What was known of each session, for the search for causes; None searches for none.
        span: From when to when its sessions were opened, and the versions of their apps.
        periods: The steps by week or month.
        absent: Numbers of the steps into an event that no session has, so that there is nothing to change before it.
    """

    steps: tuple[StepCount, ...]
    observed_until: datetime | None = None
    table: SessionTable | None = None
    span: Span = field(default_factory=Span)
    periods: tuple[Period, ...] = ()
    absent: frozenset[int] = frozenset()


def read_funnel(
    cursor: DuckDb,
    selection: Selection | None = None,
    *,
    steps: Steps = STAGES,
    now: datetime | None = None,
    idle: timedelta = timedelta(minutes=30),
) -> FunnelData:
    """Read what a report needs; give it to ``Ledger.read``.

    Args:
        cursor: Of a read.
        selection: The sessions; None means all.
        steps: The funnel; the stages of a session unless given.
        now: The time, if the server runs; None for the ledger of a stopped one.
        idle: Idle time after which the server ends a session.
    """
    until = end_of_observation(cursor, now)
    parameters = outcome_parameters(selection or Selection(), until, idle)
    counts = count_by_time(cursor, parameters, steps)
    span = Span(counts.first, counts.last, read_versions(cursor, parameters))
    periods = counts.weeks if span.unit == "week" else counts.months
    table = read_table(cursor, parameters, counts.steps, steps)
    return FunnelData(counts.steps, aware_or_none(until), table, span, periods)


class FunnelOptimizer:
    """Analyzes a funnel.

    Args:
        rules: What is severe.
        texts: What the report says; None takes the texts of the package.
    """

    def __init__(self, rules: SeverityRules | None = None, texts: ReportTexts | None = None) -> None:
        self._rules = rules or SeverityRules()
        self._texts = texts or load_texts()

    @property
    def rules(self) -> SeverityRules:
        """What is severe."""
        return self._rules

    def saying(self, texts: ReportTexts) -> FunnelOptimizer:
        """The same with other texts."""
        return FunnelOptimizer(self._rules, texts)

    def analyze(self, data: FunnelData) -> FunnelReport:
        """Make the report. It reads nothing, so it can run in any thread."""
        sessions = data.steps[0].entered if data.steps else 0
        steps = data.steps[0].names if data.steps else STAGES.names
        drop_offs = tuple(self._judged(count, data.table) for count in data.steps)
        rate = completion_rate(drop_offs)
        found = _causes(data.table)
        evident = [self._of_cause(found, cause, data, sessions) for cause in found.report.causes]
        explained = {cause.step_number for cause in found.report.causes}
        ruled = self._ruled(drop_offs, explained | data.absent)
        rules = [by_rule(step, drop_offs, self._rules.high, sessions, self._texts) for step in ruled]
        changes = in_order([*evident, *rules])
        return FunnelReport(
            sessions=sessions,
            observed_until=data.observed_until,
            drop_offs=drop_offs,
            recommendations=changes,
            roi=roi(rate, found.together, drop_offs, ruled, self._rules.high, sessions) if changes else None,
            searched=found.sessions,
            compared=found.report.tested,
            unsure_steps=tuple(steps.index(little.step) for little in found.report.too_little),
            left_out=labels(found.report.growing, self._texts),
            steps=steps,
            language=self._texts.language,
            span=data.span,
            periods=data.periods,
        )

    def _judged(self, count: StepCount, table: SessionTable | None) -> DropOff:
        return judge(count, self._rules, self._texts.points_to(count.to_stage), _inflation(table, count.step))

    def _ruled(self, drop_offs: tuple[DropOff, ...], leave_out: Set[int]) -> list[DropOff]:
        """The severe steps that get a rule of thumb, the one with the highest rate first."""
        high = self._rules.high
        severe = [step for step in drop_offs if step.severity in _SEVERE and step.rate.mid > high]
        return sorted((step for step in severe if step.count.step not in leave_out), key=lambda step: -step.rate.mid)

    def _of_cause(self, found: _Found, cause: Cause, data: FunnelData, sessions: int) -> Recommendation:
        names = data.steps[cause.step_number - 1].names
        counted = int(data.table.at_risk(cause.step_number).sum()) if data.table else 0
        unknown = max(0, counted - cause.affected - cause.others)
        return of_cause(cause, found.improvements[cause], sessions / found.sessions, self._texts, names, unknown)


@dataclass(frozen=True, slots=True)
class _Found:
    """What the search for causes found, and what it should bring to take each away, and all together."""

    sessions: int
    report: CauseReport
    improvements: Mapping[Cause, Improvement]
    together: Improvement | None


def _inflation(table: SessionTable | None, step: int) -> float:
    """By how much the variance of a step's rate is larger because sessions of one person are alike."""
    if table is None or table.persons is None or not (rows := table.at_risk(step)).any():
        return 1.0
    left = table.reached[rows] == step
    _, whose = np.unique(table.persons[rows], return_inverse=True)
    return inflation(left - left.mean(), whose)


def _causes(table: SessionTable | None) -> _Found:
    if table is None:
        return _Found(0, CauseReport((), (), 0), {}, None)
    # More threads only wait for each other in products as small as ours: with two, 200,000 sessions take six times the
    # CPU time. The server has one anyway; Python code that imports NumPy before us has one for each core.
    with threadpool_limits(1, user_api="blas"):
        return _searched(table)


def _searched(table: SessionTable) -> _Found:
    from server.funnel.causes import code_table, find_causes  # Both import SciPy, which takes a second.
    from server.funnel.improvement import ImprovementModel

    codes = code_table(table)
    report = find_causes(table, codes=codes)
    if not report.causes:
        return _Found(table.sessions, report, {}, None)
    model = ImprovementModel(table, report, codes=codes)
    each = {cause: model.without([cause]) for cause in report.causes}
    return _Found(table.sessions, report, each, model.without(report.causes))
