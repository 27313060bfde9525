from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from server.funnel.causes import CauseSettings, find_causes
from server.funnel.improvement import expected_improvement
from server.funnel.types import CauseReport, Column, SessionTable
from tests.unit.funnel.simulated import STEPS, Effect, Flags, above, below, features, flag, level, longer, table


def named(report: CauseReport) -> list[tuple[str, int]]:
    return sorted((cause.feature, cause.step_number) for cause in report.causes)


@pytest.mark.parametrize(
    ("effect", "feature", "starts"),
    [
        ((1, 1.2, flag("silent")), "silent", ""),
        ((2, 1.2, flag("outage")), "outage", ""),
        ((1, 1.2, level("network", "3g")), "network", "= 3g"),
        ((2, 1.0, level("network", "wifi")), "network", "= wifi"),
        ((1, 1.2, above("delay_s", 1.5)), "delay_s", "> 1."),
        ((2, 1.2, below("confidence", 0.7)), "confidence", "<= 0."),
    ],
)
def test_a_planted_cause_is_named_with_its_step_and_its_level(effect: Effect, feature: str, starts: str) -> None:
    report = find_causes(table(1, 6000, effect))
    assert named(report) == [(feature, effect[0])]
    (cause,) = report.causes
    assert cause.level.startswith(starts)
    assert cause.step == ("confirm", "done")[effect[0] - 1]
    assert abs(cause.log_odds.mid - effect[1]) < cause.log_odds.high - cause.log_odds.low  # four standard errors
    assert cause.rate_with > cause.rate_without


def test_counts_and_rates_are_those_of_all_sessions() -> None:
    sessions = table(2, 6000, (2, 1.2, flag("silent")))
    (cause,) = find_causes(sessions, CauseSettings(most_rows=2500)).causes
    arrived, silent = sessions.reached >= 2, sessions.features["silent"].astype(bool)
    assert cause.affected == (arrived & silent).sum()
    assert cause.left == (arrived & silent & (sessions.reached == 2)).sum()
    assert cause.rate_without == pytest.approx((sessions.reached[arrived & ~silent] == 2).mean())


def test_sessions_whose_value_was_drawn_are_not_counted_as_affected() -> None:
    sessions = table(2, 6000, (2, 1.4, above("delay_s", 1.5)))
    gaps = np.random.default_rng(3).random(sessions.sessions) < 0.3
    (cause,) = find_causes(replace(sessions, gaps={"delay_s": gaps})).causes
    arrived, affected = sessions.reached >= 2, cause.holds(sessions) & ~gaps
    assert (cause.affected, cause.left) == (
        (arrived & affected).sum(),
        (arrived & affected & (sessions.reached == 2)).sum(),
    )
    others = arrived & ~cause.holds(sessions) & ~gaps
    assert cause.others == others.sum()
    assert cause.rate_without == pytest.approx((sessions.reached[others] == 2).mean())


def test_what_only_goes_with_a_cause_is_not_named_but_mentioned() -> None:
    (cause,) = find_causes(table(3, 6000, (1, 1.3, flag("outage")))).causes
    assert cause.feature == "outage"
    assert cause.correlated == ("retried",)


def test_of_two_features_that_always_go_together_one_is_named_and_the_other_mentioned() -> None:
    outage = features(4, 6000)["outage"]
    (cause,) = find_causes(table(4, 6000, (1, 1.3, flag("outage")), changed={"banner": outage})).causes
    assert {cause.feature, *cause.correlated} == {"outage", "banner", "retried"}


def test_two_conditions_that_matter_only_together_are_named_together() -> None:
    def both(columns: object) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
        assert isinstance(columns, dict)
        return flag("silent")(columns) & level("network", "4g")(columns)

    (cause,) = find_causes(table(5, 8000, (1, 1.8, both))).causes
    assert cause.kind == "together"
    assert sorted(map(str, cause.conditions)) == ["network = 4g", "silent"]


def test_that_two_causes_together_add_less_than_each_alone_is_no_third_cause() -> None:
    """What goes with the absence of the one, such as a fast network, is not named with the other."""

    def either(c: Mapping[str, Column]) -> Flags:
        return flag("silent")(c) | flag("outage")(c)

    outage = features(4, 20_000)["outage"].astype(bool)
    roaming = np.random.default_rng([4, 5]).random(20_000) < np.where(outage, 0.8, 0.05)
    columns: dict[str, Column] = {"network": np.where(roaming, "3g", "wifi").astype(object)}
    report = find_causes(table(4, 20_000, (1, 2.0, either), changed=columns))
    assert named(report) == [("outage", 1), ("silent", 1)]


def test_what_matters_in_one_week_only_is_named_with_that_week_and_not_with_what_comes_in_it() -> None:
    rng = np.random.default_rng(4)
    day = rng.integers(0, 56, 8000).astype(float)
    in_week = (day > 13) & (day <= 20)
    banner = rng.random(8000) < np.where(in_week, 0.8, 0.05)
    columns: dict[str, Column] = {"day": day, "banner": banner}
    (cause,) = find_causes(
        table(4, 8000, (1, 1.8, lambda c: level("network", "4g")(c) & in_week), changed=columns)
    ).causes
    by_feature = {condition.feature: condition for condition in cause.conditions}
    assert by_feature.keys() == {"network", "day"}
    days = day[by_feature["day"].holds(SessionTable(columns, np.ones(8000, dtype=int), in_week, STEPS))]
    assert (12 <= days.min() <= 15, 19 <= days.max() <= 21) == (True, True)


def test_a_range_and_a_gap_are_named() -> None:
    rng = np.random.default_rng(6)
    day = rng.integers(0, 60, 8000).astype(float)
    gaps = np.where(rng.random(8000) < 0.1, np.nan, rng.normal(size=8000))
    week: Effect = (1, 1.4, lambda c: (c["day"].astype(float) > 20) & (c["day"].astype(float) <= 27))
    missing: Effect = (2, 1.4, lambda c: np.isnan(c["signal"].astype(float)))
    report = find_causes(table(6, 8000, week, missing, changed={"day": day, "signal": gaps}))
    assert named(report) == [("day", 1), ("signal", 2)]
    assert "signal = unknown" in [cause.text for cause in report.causes]


@pytest.mark.parametrize(("alone", "seed"), [(True, 0), (True, 2), (False, 0)])
def test_a_wide_range_is_named_as_one(alone: bool, seed: int) -> None:
    def holds(c: Mapping[str, Column]) -> Flags:
        hour = c["hour"].astype(float)
        return (hour > 20) & (hour <= 65) & (flag("silent")(c) | alone)

    def drawn(seed: int, size: int, *effects: Effect) -> SessionTable:
        hour = np.random.default_rng([seed, 3]).integers(0, 100, size).astype(float)
        return table(seed, size, *effects, changed={"hour": hour})

    effect: Effect = (1, 1.3 if alone else 2.0, holds)
    sessions = drawn(seed, 8000, effect)
    report = find_causes(sessions)
    (cause,) = report.causes
    (hours,) = (condition for condition in cause.conditions if condition.feature == "hour")
    assert hours.operator == "in"
    assert isinstance(hours.value, tuple)
    assert (abs(hours.value[0] - 20) <= 3, abs(hours.value[1] - 65) <= 3) == (True, True)
    assert abs(cause.log_odds.mid - effect[1]) < 0.25


def test_two_bounds_that_overlap_are_one_range_with_its_gain_alone() -> None:
    """Where a range is half of all, the bounds are clearer than the ranges that are tried."""

    def drawn(seed: int, size: int, *effects: Effect) -> SessionTable:
        return table(seed, size, *effects, changed={"level": np.random.default_rng([seed, 3]).normal(size=size)})

    effect: Effect = (1, 1.3, lambda c: (c["level"].astype(float) > -0.9) & (c["level"].astype(float) <= 0.4))
    sessions = drawn(4, 8000, effect)
    report = find_causes(sessions)
    (cause,) = report.causes
    assert cause.text.startswith("level > -0.")
    assert " and <= 0." in cause.text
    gain = 100 * ((drawn(9, 100_000).reached == 3).mean() - (drawn(9, 100_000, effect).reached == 3).mean())
    points = expected_improvement(sessions, report, report.causes).points
    assert points.low <= gain <= points.high


def test_nothing_is_named_where_nothing_matters() -> None:
    reports = [find_causes(table(seed, 3000)) for seed in range(20)]
    assert [named(report) for report in reports] == [[]] * 20
    assert all(report.tested > 100 for report in reports)


def test_a_weak_effect_is_not_named_however_many_sessions_there_are() -> None:
    assert find_causes(table(7, 40_000, (1, 0.15, flag("silent")))).causes == ()


def test_a_tiny_group_is_not_named_even_if_all_of_it_leaves() -> None:
    few = np.arange(6000) < 20
    assert find_causes(table(8, 6000, (1, 20.0, flag("few")), changed={"few": few})).causes == ()


def test_too_little_data_is_said() -> None:
    small = find_causes(table(9, 400, (1, 1.0, flag("silent"))))
    assert [step.step for step in small.too_little] == ["confirm", "done"]
    assert small.too_little[0].sessions == 400
    assert find_causes(table(9, 20_000)).too_little == ()


@pytest.mark.parametrize("reached", [[], [1, 1, 1], [3] * 500, [1] * 500, [1, 2, 3] * 2])
def test_a_table_without_anything_to_compare_gives_an_empty_report(reached: list[int]) -> None:
    rows = len(reached)
    columns = {"delay_s": np.arange(rows, dtype=float), "silent": np.arange(rows) % 2 == 0}
    empty = SessionTable(columns, np.array(reached, dtype=int), np.ones(rows, dtype=bool), ("start", "confirm", "done"))
    report = find_causes(empty)
    assert report.causes == ()
    assert [step.step for step in report.too_little] == ["confirm", "done"]


def test_a_count_over_the_whole_session_is_left_out() -> None:
    sessions = table(10, 6000, (1, 1.2, flag("silent")))
    events = np.random.default_rng(10).poisson(3.0 * sessions.reached).astype(float)
    report = find_causes(replace(sessions, features={**sessions.features, "events": events}))
    assert named(report) == [("silent", 1)]
    assert report.growing == ("events",)


def test_what_follows_from_finishing_is_left_out_and_misleads_nobody() -> None:
    sessions = table(16, 6000, (1, 1.2, flag("silent")))
    finished = sessions.reached == 3
    rng = np.random.default_rng(16)
    columns = {
        "rating": np.where(finished, rng.integers(1, 6, 6000), 0).astype(float),
        "mail_sent": finished & (rng.random(6000) < 0.98),
        "receipt": np.array(["paper" if done else None for done in finished], dtype=object),
        "points": np.where(finished, rng.random(6000), np.nan),
    }
    report = find_causes(replace(sessions, features={**sessions.features, **columns}))
    assert named(report) == [("silent", 1)]
    assert report.growing == tuple(columns)


@pytest.mark.parametrize(
    "kind", ["seconds", "seconds_with_idle_time", "waited", "turns_in_second", "seconds_of_third", "seen_in_third"]
)
def test_what_exists_because_a_session_lasted_longer_is_left_out(kind: str) -> None:
    sessions, column = longer(5000, kind)
    report = find_causes(sessions)
    assert (named(report), report.growing) == ([("silent", 1)], (column,))


def test_a_bound_below_which_everybody_leaves_is_no_feature_of_the_end() -> None:
    rng = np.random.default_rng(20)
    score = rng.random(4000).round(3)
    reached = np.where(rng.random(4000) < 0.2, 1, np.where(score < 0.3, 2, 3))
    sessions = SessionTable({"score": score}, reached, np.ones(4000, dtype=bool), ("start", "confirm", "done"))
    report = find_causes(sessions)
    assert report.growing == ()
    assert set(named(report)) == {("score", 2)}


@pytest.mark.parametrize("sessions", [2000, 6000])
def test_something_after_which_everybody_leaves_is_named_also_if_it_is_rare(sessions: int) -> None:
    crashed = np.arange(sessions) % 40 == 0
    rare = find_causes(table(22, sessions, (1, 12.0, flag("crashed")), changed={"crashed": crashed}))
    assert [(cause.text, cause.step_number) for cause in rare.causes] == [("crashed", 1)]
    assert rare.causes[0].rate_with == 1.0
    common = find_causes(table(23, sessions, (2, 12.0, flag("silent"))))
    assert [(cause.text, cause.step_number) for cause in common.causes] == [("silent", 2)]
    assert np.isfinite([common.causes[0].log_odds.low, common.causes[0].log_odds.high]).all()


def test_what_only_keeps_people_is_not_named_and_ends_no_search() -> None:
    effects = ((1, -2.0, flag("silent")), (1, 1.2, flag("outage")))
    assert named(find_causes(table(21, 6000, *effects))) == [("outage", 1)]
    assert named(find_causes(table(21, 6000, effects[0]))) == []


def test_levels_that_raise_leaving_are_named_although_one_level_lowers_it_most() -> None:
    contract = np.random.default_rng(17).choice(np.array(["single", "family", "firm"], dtype=object), 8000)
    effects = ((1, 1.1, level("contract", "family")), (1, 1.2, level("contract", "firm")))
    report = find_causes(table(17, 8000, *effects, changed={"contract": contract}))
    assert [cause.text for cause in report.causes] == ["contract = firm", "contract = family"]


def test_both_ends_of_a_number_are_named() -> None:
    def extreme(columns: Mapping[str, Column]) -> Flags:
        return below("confidence", 0.65)(columns) | above("confidence", 0.92)(columns)

    causes = find_causes(table(18, 8000, (1, 1.3, extreme))).causes
    assert [cause.feature for cause in causes] == ["confidence"] * 2
    assert sorted(cause.conditions[0].operator for cause in causes) == ["<=", ">"]


def test_one_bad_level_of_two_hundred_is_named() -> None:
    rng = np.random.default_rng(19)
    model = np.array([f"model {k}" for k in rng.zipf(1.3, 8000).clip(max=200)], dtype=object)
    report = find_causes(table(19, 8000, (1, 2.0, level("model", "model 9")), changed={"model": model}))
    assert [(cause.text, cause.step_number) for cause in report.causes] == [("model = model 9", 1)]


def test_what_all_sessions_of_a_branch_share_is_compared_between_the_branches() -> None:
    false = 0
    for seed in range(6):
        rng = np.random.default_rng(seed)
        branch = rng.integers(0, 40, 8000)
        rate, staff = rng.normal(0.0, 0.8, 40), rng.integers(1, 12, 40)
        names = np.array([f"branch {k}" for k in branch], dtype=object)
        changed: dict[str, Column] = {"branch": names, "staff": staff[branch].astype(float)}
        own: Effect = (1, 1.0, lambda _, found=rate[branch]: found)  # type: ignore[misc]
        causes = find_causes(table(seed, 8000, own, (2, 1.2, flag("silent")), changed=changed)).causes
        assert ("silent", 2) in [(cause.feature, cause.step_number) for cause in causes]
        false += sum(cause.feature not in {"branch", "silent"} for cause in causes)
    assert false <= 1


def of_few_people(seed: int, *effects: Effect) -> SessionTable:
    """Ten sessions of each of 800 people, who have a rate of their own and for all their sessions the same features."""
    rng = np.random.default_rng(seed)
    person = np.repeat(np.arange(800), 10)
    rate = 1.2 * rng.normal(size=800)
    changed = {name: column[person] for name, column in features(seed, 800).items()}
    own: tuple[Effect, ...] = tuple((step, 1.0, lambda _: rate[person]) for step in (1, 2))
    return replace(table(seed, 8000, *own, *effects, changed=changed), persons=person)


def test_what_few_people_have_in_all_their_sessions_is_not_taken_for_many() -> None:
    tables = [of_few_people(seed) for seed in range(8)]
    assert sum(len(find_causes(sessions).causes) for sessions in tables) <= 1
    assert sum(len(find_causes(replace(sessions, persons=None)).causes) for sessions in tables) >= 4


def test_a_cause_is_named_although_people_have_many_sessions() -> None:
    sessions = of_few_people(30, (2, 1.6, flag("silent")))
    report = find_causes(sessions)
    assert named(report) == [("silent", 2)]
    (known,), (taken,) = (
        report.causes,
        find_causes(replace(sessions, persons=None), CauseSettings(pairs=False)).causes[:1],
    )
    assert known.log_odds.high - known.log_odds.low > 1.3 * (taken.log_odds.high - taken.log_odds.low)


@pytest.mark.parametrize("seed", range(4))
def test_a_short_count_over_a_session_is_left_out_with_1000_sessions_too(seed: int) -> None:
    sessions = table(seed, 1000, (1, 1.2, flag("silent")))
    retries = np.random.default_rng(seed).poisson(0.5 * sessions.reached).astype(float)
    assert find_causes(replace(sessions, features={**sessions.features, "retries": retries})).growing == ("retries",)


@pytest.mark.parametrize("seed", range(40, 48))
def test_low_values_that_matter_at_the_first_step_only_are_no_growing_feature(seed: int) -> None:
    report = find_causes(table(seed, 3000, (1, 1.6, below("confidence", 0.72))), CauseSettings(pairs=False))
    assert ("confidence", 1) in named(report)


@pytest.mark.parametrize("seed", range(3))
def test_a_bound_between_two_that_are_tried_is_named_once_with_all_of_its_effect(seed: int) -> None:
    load_s = np.random.default_rng([seed, 61]).gamma(2, 2, 20_000)
    sessions = table(seed, 20_000, (1, 1.8, lambda c: c["load_s"] > 5.0), changed={"load_s": load_s})
    (cause,) = find_causes(sessions).causes
    assert cause.conditions[0].operator == ">"
    assert cause.log_odds.low - 0.2 < 1.8 < cause.log_odds.high + 0.3


def test_pairs_are_looked_for_only_where_a_strong_cause_would_be_seen() -> None:
    alone = CauseSettings(pairs=False)
    small, large = table(31, 1000), table(31, 8000)
    assert find_causes(small) == find_causes(small, alone)
    assert find_causes(small).too_little
    assert find_causes(large).tested > find_causes(large, alone).tested


def test_low_values_that_matter_at_every_step_are_no_growing_feature() -> None:
    low = below("confidence", 0.75)
    report = find_causes(table(11, 8000, (1, 1.2, low), (2, 1.2, low)))
    assert report.growing == ()
    assert named(report) == [("confidence", 1), ("confidence", 2)]


@pytest.mark.parametrize("name", ["confidence", "delay_s"])
def test_low_values_after_which_most_leave_at_every_step_are_named_where_it_is_known_since_when_they_are(
    name: str,
) -> None:
    sessions = table(11, 6000)
    rng = np.random.default_rng(111)
    low = sessions.features[name] < np.quantile(sessions.features[name].astype(float), 0.25)
    leaves = rng.random((2, 6000)) < np.where(low, 0.7, 0.35)
    reached = np.where(leaves[0], 1, np.where(leaves[1], 2, 3))
    report = find_causes(replace(sessions, reached=reached, known_at={name: 1}))
    assert (named(report), report.growing) == ([(name, 1), (name, 2)], ())


def test_a_feature_explains_only_what_comes_after_it_is_known() -> None:
    sessions = table(12, 8000, (1, 1.2, flag("silent")), (2, 1.2, flag("silent")))
    assert named(find_causes(sessions)) == [("silent", 1), ("silent", 2)]
    assert named(find_causes(replace(sessions, known_at={"silent": 2}))) == [("silent", 2)]


def test_sessions_under_way_count_neither_as_left_nor_as_gone_on() -> None:
    sessions = table(13, 8000, (1, 1.2, flag("silent")))
    under_way = sessions.features["retried"].astype(bool) & (np.random.default_rng(13).random(8000) < 0.8)
    seen = replace(sessions, reached=np.where(under_way, 1, sessions.reached), ended=~under_way)
    assert named(find_causes(seen)) == [("silent", 1)]
    assert ("retried", 1) in named(find_causes(replace(seen, ended=np.ones(8000, dtype=bool))))


def test_a_cause_that_rests_on_who_is_not_yet_known_to_have_left_is_not_named() -> None:
    sessions = table(14, 8000, (1, 1.2, flag("silent")))
    earlier = np.random.default_rng(14).random(8000) < 0.85
    columns = {**sessions.features, "earlier": earlier}
    hidden = replace(sessions, features=columns, ended=earlier | (sessions.reached == 3))
    assert named(find_causes(hidden)) == [("silent", 1)]


def test_the_same_table_gives_the_same_report() -> None:
    sessions = table(15, 6000, (1, 1.2, flag("silent")))
    settings = CauseSettings(most_rows=3000)
    assert find_causes(sessions, settings) == find_causes(sessions, settings)
