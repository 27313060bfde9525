"""How bad each step of the funnel is."""

from __future__ import annotations

from dataclasses import dataclass

from server.funnel.intervals import wilson
from server.funnel.step_counts import StepCount
from server.funnel.types import Interval


@dataclass(frozen=True, slots=True)
class SeverityRules:
    """From which drop-off rate on a step is a problem.

    Attributes:
        high: Drop-off rate, 0 to 1, from which on it is high.
        critical: The same for critical.
        least_sessions: A rate of fewer sessions gets no severity.
    """

    high: float = 0.30
    critical: float = 0.50
    least_sessions: int = 20

    def severity(self, dropped: int, counted: int) -> str:
        """CRITICAL, HIGH or NORMAL; empty when there are too few sessions to say."""
        if counted < self.least_sessions:
            return ""
        rate = dropped / counted
        if rate >= self.critical:
            return "CRITICAL"
        return "HIGH" if rate >= self.high else "NORMAL"


@dataclass(frozen=True, slots=True)
class DropOff:
    """One step of the funnel, judged.

    Attributes:
        count: The sessions at the step.
        rate: Share of dropped in those that count, with its 95 % interval.
        severity: CRITICAL, HIGH or NORMAL; empty when there are too few sessions to say.
        categories: What a drop-off here points to before anything is known of its causes, the most likely first.
    """

    count: StepCount
    rate: Interval
    severity: str
    categories: tuple[str, ...]


def judge(count: StepCount, rules: SeverityRules, categories: tuple[str, ...]) -> DropOff:
    """The drop-off of a step."""
    rate = wilson(count.dropped, count.counted)
    return DropOff(count, rate, rules.severity(count.dropped, count.counted), categories)
