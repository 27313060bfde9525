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

    def __post_init__(self) -> None:
        if not 0.0 < self.high <= self.critical <= 1.0:
            raise ValueError("high and critical are rates above 0 and up to 1, and high is not above critical")

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


def judge(count: StepCount, rules: SeverityRules, categories: tuple[str, ...], inflation: float = 1.0) -> DropOff:
    """The drop-off of a step.

    Args:
        count: The sessions at the step.
        rules: What is severe.
        categories: What a drop-off here points to.
        inflation: By how much the variance of the rate is larger because sessions of one person are alike.
    """
    rate = wilson(count.dropped / inflation, count.counted / inflation)
    return DropOff(count, rate, rules.severity(count.dropped, count.counted), categories)
