"""That a flag is false, or that a thing did not happen, as a cause of leaving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from server.funnel.causes import find_causes
from server.funnel.coding import coded
from server.funnel.improvement import expected_improvement
from server.funnel.model import StepModel
from server.funnel.pairs import pair_terms
from server.funnel.step_data import Guards, step_data
from server.funnel.types import Column, Flags, SessionTable
from tests.unit.funnel.simulated import flag, longer, table


def told(sessions: SessionTable, **known_at: int) -> SessionTable:
    """The same sessions, where the table says since when some features are known."""
    return replace(sessions, known_at=known_at)


def test_that_a_flag_is_false_is_named_where_it_is_known_from_the_start() -> None:
    sessions = table(21, 6000, (1, -1.5, flag("silent")), (2, 1.2, flag("outage")))
    report = find_causes(told(sessions, silent=1, outage=1))
    assert [(cause.text, cause.step_number) for cause in report.causes] == [("silent = no", 1), ("outage", 2)]
    (without, _) = report.causes
    assert without.affected == (~sessions.features["silent"].astype(bool)).sum()
    assert without.rate_with > without.rate_without


def test_that_a_thing_did_not_happen_is_named_only_when_it_can_happen_no_more() -> None:
    """Who leaves a step early had less time in it: nothing of it made anybody leave."""
    sessions = table(24, 6000, (2, -1.5, flag("silent")))
    met = np.random.default_rng(124).random(6000) < np.where(sessions.reached > 1, 0.4, 0.1)
    sessions = replace(sessions, features={**sessions.features, "met": met})
    known = told(sessions, met=1, silent=1)
    assert {cause.text for cause in find_causes(known).causes} == {"met = no", "silent = no"}
    happens = replace(known, happens=frozenset({"met", "silent"}))
    assert [(cause.text, cause.step_number) for cause in find_causes(happens).causes] == [("silent = no", 2)]


@pytest.mark.parametrize("sessions", [1000, 5000])
def test_that_a_thing_did_not_happen_is_not_named_where_nobody_says_since_when_it_is_known(sessions: int) -> None:
    found, _ = longer(sessions, "seconds")
    seconds = found.features["seconds"].astype(float)
    rng = np.random.default_rng(25)
    flags: dict[str, Column] = {
        f"met_{rate}": rng.random(sessions) < 1 - np.exp(-seconds / rate) for rate in (3000, 600, 60)
    }
    report = find_causes(replace(found, features={"silent": found.features["silent"], **flags}))
    assert [cause.text for cause in report.causes] == ["silent"]


def two_flags(seed: int, log_odds: float, holds: Callable[[Flags, Flags], Flags], sessions: int = 6000) -> SessionTable:
    rng = np.random.default_rng(100 + seed)
    left, right = rng.random((2, sessions)) < 0.5
    changed: dict[str, Column] = {"left": left, "right": right}
    return told(table(seed, sessions, (1, log_odds, lambda _: holds(left, right)), changed=changed), left=1, right=1)


@pytest.mark.parametrize(
    ("holds", "wanted"),
    [
        (np.logical_xor, ["left = no and right", "left and right = no"]),
        (lambda left, right: left == right, ["left = no and right = no", "left and right"]),
        (np.logical_and, ["left and right"]),
        (lambda left, right: left & ~right, ["left and right = no"]),
    ],
)
def test_two_flags_are_named_with_each_two_sides_that_matter_and_with_all_of_their_gain(
    holds: Callable[[Flags, Flags], Flags], wanted: list[str]
) -> None:
    inside = 0
    for seed in (26, 27):
        sessions = two_flags(seed, 1.6, holds)
        report = find_causes(sessions)
        assert sorted(" and ".join(sorted(map(str, c.conditions))) for c in report.causes) == wanted
        assert all(1.0 < cause.log_odds.mid < 2.2 for cause in report.causes)
        points = expected_improvement(sessions, report, report.causes, draws=200).points
        now, without = (two_flags(900 + seed, size, holds, 40_000).reached == 3 for size in (1.6, 0.0))
        inside += points.low <= 100 * (without.mean() - now.mean()) <= points.high
    assert inside >= 1


def test_two_flags_that_keep_people_together_are_not_named_as_one_without_the_other() -> None:
    for seed in range(3):
        kept = two_flags(seed, -1.6, np.logical_and)
        causes = find_causes(kept).causes
        assert {cause.text for cause in causes} <= {"left = no", "right = no", "left = no and right = no"}


@pytest.mark.parametrize("log_odds", [0.0, -1.2])
def test_that_a_cause_was_absent_is_named_later_only_if_it_is_more_than_the_patience_of_those_that_it_left(
    log_odds: float,
) -> None:
    found = []
    for seed in range(3):
        rng = np.random.default_rng([seed, 41])
        patience, slow = rng.normal(0, 1.0, 20_000), rng.random(20_000) < 0.5
        hidden = [(step, -1.0, lambda _, p=patience: p) for step in (1, 2)]
        effects = (1, 1.8, flag("slow")), (2, log_odds, flag("slow"))
        sessions = table(seed, 20_000, *effects, *hidden, changed={"slow": slow})
        found += [(cause.text, cause.step_number) for cause in find_causes(told(sessions, slow=1)).causes]
    assert set(found) == {("slow", 1), *([("slow = no", 2)] if log_odds else [])}


def test_a_number_enters_pairs_at_two_bounds_and_a_flag_both_ways_where_it_is_known() -> None:
    sessions = told(table(27, 4000), silent=1)
    data = step_data(sessions, coded(sessions), 1, Guards(30, 5.0), 50_000, 0)
    assert data is not None
    terms = pair_terms(StepModel(data, [{k} for k in range(len(data.features))]))
    found = [condition.feature for term in terms for condition in term.conditions]
    assert {name: found.count(name) for name in ("silent", "outage", "delay_s", "confidence")} == {
        "silent": 2,
        "outage": 1,
        "delay_s": 2,
        "confidence": 2,
    }
