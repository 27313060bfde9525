"""The simulated funnels of ``benchmarks.funnel_causes`` plant what they say."""

from __future__ import annotations

import pytest

from benchmarks._funnel_simulation import simulate
from benchmarks.funnel_causes import ALL_DESIGNS


@pytest.mark.parametrize("name", ALL_DESIGNS)
def test_each_planted_cause_is_a_column_and_makes_people_leave_at_its_step(name: str) -> None:
    design = ALL_DESIGNS[name](3)
    table = simulate(design, 3, 4000)
    assert not [column for column in table.features if column.startswith("_")]
    assert table.known_at.keys() <= table.features.keys()
    for place, cause in enumerate(design.planted):
        assert set(cause.features) <= table.features.keys()
        assert 1 <= cause.step < len(table.steps)
        if cause.strong:
            without = simulate(design, 3, 4000, [place])
            assert (without.reached == cause.step).sum() < (table.reached == cause.step).sum()


@pytest.mark.parametrize("name", ALL_DESIGNS)
def test_the_same_seed_gives_the_same_sessions(name: str) -> None:
    first, second = (simulate(ALL_DESIGNS[name](5), 5, 500) for _ in range(2))
    assert (first.reached == second.reached).all()
    assert (first.ended == second.ended).all()
