from __future__ import annotations

import numpy as np
import pytest

from server.funnel.coding import LEAST_OF_A_LEVEL, MOST_LEVELS, CodedFeature, coded
from server.funnel.types import Column, SessionTable


def code(column: Column) -> tuple[SessionTable, CodedFeature]:
    rows = len(column)
    table = SessionTable({"f": column}, np.ones(rows, dtype=int), np.ones(rows, dtype=bool), ("start", "done"))
    (feature,) = coded(table)
    return table, feature


RNG = np.random.default_rng(0)
TEXTS = RNG.choice(np.array(["a", "b", None], dtype=object), 300)
GAPS = np.where(RNG.random(300) < 0.1, np.nan, RNG.lognormal(2, 1, 300))
HOURS = RNG.integers(0, 24, 300).astype(float)


@pytest.mark.parametrize("column", [RNG.random(300) < 0.3, TEXTS, GAPS, HOURS, np.full(300, 7.0) + (HOURS > 3)])
def test_each_condition_holds_for_the_sessions_with_its_codes(column: Column) -> None:
    table, feature = code(column)
    assert feature.candidates
    for candidate in feature.candidates:
        members = candidate.members[feature.codes]
        assert (candidate.condition.holds(table) == members).all(), candidate
        if candidate.opposite is not None:
            other = ~members & (feature.codes < feature.ordered)
            assert (candidate.opposite.holds(table) == other).all(), candidate


def test_unknown_values_are_a_level_of_their_own() -> None:
    for column in (TEXTS, GAPS):
        _, feature = code(column)
        assert "= unknown" in [candidate.condition.level for candidate in feature.candidates]


def test_bounds_of_numbers_are_round() -> None:
    _, feature = code(GAPS)
    bounds = [c.condition.value for c in feature.candidates if c.condition.operator == ">"]
    assert all(isinstance(bound, float) and bound == float(f"{bound:.2g}") for bound in bounds)


def test_rare_levels_are_one_group_without_a_name() -> None:
    names = np.array([f"model {k % 211}" for k in range(211 * LEAST_OF_A_LEVEL)], dtype=object)
    _, feature = code(names)
    assert feature.width == MOST_LEVELS + 1
    assert len(feature.candidates) == MOST_LEVELS


def test_levels_of_few_sessions_are_in_that_group_too() -> None:
    names = ["common"] * 100 + ["usual"] * LEAST_OF_A_LEVEL + ["rare"] * (LEAST_OF_A_LEVEL - 1) + ["once"]
    _, feature = code(np.array(names, dtype=object))
    assert feature.codes.tolist() == [0] * 100 + [1] * LEAST_OF_A_LEVEL + [2] * LEAST_OF_A_LEVEL
    assert [candidate.condition.value for candidate in feature.candidates] == ["common", "usual"]


def test_a_feature_that_never_differs_is_left_out() -> None:
    same: list[Column] = [
        np.ones(9, dtype=bool),
        np.full(9, 2.0),
        np.full(9, np.nan),
        np.array(["x"] * 9, dtype=object),
        np.array([None] * 9, dtype=object),
        np.array([f"id {k}" for k in range(9)], dtype=object),
    ]
    for column in same:
        table = SessionTable({"f": column}, np.ones(9, dtype=int), np.ones(9, dtype=bool), ("start", "done"))
        assert coded(table) == ()
