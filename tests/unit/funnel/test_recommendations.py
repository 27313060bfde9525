"""Recommendations: from what was planted in a simulated quarter, and by rule where nothing explains a drop-off."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from server.funnel.drop_offs import SeverityRules
from server.funnel.optimizer import FunnelData, FunnelOptimizer, read_funnel
from server.funnel.recommendations import Recommendation
from server.funnel.report import FunnelReport
from server.funnel.step_counts import StepCount
from server.funnel.steps import FUNNEL
from server.funnel.texts import load_texts
from server.funnel.types import Interval, SessionTable
from server.funnel.wording import wording_in
from server.ledger.columns import DuckDb
from tests.unit.funnel.quarter import Quarter
from tests.unit.funnel.stored import fill

NOTHING = Interval(0.0, 0.0, 0.0)
OWNERS = FunnelData((StepCount(1, 1000, 1000, 0), StepCount(2, 1000, 550, 450), StepCount(3, 550, 500, 50)))

SAY = wording_in("en")


def analyzed(cursor: DuckDb, quarter: Quarter) -> FunnelReport:
    quarter.store(cursor)
    return FunnelOptimizer().analyze(read_funnel(cursor))


def named(report: FunnelReport) -> list[tuple[int, str]]:
    return [(r.step, r.evidence.condition) for r in report.recommendations if r.evidence]


def test_the_owners_case_has_its_category_and_a_sound_gain(cursor: DuckDb) -> None:
    fill(cursor, 0, 450, 50, 500)
    _check_owners_case(FunnelOptimizer().analyze(read_funnel(cursor)))
    _check_owners_case(FunnelOptimizer().analyze(OWNERS))


def _check_owners_case(report: FunnelReport) -> None:
    [change] = report.recommendations
    assert (change.category, change.to_stage, change.effort, change.evidence) == (
        "performance",
        "AWAITING_APPROVAL",
        "medium",
        None,
    )
    worst = report.worst
    assert worst is not None
    assert (worst.count.dropped, worst.severity) == (450, "HIGH")
    gain = report.roi
    assert gain is not None
    # 500 complete. If 30 % left in place of 45 %, 700 of 1,000 would go on, and 500 in 550 of these would complete.
    most = 700 * 500 / 550 - 500
    assert gain.rate.mid == 0.5
    assert gain.rate_then.mid == pytest.approx(0.5 + most / 2000)
    assert gain.rate_then.high == pytest.approx(0.5 + most / 2000 + np.hypot(most / 2000, gain.rate.high - 0.5))
    bounds = (gain.completions.low, gain.completions.mid, gain.completions.high)
    assert bounds == pytest.approx((0, most / 2, most))
    assert gain.improvement.high == pytest.approx(most / 500)
    assert gain.rate.low < 0.5 < gain.rate.high


def test_three_planted_causes_are_named_with_their_steps_and_nothing_else(cursor: DuckDb) -> None:
    report = analyzed(
        cursor,
        Quarter(
            5000,
            causes={
                1: lambda seen: 1.3 * (seen["network"] == "3g"),
                2: lambda seen: 1.3 * seen["refused"],
                3: lambda seen: 1.3 * (seen["document"] == "id"),
            },
        ),
    )
    found = sorted(named(report))
    assert [step for step, _ in found] == [1, 2, 3]
    assert found[0][1] == "network = 3g"
    assert found[1][1] in {"an upload was refused", "reason of the refusal = picture_too_small"}
    assert found[2][1] == "kind of the first upload = id"
    assert all(r.improvement.low > 0 for r in report.recommendations)
    assert report.roi is not None
    each = sum(r.completions.mid for r in report.recommendations)
    assert report.roi.completions.mid == pytest.approx(each, rel=0.15)
    then, today = report.roi.rate_then, report.roi.rate
    assert then.high - then.low >= today.high - today.low, "what is to come is no surer than what is"


def test_a_slow_upstream_is_what_to_change_first(cursor: DuckDb) -> None:
    slow = Quarter(4000, seed=3, causes={2: lambda seen: 2.0 * (seen["delay_s"] > 0.8)})
    report = analyzed(cursor, slow)
    first = report.first
    assert first is not None
    assert (first.category, first.to_stage) == ("performance", "AWAITING_APPROVAL")
    said = SAY.first_change(report)
    assert said.startswith("Change first: Make recognition faster. Before Awaiting approval, ")
    assert "seconds to recognize the first utterance > " in said
    assert SAY.together(report).startswith("Together: ")


def test_a_quarter_in_which_nothing_is_a_cause_names_none(cursor: DuckDb) -> None:
    report = analyzed(cursor, Quarter(3000, seed=5))
    assert report.recommendations == ()
    assert report.roi is None
    assert report.compared > 100


def test_too_little_data_to_search_is_said(cursor: DuckDb) -> None:
    report = analyzed(cursor, Quarter(200, seed=6, causes={1: lambda seen: 1.3 * (seen["network"] == "3g")}))
    assert report.unsure_steps
    assert named(report) == []


def test_what_was_left_out_of_the_search_is_said() -> None:
    stages = tuple(map(str, FUNNEL))
    reached = np.repeat([1, 2, 3, 4], 500)
    clicks = np.random.default_rng(0).poisson(3.0 * reached).astype(float)
    table = SessionTable({"app.clicks": clicks}, reached, np.ones(2000, dtype=bool), stages)
    steps = tuple(StepCount(k, 500 * (5 - k), 500 * (4 - k), 500) for k in (1, 2, 3))
    assert FunnelOptimizer().analyze(FunnelData(steps, None, table)).left_out == ("clicks",)


@pytest.mark.parametrize(
    ("effort", "rise", "quick", "high"),
    [("low", 0.11, True, False), ("low", 0.10, False, False), ("medium", 0.21, False, True), ("low", 0.21, True, True)],
)
def test_quick_wins_and_high_impact(effort: str, rise: float, quick: bool, high: bool) -> None:
    change = Recommendation(1, "ux", effort, "title", "action", Interval(0.01, rise, 0.4), NOTHING)
    assert (change.quick_win, change.high_impact) == (quick, high)


def test_the_rules_of_thumb_follow_the_settings() -> None:
    report = FunnelOptimizer(SeverityRules(high=0.44, critical=0.9)).analyze(OWNERS)
    [change] = report.recommendations
    assert change.improvement.high == pytest.approx(0.56 / 0.55 - 1)
    assert FunnelOptimizer(SeverityRules(high=0.46, critical=0.9)).analyze(OWNERS).recommendations == ()


def test_a_step_that_nobody_makes_has_no_rise_in_percent() -> None:
    report = FunnelOptimizer().analyze(FunnelData((StepCount(1, 100, 0, 100),)))
    assert report.roi is not None
    assert report.roi.completions.high == pytest.approx(70), "as the only change promises"
    assert SAY.together(report).endswith(": 35 more (0 to 70).")
    assert "A rule of thumb" in SAY.why(report.recommendations[0])
    (change,) = report.recommendations
    assert change.improvement == NOTHING
    assert change.completions.high == pytest.approx(70)
    assert (change.quick_win, change.high_impact) == (False, False)
    assert SAY.worth(change).startswith("Nobody completes today. At most 70 more sessions")


def test_a_step_that_nobody_makes_comes_first_and_no_other_promises_completions() -> None:
    data = FunnelData((StepCount(1, 350, 221, 129), StepCount(2, 221, 0, 221), StepCount(3, 0, 0, 0)))
    report = FunnelOptimizer().analyze(data)
    first, second = report.recommendations
    assert (first.to_stage, second.to_stage) == ("AWAITING_APPROVAL", "IN_PROGRESS")
    assert first.completions.high == pytest.approx(221 * 0.7), "of those that get there"
    assert second.completions == NOTHING
    assert "nobody makes another step" in SAY.worth(second)
    assert report.roi is not None
    assert report.roi.completions.high == pytest.approx(350 * 0.7 * 0.7)


def test_a_cause_that_brings_nothing_comes_after_the_step_that_nobody_makes() -> None:
    happened = np.arange(1000) % 2 == 0
    reached = np.where(happened & (np.arange(1000) % 4 == 0), 1, 2)
    table = SessionTable({"app.hint": happened}, reached, np.ones(1000, dtype=bool), tuple(map(str, FUNNEL)))
    steps = (StepCount(1, 1000, 750, 250), StepCount(2, 750, 0, 750), StepCount(3, 0, 0, 0))
    report = FunnelOptimizer().analyze(FunnelData(steps, None, table))
    assert [(r.step, r.evidence is None) for r in report.recommendations] == [(2, True), (1, False)]
    assert report.roi is not None
    assert report.roi.completions.high > 750 * 0.7, "without the cause more get to the step"


def test_what_one_change_brings_is_what_it_brings_together() -> None:
    report = FunnelOptimizer().analyze(FunnelData((StepCount(1, 1000, 500, 500), StepCount(2, 500, 400, 100))))
    (change,) = report.recommendations
    assert report.roi is not None
    assert report.roi.completions.mid == pytest.approx(change.completions.mid)
    assert report.roi.completions.high == pytest.approx(change.completions.high)


def test_a_step_into_an_event_that_no_session_has_gets_no_recommendation() -> None:
    steps = (StepCount(1, 350, 221, 129), StepCount(2, 221, 0, 221))
    report = FunnelOptimizer().analyze(FunnelData(steps, absent=frozenset({2})))
    assert [(r.step, r.completions) for r in report.recommendations] == [(1, NOTHING)]


@pytest.mark.parametrize("rules", [(0.6, 0.5), (0.0, 0.5), (0.3, 1.1), (float("nan"), 0.5)])
def test_rules_that_cannot_be_are_refused(rules: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="high is not above critical"):
        SeverityRules(*rules)


def test_a_step_just_at_the_bound_gets_no_change_that_is_worth_nothing() -> None:
    data = FunnelData((StepCount(1, 1000, 700, 300), StepCount(2, 700, 700, 0), StepCount(3, 700, 700, 0)))
    report = FunnelOptimizer().analyze(data)
    assert (report.drop_offs[0].severity, report.recommendations) == ("HIGH", ())


def test_sessions_of_one_person_make_a_rate_less_sure() -> None:
    reached = np.array([1] * 500 + [1, 2] * 250)
    persons = np.array([0] * 500 + list(range(1, 501)))
    steps = (StepCount(1, 1000, 250, 750), StepCount(2, 250, 250, 0), StepCount(3, 250, 250, 0))

    def rate(of: np.ndarray[tuple[int], np.dtype[np.int64]] | None) -> Interval:
        table = SessionTable({}, reached, np.ones(1000, dtype=bool), FUNNEL, persons=of)
        return FunnelOptimizer().analyze(FunnelData(steps, None, table)).drop_offs[0].rate

    known, single = rate(persons), rate(None)
    assert single == rate(np.arange(1000))
    assert known.mid == pytest.approx(0.75)
    assert known.low < 0.5 < single.low


def test_an_operator_names_a_property_in_his_own_words(cursor: DuckDb, tmp_path: Path) -> None:
    file = tmp_path / "texts.yaml"
    said = "{label: on a slow network, category: performance, effort: high, title: Send less, action: Send less.}"
    file.write_text(f"causes:\n  app.network: {said}\n", encoding="utf-8")
    Quarter(4000, causes={1: lambda seen: 1.5 * (seen["network"] == "3g")}).store(cursor)
    first = FunnelOptimizer(texts=load_texts(file)).analyze(read_funnel(cursor)).first
    assert first is not None
    assert (first.title, first.category, first.effort) == ("Send less", "performance", "high")
    assert first.evidence is not None
    assert first.evidence.condition == "on a slow network = 3g"
