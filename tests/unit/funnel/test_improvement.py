from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from server.funnel.causes import find_causes
from server.funnel.improvement import ImprovementModel, expected_improvement
from server.funnel.types import CauseReport, SessionTable
from tests.unit.funnel.simulated import above, features, flag, level, table

EFFECTS = ((1, 1.2, flag("silent")), (2, 1.2, level("network", "3g")), (1, 1.0, above("delay_s", 1.5)))


def test_one_flag_alone_gives_what_the_rates_give() -> None:
    silent = np.repeat([True, False], [1000, 3000])
    reached = np.concatenate([np.repeat([1, 2], [600, 400]), np.repeat([1, 2], [750, 2250])])
    sessions = SessionTable({"silent": silent}, reached, np.ones(4000, dtype=bool), ("start", "done"))
    report = find_causes(sessions)
    result = expected_improvement(sessions, report, report.causes)
    assert result.rate.mid == pytest.approx(2650 / 4000, abs=0.005)
    assert result.rate_then.mid == pytest.approx(0.75, abs=0.005)
    assert result.points.mid == pytest.approx(8.75, abs=0.3)
    assert result.completions.mid == pytest.approx(350, abs=12)
    assert result.points.high - result.points.low == pytest.approx(2 * 1.96 * 0.49, rel=0.35)


def test_the_interval_holds_what_a_simulation_without_the_cause_gives() -> None:
    inside = 0
    for seed in range(12):
        sessions = table(seed, 3000, *EFFECTS)
        report = find_causes(sessions)
        (silent,) = (cause for cause in report.causes if cause.feature == "silent")
        points = expected_improvement(sessions, report, [silent], draws=200).points
        with_it, without = (table(900 + seed, 100_000, *some) for some in (EFFECTS, EFFECTS[1:]))
        truth = 100 * ((without.reached == 3).mean() - (with_it.reached == 3).mean())
        inside += points.low <= truth <= points.high
    assert inside >= 10


def late_table(seed: int, sessions: int, of_silent: float, of_failed: float) -> SessionTable:
    """A flag and a number of the second step, which nobody has who left before; the flag is a cause there."""
    effects = (1, of_silent, flag("silent")), (2, of_failed, flag("failed"))
    failed = np.random.default_rng([seed, 2]).random(sessions) < np.where(features(seed, sessions)["silent"], 0.4, 0.15)
    pages = np.random.default_rng([seed, 3]).lognormal(1.0, 0.6, sessions)
    made = table(seed, sessions, *effects, changed={"failed": failed, "pages": pages})
    there = made.reached >= 2
    columns = {**made.features, "failed": failed & there, "pages": np.where(there, pages, np.nan)}
    return replace(made, features=columns, known_at={"failed": 2, "pages": 2})


def test_a_cause_that_is_known_later_brings_its_gain_to_all_that_would_get_there() -> None:
    sessions = late_table(11, 12_000, 1.2, 1.5)
    report = find_causes(sessions)
    assert {cause.feature for cause in report.causes} == {"silent", "failed"}
    model = ImprovementModel(sessions, report)
    (failed,) = (cause for cause in report.causes if cause.feature == "failed")
    now, without, without_any = (
        100 * (late_table(911, 200_000, *log_odds).reached == 3).mean() for log_odds in ((1.2, 1.5), (1.2, 0), (0, 0))
    )
    for causes, rate in (([failed], without), (report.causes, without_any)):
        points = model.without(causes).points
        assert points.low <= rate - now <= points.high
        assert points.high - points.low < 3.5
    assert model.without([]).rate.mid == pytest.approx((sessions.reached == 3).mean(), abs=0.003)


def impatient_table(seed: int, sessions: int, of_silent: float, of_patience: float) -> SessionTable:
    """A cause of the first step; how patient people are, which no column shows, matters at both steps."""
    patience = np.random.default_rng([seed, 4]).normal(0, 1, sessions)
    effects = ((step, -of_patience, lambda _: patience) for step in (1, 2))
    half = np.random.default_rng([seed, 5]).random(sessions) < 0.5
    return table(seed, sessions, (1, of_silent, flag("silent")), *effects, changed={"silent": half})


@pytest.mark.parametrize("of_patience", [0.0, 1.2])
def test_those_that_a_cause_drove_away_may_leave_the_next_step_more_often(of_patience: float) -> None:
    inside = 0
    for seed in range(4):
        sessions = impatient_table(seed, 8000, 1.8, of_patience)
        report = find_causes(sessions)
        (silent,) = (cause for cause in report.causes if cause.step_number == 1)
        points = expected_improvement(sessions, report, [silent], draws=200).points
        now, without = (impatient_table(900 + seed, 60_000, size, of_patience).reached == 3 for size in (1.8, 0.0))
        inside += points.low <= 100 * (without.mean() - now.mean()) <= points.high
    assert inside >= 3


def test_a_cause_after_which_everybody_leaves_has_a_finite_gain() -> None:
    sessions = table(7, 6000, (1, 12.0, flag("silent")))
    report = find_causes(sessions)
    points = expected_improvement(sessions, report, report.causes).points
    without = table(907, 100_000)
    truth = 100 * ((without.reached == 3).mean() - (sessions.reached == 3).mean())
    assert points.low <= truth <= points.high
    assert points.high - points.low < 6


def test_sessions_of_few_people_say_less_than_those_of_many() -> None:
    sessions = table(8, 6000, *EFFECTS)
    twice = np.repeat(np.arange(3000), 2)
    few = replace(
        sessions,
        features={name: column[:6000:2][twice] for name, column in sessions.features.items()},
        reached=sessions.reached[::2][twice],
        persons=twice,
    )
    report = find_causes(few)
    points = [expected_improvement(some, report, report.causes).points for some in (few, replace(few, persons=None))]
    known, taken = (found.high - found.low for found in points)
    assert known == pytest.approx(np.sqrt(2) * taken, rel=0.15)
    assert points[0].mid == pytest.approx(points[1].mid)


def test_all_causes_together_bring_more_than_each() -> None:
    sessions = table(3, 8000, *EFFECTS)
    report = find_causes(sessions)
    assert len(report.causes) == 3
    model = ImprovementModel(sessions, report)
    alone = [model.without([cause]).points.mid for cause in report.causes]
    assert model.without(report.causes).points.mid > max(alone)
    assert model.without([]).points.mid == 0.0
    assert all(gain > 0 for gain in alone)


def test_more_sessions_narrow_the_interval() -> None:
    widths = []
    for size in (2000, 16_000):
        sessions = table(4, size, *EFFECTS)
        report = find_causes(sessions)
        cause = next(c for c in report.causes if c.feature == "silent")
        points = expected_improvement(sessions, report, [cause]).points
        widths.append(points.high - points.low)
    assert widths[1] < 0.5 * widths[0]


def test_a_step_with_too_little_data_counts_with_its_rate() -> None:
    sessions = table(5, 4000, EFFECTS[0])
    few = replace(sessions, reached=np.where(np.arange(4000) % 500 == 0, 3, np.minimum(sessions.reached, 2)))
    result = ImprovementModel(few, find_causes(few)).without([])
    assert result.rate.low < (few.reached == 3).mean() < result.rate.high


def test_a_cause_of_another_report_is_refused() -> None:
    sessions = table(6, 4000, *EFFECTS)
    report = find_causes(sessions)
    with pytest.raises(ValueError, match="its own report"):
        expected_improvement(sessions, CauseReport((), (), 1), report.causes)
