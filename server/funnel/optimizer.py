"""Says where people leave, and how bad it is."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from server.funnel.drop_offs import DropOff, SeverityRules, judge
from server.funnel.selection import Selection
from server.funnel.step_counts import StepCount, count_steps, end_of_observation, outcome_parameters
from server.funnel.texts import ReportTexts, load_texts
from server.ledger.columns import Cursor, aware_or_none


@dataclass(frozen=True, slots=True)
class FunnelData:
    """What a report is made from.

    Attributes:
        steps: The sessions at each step, in order.
        observed_until: Until when they were watched; None where there is no session.
    """

    steps: tuple[StepCount, ...]
    observed_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class FunnelReport:
    """Where people leave.

    Attributes:
        sessions: Sessions that were opened.
        observed_until: Until when they were watched; None where there is no session.
        drop_offs: The steps in order.
    """

    sessions: int
    observed_until: datetime | None
    drop_offs: tuple[DropOff, ...]

    @property
    def worst(self) -> DropOff | None:
        """The step that loses most of the sessions that enter it, among those with enough data."""
        judged = [found for found in self.drop_offs if found.severity and found.count.dropped]
        return max(judged, key=lambda found: found.rate.mid, default=None)


def read_funnel(
    cursor: Cursor,
    selection: Selection | None = None,
    *,
    now: datetime | None = None,
    idle: timedelta = timedelta(minutes=30),
) -> FunnelData:
    """Read what a report needs; give it to ``Ledger.read``.

    Args:
        cursor: Of a read.
        selection: The sessions; None means all.
        now: The time, if the server runs; None for the ledger of a stopped one.
        idle: Idle time after which the server ends a session.
    """
    until = end_of_observation(cursor, now)
    parameters = outcome_parameters(selection or Selection(), until, idle)
    return FunnelData(count_steps(cursor, parameters), aware_or_none(until))


class FunnelOptimizer:
    """Analyzes a funnel.

    Args:
        rules: What is severe.
        texts: What the report says; None takes the texts of the package.
    """

    def __init__(self, rules: SeverityRules | None = None, texts: ReportTexts | None = None) -> None:
        self._rules = rules or SeverityRules()
        self._texts = texts or load_texts()

    def analyze(self, data: FunnelData) -> FunnelReport:
        """Make the report. It reads nothing, so it can run in any thread."""
        return FunnelReport(
            sessions=data.steps[0].entered if data.steps else 0,
            observed_until=data.observed_until,
            drop_offs=tuple(self._judged(count) for count in data.steps),
        )

    def _judged(self, count: StepCount) -> DropOff:
        return judge(count, self._rules, self._texts.of_step(count.to_stage).categories)
