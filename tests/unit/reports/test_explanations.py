"""Mix and rate: what is planted is found with its size, and noise is not."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest

from server.funnel.types import Column, SessionTable
from server.reports.explanations import explain
from server.reports.news import new_values

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
