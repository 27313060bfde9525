"""Mix and rate: what is planted is found with its size, and noise is not."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import pytest

from server.funnel.recommendations import Evidence, Recommendation
from server.funnel.report import FunnelReport
from server.funnel.types import Column, Condition, Interval, SessionTable
from server.reports.explanations import explain
from server.reports.groups import StepWeeks, groups
from server.reports.news import cause_changes, new_values

STEPS = ("start", "middle", "end", "done")
NETWORKS = ("wifi", "4g", "3g")
ONE_VERSION: Mapping[str, float] = {"2.0": 1.0}


def table(
    seed: int,
    sessions: int = 4000,
    networks: tuple[float, ...] = (0.6, 0.3, 0.1),
    versions: Mapping[str, float] = ONE_VERSION,
    base: float = 0.2,
    bad_network: float = 0.3,
    bad_version: float = 0.0,
) -> SessionTable:
    """Sessions whose first step depends on the network, and on the version 2.1."""
    random = np.random.default_rng(seed)
    network = random.choice(np.array(NETWORKS, dtype=object), sessions, p=networks)
    version = random.choice(np.array(list(versions), dtype=object), sessions, p=list(versions.values()))
    chance = base + bad_network * (network == "3g") + bad_version * (version == "2.1")
    features: dict[str, Column] = {
        "network": network,
        "carrier": np.where(network == "3g", "old", "new").astype(object),
        "app.version": version,
        "no_speech": random.random(sessions) < 0.1,
        "delay_s": random.lognormal(0, 0.5, sessions),
    }
    reached = np.full(sessions, 4)
    for step, share in ((3, 0.1), (2, 0.2)):
        reached[random.random(sessions) < share] = step
    reached[random.random(sessions) < chance] = 1
    return SessionTable(features, reached.astype(np.int64), np.ones(sessions, dtype=bool), STEPS, {"delay_s": 2})


def of_persons(seed: int, each: int, sessions: int = 3000) -> SessionTable:
    """Sessions of persons with their own network, version and habit of leaving; ``each`` has as many."""
    random = np.random.default_rng(seed)
    of_each = table(seed, sessions // each, versions={"2.0": 0.8, "2.1": 0.1, "2.2": 0.1})
    persons = np.repeat(np.arange(sessions // each), each)
    features = {name: column[persons] for name, column in of_each.features.items()}
    chance = random.beta(2, 6, sessions // each)[persons] + 0.3 * (features["network"] == "3g")
    reached = np.where(random.random(sessions) < chance, 1, 4)
    ended = np.ones(sessions, dtype=bool)
    return SessionTable(features, reached, ended, STEPS, {"delay_s": 2}, persons)


def rates(found: SessionTable) -> float:
    return float((found.reached == 1).mean())


def test_a_changed_mix_is_found_with_its_size() -> None:
    now, before = table(1, networks=(0.45, 0.25, 0.3)), table(2)
    [found] = explain(now, before).found
    assert (found.kind, found.step, str(found.condition), found.correlated) == ("mix", 1, "network = 3g", ("carrier",))
    assert found.shares == pytest.approx((0.1, 0.3), abs=0.02)
    assert found.effect.low < 0.2 * 0.3 < found.effect.high, "20 points more of those who leave 30 points more often"
    assert found.effect.mid == pytest.approx(rates(now) - rates(before), abs=0.02)


def test_a_step_that_cannot_be_compared_yet_is_left_out() -> None:
    assert explain(table(1, networks=(0.45, 0.25, 0.3)), table(2), leave_out={1}).found == ()


def test_the_same_people_who_leave_more_often_are_found() -> None:
    now = table(1, versions={"2.0": 0.7, "2.1": 0.3}, bad_version=0.25)
    before = table(2, versions={"2.0": 0.7, "2.1": 0.3})
    [found] = explain(now, before).found
    assert (found.kind, str(found.condition)) == ("rate", "app.version = 2.1")
    assert found.effect.low < 0.3 * 0.25 < found.effect.high
    assert found.rates[1] is not None
    assert found.rates[1] - (found.rates[0] or 0) == pytest.approx(0.25, abs=0.05)


def test_a_new_version_explains_the_whole_change() -> None:
    now, before = table(1, versions={"2.1": 1.0}, bad_version=0.2), table(2)
    [found] = explain(now, before).found
    assert (found.kind, str(found.condition), found.shares) == ("mix", "app.version = 2.1", (0.0, 1.0))
    assert found.effect.mid == pytest.approx(rates(now) - rates(before), abs=1e-9), "Kitagawa's parts add up"


def test_all_leaving_more_often_has_no_explanation() -> None:
    assert explain(table(1, base=0.35), table(2)).found == ()


def test_noise_is_rarely_explained() -> None:
    """Two weeks of the same design: something is named in at most 5 % of the pairs."""
    pairs = 60
    named = sum(bool(explain(table(2 * k, 1500), table(2 * k + 1, 1500)).found) for k in range(pairs))
    assert named / pairs <= 0.05 + 2 * (0.05 * 0.95 / pairs) ** 0.5


@pytest.mark.parametrize("each", [1, 5, 20])
def test_many_sessions_of_one_person_are_no_reason(each: int) -> None:
    pairs = 40
    weeks = [(of_persons(2 * k, each), of_persons(2 * k + 1, each)) for k in range(pairs)]
    named = sum(bool(explain(*week).found) for week in weeks)
    assert named / pairs <= 0.05 + 2 * (0.05 * 0.95 / pairs) ** 0.5


def test_a_new_value_of_few_persons_with_many_sessions_may_be_chance() -> None:
    def week(of: float, persons: int = 30) -> SessionTable:
        whose = np.repeat(np.arange(persons), 100)
        version = np.where(whose < of * persons, "2.1", "2.0").astype(object)
        return replace(table(1, len(whose)), features={"app.version": version}, persons=whose)

    assert new_values(week(1 / 30), week(0)) == (), "one person in thirty may stay away for a week"
    assert [str(value.condition) for value in new_values(week(0.5), week(0))] == ["app.version = 2.1"]


def test_the_part_of_a_group_is_not_that_of_others_who_move_the_other_way() -> None:
    now, before = two_halves(1, (0.28, 0.23)), two_halves(2, (0.20, 0.30))
    [found] = explain(now, before).found
    assert found.kind == "rate"
    own = 0 if str(found.condition) == "half = a" else 1
    assert found.effect.low < 0.5 * (0.08, -0.07)[own] < found.effect.high
    assert found.effect.mid == pytest.approx(0.5 * ((found.rates[1] or 0) - (found.rates[0] or 0)), abs=0.001)


def two_halves(seed: int, chances: tuple[float, float], sessions: int = 20_000) -> SessionTable:
    random = np.random.default_rng(seed)
    half = np.where(np.arange(sessions) % 2 == 0, "a", "b").astype(object)
    reached = np.where(random.random(sessions) < np.where(half == "a", *chances), 1, 4)
    return SessionTable({"half": half}, reached, np.ones(sessions, dtype=bool), STEPS, {})


def test_the_interval_of_a_mix_holds_the_truth() -> None:
    """It is made for all comparisons at once, so it holds far more often than in 95 %."""
    runs, held = 25, 0
    for k in range(runs):
        found = explain(table(2 * k, networks=(0.45, 0.25, 0.3)), table(2 * k + 1)).found
        network = [each.effect for each in found if each.condition.feature in {"network", "carrier"}]
        held += bool(network) and network[0].low < 0.06 < network[0].high
    assert held / runs >= 0.95


def test_a_feature_that_is_known_later_explains_no_earlier_step() -> None:
    now, before = table(1), table(2)
    slow = np.where(now.reached == 1, 50.0, 1.0)
    changed = SessionTable(dict(now.features) | {"delay_s": slow}, now.reached, now.ended, STEPS, {"delay_s": 2})
    assert all(found.step > 1 for found in explain(changed, before).found if found.condition.feature == "delay_s")


def test_a_week_without_sessions_explains_nothing() -> None:
    assert explain(None, table(1)).found == ()
    assert explain(table(1, sessions=10), table(2)).found == ()


def test_values_that_came_and_went_are_told_and_rare_ones_are_not() -> None:
    now = table(1, versions={"2.1": 0.95, "2.0": 0.05})
    before = table(2, versions={"1.9": 0.04, "2.0": 0.9595, "rare": 0.0005})
    assert [(str(value.condition), value.new) for value in new_values(now, before)] == [
        ("app.version = 2.1", True),
        ("app.version = 1.9", False),
    ]
    few = table(3, versions={"2.0": 0.95, "2.1": 0.05})
    assert new_values(few, table(4, sessions=20)) == (), "chance may leave it out of twenty sessions"


@pytest.mark.parametrize(("by_person", "sureness"), [(False, "clear"), (True, "unsure")])
def test_a_cause_of_few_persons_with_many_sessions_is_not_called_new(*, by_person: bool, sureness: str) -> None:
    whose = np.repeat(np.arange(40), 20)

    def week(leavers: int) -> SessionTable:
        """Ten persons have the condition, of whom so many leave each time; of thirty others ten do."""
        features: dict[str, Column] = {"slow": whose < 10}
        left = (whose < leavers) | (whose >= 30)
        persons = whose if by_person else None
        return SessionTable(features, np.where(left, 1, 4), np.ones(800, dtype=bool), STEPS, {}, persons)

    none = Interval(0.0, 0.0, 0.0)
    evidence = Evidence("slow", 200, 140, 800, 0.7, 0.3, none, ("slow",), conditions=(Condition("slow"),))
    named = Recommendation(1, "ux", "low", "Title.", "Action.", none, none, evidence)
    now, before = FunnelReport(800, None, (), (named,), compared=10), FunnelReport(800, None, (), compared=10)
    [found] = cause_changes(now, before, (week(7), week(3)))
    assert (found.named_now, found.sureness) == (True, sureness)


KINDS = ("passport", "licence", "card")


def with_documents(seed: int, early: int, sessions: int = 240) -> SessionTable:
    """Sessions that took a picture on the way from the second step, and ``early`` of them before.

    The gaps of the columns have drawn values, as those of a table from the ledger. No early picture is a passport.
    """
    random = np.random.default_rng(seed)
    reached = random.choice([1, 2, 3, 4], sessions, p=[0.3, 0.2, 0.2, 0.3])
    kinds = random.choice(np.array(KINDS, dtype=object), sessions)
    kinds[:early] = "card"
    seen = {1: np.arange(sessions) < early, 2: reached > 1}
    features: dict[str, Column] = {}
    known_at, gaps = {}, {}
    for step in [1, 2] if early else [2]:
        name = "app.kind@2" if early and step == 2 else "app.kind"
        features[name] = np.where(seen[step], kinds, random.choice(kinds[seen[step]], sessions)).astype(object)
        known_at[name], gaps[name] = step, ~seen[step]
    ended = np.ones(sessions, dtype=bool)
    return SessionTable(features, reached, ended, STEPS, known_at, gaps=gaps)


def with_value(level: str, seen: float, sessions: int = 400) -> SessionTable:
    """Sessions of which a share has a value, the same for all. A gap has it drawn."""
    levels = np.full(sessions, level, dtype=object)
    reached = np.full(sessions, 4, dtype=np.int64)
    ended = np.ones(sessions, dtype=bool)
    gaps = {"app.kind": np.arange(sessions) >= seen * sessions}
    return SessionTable({"app.kind": levels}, reached, ended, STEPS, gaps=gaps)


@pytest.mark.parametrize(("now", "before"), [(5, 0), (0, 5), (5, 5)])
def test_what_few_sessions_did_early_in_one_of_the_weeks_neither_comes_nor_goes(now: int, before: int) -> None:
    weeks = with_documents(1, now), with_documents(2, before)
    assert new_values(*weeks) == ()
    assert explain(*weeks).found == ()


def test_only_values_of_the_sessions_themselves_are_counted() -> None:
    [came, went] = new_values(with_value("a", 0.5), with_value("b", 0.25))
    assert [(value.sessions, value.share, value.new) for value in (came, went)] == [
        (200, 0.5, True),
        (100, 0.25, False),
    ]


def test_no_value_neither_comes_nor_goes() -> None:
    def week(value: str) -> SessionTable:
        return replace(table(1), features={"variant": np.where(np.arange(4000) < 2000, value, "usual").astype(object)})

    assert new_values(week("usual"), week("")) == ()
    assert new_values(week(""), week("usual")) == ()


@pytest.mark.parametrize("level", ["", "usual"])
def test_a_reason_is_never_that_there_is_no_value(level: str) -> None:
    """The sessions without a variant left more often, and there are none any more."""
    of_old = np.arange(4000) < 2000
    before = table(2)
    reached = np.where(of_old & (np.arange(4000) % 2 == 0), 1, 4)
    before = replace(before, features={"variant": np.where(of_old, level, "short").astype(object)}, reached=reached)
    now = replace(table(1), features={"variant": np.full(4000, "short", dtype=object)}, reached=np.full(4000, 4))
    assert [str(found.condition) for found in explain(now, before).found] == [
        "variant = short" if not level else "variant = usual"
    ]


def test_what_is_known_of_a_part_explains_as_much_as_its_share() -> None:
    """A version of which leaving is 40 points higher is new in the half of the sessions that have a value."""
    half, new = np.arange(8000) % 2 == 0, np.arange(8000) % 4 == 0
    chance = np.random.default_rng(1).random(8000)

    def week(*, changed: bool) -> SessionTable:
        bad = new & changed
        drawn = np.random.default_rng(2).random(8000) < 0.5
        version = np.where(bad | (~half & drawn & changed), "2", "1").astype(object)
        reached = np.where(chance < 0.1 + 0.4 * bad, 1, 4)
        return SessionTable({"version": version}, reached, np.ones(8000, dtype=bool), STEPS, gaps={"version": ~half})

    [found] = explain(week(changed=True), week(changed=False)).found
    assert (str(found.condition), found.shares) == ("version = 2", (0.0, 0.25))
    assert found.partly, "the rate of the others is of those that have a value, the share is not"
    assert found.effect.mid == pytest.approx(0.25 * 0.4, abs=0.015)
    assert found.rates[1] == pytest.approx(0.5, abs=0.02)


def _of_kind(named_now: bool, *weeks: SessionTable) -> str:
    none = Interval(0.0, 0.0, 0.0)
    evidence = Evidence(
        "", 0, 0, 0, 0.0, 0.0, none, ("app.kind",), conditions=(Condition("app.kind", "=", "passport"),)
    )
    named = Recommendation(2, "ux", "low", "Title.", "Action.", none, none, evidence)
    reports = [FunnelReport(240, None, (), found, compared=10) for found in ((named,), ())]
    now, before = reports if named_now else reports[::-1]
    [found] = cause_changes(now, before, (weeks[0], weeks[1]))
    assert found.named_now is named_now
    return found.sureness


@pytest.mark.parametrize("named_now", [True, False])
@pytest.mark.parametrize(("now", "before"), [(5, 0), (0, 5)])
def test_a_cause_whose_column_has_another_name_in_the_other_week_is_not_called_absent(
    now: int, before: int, *, named_now: bool
) -> None:
    assert _of_kind(named_now, with_documents(1, now), with_documents(2, before)) == "unsure"


def test_a_cause_is_absent_where_the_feature_is_known_and_no_session_has_it() -> None:
    passports, cards, few = with_value("passport", 1), with_value("card", 1), with_value("card", 0.02)
    assert _of_kind(False, cards, passports) == "absent"
    assert _of_kind(False, few, passports) == "unsure", "eight sessions say nothing of the others"
    other = replace(cards, features={"app.other": cards.features["app.kind"]}, gaps={})
    assert _of_kind(False, other, passports) == "unsure", "nobody knows the feature in this week"


def _with_hint(sent: float, *, told: bool, sessions: int = 4000) -> SessionTable:
    """A boolean that is true in half of the sessions that sent it. Told, the others have it drawn; else it is false."""
    random = np.random.default_rng(9)
    seen, value = random.random(sessions) < sent, random.random(sessions) < 0.5
    hint = np.where(seen, value, random.random(sessions) < 0.5) if told else value & seen
    reached = np.where(random.random(sessions) < np.where(hint, 0.5, 0.2), 1, 4)
    gaps = {"app.hint": ~seen} if told else {}
    happens = frozenset(() if told else ("app.hint",))
    return SessionTable(
        {"app.hint": hint}, reached, np.ones(sessions, dtype=bool), STEPS, {"app.hint": 1}, gaps=gaps, happens=happens
    )


def test_of_a_boolean_that_was_told_only_what_was_seen_is_a_group() -> None:
    weeks = _with_hint(0.6, told=True), _with_hint(0.6, told=True)
    at_first = StepWeeks.of(1, *weeks)
    [has, has_not] = groups(("app.hint", "app.hint"), at_first, *weeks)
    seen = weeks[0].seen("app.hint")
    assert (has.now | has_not.now).sum() == seen.sum()
    assert has.now.sum() == (seen & weeks[0].features["app.hint"].astype(bool)).sum()


def test_a_boolean_that_was_told_in_one_of_the_weeks_only_is_not_compared() -> None:
    assert explain(_with_hint(0.53, told=True), _with_hint(0.47, told=False)).found == ()


def test_a_cause_of_one_step_is_looked_for_in_the_column_of_that_step() -> None:
    """That a breaker was open in the second step says nothing of the first."""
    sessions = 600
    opened, none = np.arange(sessions) < 300, np.zeros(sessions, dtype=bool)
    reached = np.where(opened & (np.arange(sessions) % 2 == 0), 2, 4)
    known_at = {"breaker_open": 1, "breaker_open@2": 2}
    ended = np.ones(sessions, dtype=bool)
    before = SessionTable({"breaker_open": opened, "breaker_open@2": none}, reached, ended, STEPS, known_at)
    now = replace(before, reached=np.full(sessions, 4))
    none_of_it = Interval(0.0, 0.0, 0.0)
    evidence = Evidence("", 0, 0, 0, 0.0, 0.0, none_of_it, ("breaker_open",), conditions=(Condition("breaker_open"),))
    named = Recommendation(2, "ux", "low", "Title.", "Action.", none_of_it, none_of_it, evidence)
    reports = [FunnelReport(sessions, None, (), found, compared=10) for found in ((), (named,))]
    [found] = cause_changes(reports[0], reports[1], (now, before))
    assert found.sureness != "absent"
