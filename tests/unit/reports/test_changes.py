"""What is called a change, and what is not."""

from __future__ import annotations

import numpy as np
import pytest

from server.funnel.optimizer import FunnelData, FunnelOptimizer
from server.funnel.report import FunnelReport
from server.funnel.step_counts import StepCount
from server.reports.changes import COMPLETED, compare, completion, difference_of_shares, early_steps

OPTIMIZER = FunnelOptimizer()


def report(*steps: tuple[int, int]) -> FunnelReport:
    """Of how many reached the step, how many left."""
    counts = tuple(StepCount(k, of, of - left, left) for k, (of, left) in enumerate(steps, start=1))
    return OPTIMIZER.analyze(FunnelData(counts))


def test_the_interval_is_that_of_newcombe() -> None:
    """His example: 56 of 70 against 48 of 80, method 10."""
    found = difference_of_shares((56, 70), (48, 80))
    assert (found.mid, found.low, found.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)


def test_a_large_difference_is_clear_and_a_small_one_is_not() -> None:
    now, before = report((1000, 300), (700, 70), (630, 63)), report((1000, 200), (800, 85), (715, 70))
    changes = {change.step: change for change in compare(now, before)}
    assert [step for step, change in changes.items() if change.clear] == [COMPLETED, 1]
    assert changes[1].difference.mid == pytest.approx(0.1)
    assert changes[COMPLETED].now.mid == pytest.approx(0.567)
    assert changes[COMPLETED].difference.high < 0


def test_a_week_with_too_little_data_is_not_compared() -> None:
    assert compare(report((1000, 300), (700, 70), (630, 63)), report((12, 2), (10, 1), (9, 0))) == ()
    some = compare(report((1000, 300), (700, 690), (10, 5)), report((1000, 300), (700, 690), (10, 5)))
    assert [change.step for change in some] == [COMPLETED, 1, 2]


def test_a_step_whose_sessions_still_wait_is_not_compared() -> None:
    def week(waiting: int) -> FunnelReport:
        counts = (StepCount(1, 1000, 800, 200), StepCount(2, 800, 700, 100), StepCount(3, 700, 600 - waiting, 100))
        return OPTIMIZER.analyze(FunnelData(counts))

    assert [change.step for change in compare(week(30), week(0))] == [COMPLETED, 1, 2, 3]
    assert [change.step for change in compare(week(40), week(0))] == [1, 2], "nor is completion"
    assert [found.count.step for found in early_steps(week(40), week(0))] == [3]
    assert early_steps(week(40), week(30)) == (), "as many as ever"


def test_where_nobody_came_further_completion_is_zero_and_where_nobody_is_known_it_is_unknown() -> None:
    none = completion(report((100, 100), (0, 0), (0, 0)))
    assert none is not None
    assert none.mid == 0
    assert completion(report((100, 50), (0, 0), (0, 0))) is None
    assert completion(FunnelReport(0, None, ())) is None


def test_noise_is_rarely_called_a_change() -> None:
    """Two weeks with the same rates: any figure at all is called changed in at most 5 % of the pairs."""
    random = np.random.default_rng(5)
    pairs, alarms = 150, 0
    for _ in range(pairs):
        weeks = []
        for _ in range(2):
            of, steps = 600, []
            for rate in (0.2, 0.3, 0.1):
                left = int(random.binomial(of, rate))
                steps.append((of, left))
                of -= left
            weeks.append(report(*steps))
        alarms += any(change.clear for change in compare(*weeks))
    assert alarms / pairs <= 0.05 + 2 * (0.05 * 0.95 / pairs) ** 0.5
